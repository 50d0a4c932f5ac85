"""The official clients of vendors that are not language models: their own ways to send a key are understood, and the right
one goes out."""

import pytest

import resend
import stripe
import tavily
from google import genai


def sent(fake, path):
    """The credentials of the last request to a path that ends so."""
    return [one for one in fake.received() if one.path.endswith(path)][-1].credentials


@pytest.fixture
def token(keystore):
    return keystore.agent("stripe", "resend", "tavily", "gemini").token


def test_stripe(keystore, world, token):
    client = stripe.StripeClient(token, base_addresses={"api": f"{keystore.proxy_url}/v1/stripe"})
    customer = client.v1.customers.create(params={"email": "otter@example.com"})
    assert customer.object == "customer"
    assert sent(world.fakes["stripe"], "/v1/customers") == [("bearer", world.fakes["stripe"].key)]


def test_stripe_refused(keystore, token):
    client = stripe.StripeClient(token, base_addresses={"api": f"{keystore.proxy_url}/v1/openai"}, max_network_retries=0)
    with pytest.raises(stripe.PermissionError, match="ks agent update"):
        client.v1.customers.list()


def test_resend(keystore, world, token, monkeypatch):
    monkeypatch.setattr(resend, "api_key", token)
    monkeypatch.setattr(resend, "api_url", f"{keystore.proxy_url}/v1/resend")
    mail = {"from": "a@example.com", "to": ["b@example.com"], "subject": "Otters", "html": "<p>hold hands</p>"}
    assert resend.Emails.send(mail)["id"]
    assert sent(world.fakes["resend"], "/emails") == [("bearer", world.fakes["resend"].key)]


def test_resend_refused(keystore, monkeypatch):
    monkeypatch.setattr(resend, "api_key", keystore.agent("stripe").token)
    monkeypatch.setattr(resend, "api_url", f"{keystore.proxy_url}/v1/resend")
    with pytest.raises(resend.exceptions.ResendError, match="ks agent update"):
        resend.Emails.send({"from": "a@example.com", "to": "b@example.com", "subject": "s", "html": "h"})


def test_tavily(keystore, world, token):
    client = tavily.TavilyClient(token, api_base_url=f"{keystore.proxy_url}/v1/tavily")
    assert client.search("otters")["results"][0]["title"] == "Fake"
    assert sent(world.fakes["tavily"], "/search") == [("bearer", world.fakes["tavily"].key)]


def test_gemini(keystore, world, token):
    options = genai.types.HttpOptions(base_url=f"{keystore.proxy_url}/v1/gemini")
    client = genai.Client(api_key=token, http_options=options)
    client.models.get(model="gemini-2.5-flash")
    assert sent(world.fakes["gemini"], "/models/gemini-2.5-flash") == [("header:x-goog-api-key", world.fakes["gemini"].key)]


def test_gemini_refused(keystore):
    options = genai.types.HttpOptions(base_url=f"{keystore.proxy_url}/v1/gemini")
    client = genai.Client(api_key=keystore.agent("stripe").token, http_options=options)
    with pytest.raises(genai.errors.ClientError, match="ks agent update") as caught:
        client.models.get(model="gemini-2.5-flash")
    assert caught.value.code == 403

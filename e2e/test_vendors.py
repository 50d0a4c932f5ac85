"""The official clients of vendors that are not language models: their own ways to send a key are understood, and the right one
goes out."""

from decimal import Decimal

import pytest
import resend
import stripe
import tavily

from harness import checks, prices
from harness.clients import Resend, stripe_client, tavily_client

MAIL = {"from": "a@example.com", "to": ["b@example.com"], "subject": "Otters", "html": "<p>hold hands</p>"}


@pytest.fixture
def send(keystore, monkeypatch):
    """Sends a mail with this token."""

    def send(token, fake=None):
        monkeypatch.setattr(resend, "api_key", token.token)
        monkeypatch.setattr(resend, "api_url", f"{keystore.proxy_url}/v1/resend")
        if fake:
            monkeypatch.setattr(resend, "default_http_client", Resend(fake))
        return resend.Emails.send(MAIL)

    return send


def test_stripe(keystore, world):
    agent = keystore.agent("stripe")
    client = stripe_client(keystore, agent)
    customer = client.v1.customers.create(params={"email": "otter@example.com"})
    assert customer.object == "customer"
    sent = checks.only(world.fakes["stripe"], path="/v1/customers")
    assert sent.line["body"] == "email=otter%40example.com"
    assert [one.object for one in client.v1.customers.list().data] == ["customer"]
    # What Stripe charges is no price of a call.
    checks.recorded(keystore, agent, cost=0, calls=2)


def test_an_error_of_stripe(keystore):
    agent = keystore.agent("stripe")
    client = stripe_client(keystore, agent)
    for status, kind, words in [
        (402, stripe.CardError, "declined"),
        (404, stripe.InvalidRequestError, "refused by the fake"),
        (429, stripe.RateLimitError, "Too many requests"),
        (500, stripe.APIError, "An internal error"),
    ]:
        with pytest.raises(kind, match=words) as caught:
            client.v1.customers.list(options={"headers": {"x-fake": f"status={status}"}})
        assert caught.value.http_status == status
    assert [row["status"] for row in keystore.requests(agent, count=4)] == [402, 404, 429, 500]


def test_stripe_refused(keystore, world):
    agent = keystore.agent("resend")
    arrived = len(world.fakes["stripe"].received())
    with pytest.raises(stripe.PermissionError, match=f"ks agent update {agent.name} --provider stripe:byok"):
        stripe_client(keystore, agent).v1.customers.list()
    checks.refused(keystore, agent, world.fakes["stripe"], "provider_not_granted", 403, arrived)


def test_resend(keystore, world, send):
    agent = keystore.agent("resend", budget=100)
    assert send(agent)["id"]
    sent = checks.only(world.fakes["resend"], path="/emails")
    assert sent.json["subject"] == "Otters"
    price = prices.per_unit("resend", "email")["emails"]
    checks.recorded(keystore, agent, cost=price)
    assert keystore.budget(agent) == (price, 0)


@pytest.mark.parametrize(
    ("status", "kind"), [(422, "ValidationError"), (429, "RateLimitError"), (500, "ApplicationError")]
)
def test_an_error_of_resend(keystore, send, status, kind):
    agent = keystore.agent("resend", budget=100)
    with pytest.raises(getattr(resend.exceptions, kind)):
        send(agent, fake=f"status={status}")
    checks.recorded(keystore, agent, status=status, cost=0)


def test_resend_refused(keystore, world, send):
    agent = keystore.agent("resend", budget=0)
    arrived = len(world.fakes["resend"].received())
    with pytest.raises(resend.exceptions.ResendError, match="which the budget of"):
        send(agent)
    checks.refused(keystore, agent, world.fakes["resend"], "budget_exceeded", 402, arrived)


def test_tavily(keystore, world):
    agent = keystore.agent("tavily", budget=100)
    assert tavily_client(keystore, agent).search("otters")["results"][0]["title"] == "Fake"
    assert checks.only(world.fakes["tavily"], path="/search").json["query"] == "otters"
    row = checks.recorded(keystore, agent)
    assert keystore.budget(agent) == (Decimal(row["cost"]), 0) and Decimal(row["cost"]) > 0


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, tavily.BadRequestError, "refused by the fake"),
        (429, tavily.UsageLimitExceededError, "Too many requests"),
        (432, tavily.errors.ForbiddenError, "usage limit is reached"),
    ],
)
def test_an_error_of_tavily(keystore, status, kind, words):
    agent = keystore.agent("tavily", budget=100)
    with pytest.raises(kind, match=words):
        tavily_client(keystore, agent, fake=f"status={status}").search("otters")
    checks.recorded(keystore, agent, status=status, cost=0)


def test_tavily_refused(keystore, world):
    """Its client knows no 402, so the catalog makes a 403 of it."""
    agent = keystore.agent("tavily", budget=0)
    arrived = len(world.fakes["tavily"].received())
    with pytest.raises(tavily.errors.ForbiddenError, match="which the budget of"):
        tavily_client(keystore, agent).search("otters")
    checks.refused(keystore, agent, world.fakes["tavily"], "budget_exceeded", 403, arrived)

"""The agent's side of `keystore-sdk`: vendors' official clients that `wrap`, the variables and the transport point at the proxy, in front of
fake vendors that take nothing but the real keys. What needs no proxy is in `sdk/python/tests`."""

import asyncio
import json
import os
import uuid

import anthropic
import httpx
import openai
import pytest
import resend
import stripe
from google import genai

from harness import checks
from harness.clients import HELLO, WORDS


@pytest.fixture
def agent(keystore):
    return keystore.agent("openai", "anthropic", "gemini", "stripe", "resend", "tavily")


@pytest.fixture
def ks(sdk, keystore, agent):
    """The agent's side."""
    return sdk.Keystore(agent_token=agent.token, proxy_url=keystore.proxy_url)


@pytest.fixture
def gemini():
    return f"gemini-2.5-flash-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def served(world, keystore, agent):
    """One call arrived at the vendor with the real key and nothing of ours, and is on the agent's record."""

    def served(provider, model=None, path=None):
        checks.only(world.fakes[provider], model, path)
        checks.recorded(keystore, agent)

    return served


def test_wrap_openai(ks, gpt, served):
    client = openai.OpenAI(api_key="sk-real", admin_api_key="sk-admin-real", organization="org-x", max_retries=0)
    chat = client.chat
    assert ks.wrap(client) is client and ks.wrap(client).api_key == ks.wrap(client).copy().api_key
    assert chat.completions.create(model=gpt, messages=HELLO).choices[0].message.content == WORDS
    served("openai", gpt)
    assert not [value for value in vars(client).values() if "real" in str(value)]


def test_wrap_openai_for_tasks_and_streams(ks, gpt, served):
    async def key():
        return "sk-real"

    async def call():
        async with ks.wrap(openai.AsyncOpenAI(api_key=key, max_retries=0)) as client:
            chunks = await client.chat.completions.create(model=gpt, messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    assert asyncio.run(call()) == WORDS
    served("openai", gpt)


def test_wrap_anthropic(ks, claude, served):
    client = ks.wrap(anthropic.Anthropic(auth_token="real", max_retries=0))
    assert client.messages.create(model=claude, max_tokens=50, messages=HELLO).content[0].text == WORDS
    served("anthropic", claude)


def test_wrap_anthropic_for_tasks(ks, claude, served):
    async def call():
        async with ks.wrap(anthropic.AsyncAnthropic(api_key="sk-ant-real", max_retries=0)) as client:
            async with client.messages.stream(model=claude, max_tokens=50, messages=HELLO) as stream:
                return await stream.get_final_text()

    assert asyncio.run(call()) == WORDS
    served("anthropic", claude)


def test_wrap_gemini(ks, gemini, served):
    client = ks.wrap(genai.Client(api_key="AIza-real"))
    assert client.models.generate_content(model=gemini, contents="Hello").text == WORDS
    served("gemini", gemini)


def test_wrap_gemini_after_parts_of_it_were_used(ks, world):
    client = genai.Client(api_key="AIza-real")
    client.interactions, client.aio.interactions
    with pytest.raises(Exception):
        ks.wrap(client).interactions.create(model=f"gemini-{uuid.uuid4().hex}", input="Hello")
    arrived = world.fakes["gemini"].received()[-1]
    assert "interactions" in arrived.path and arrived.credentials == [(world.fakes["gemini"].slot, world.fakes["gemini"].key)]


def test_wrap_gemini_for_tasks(ks, gemini, served):
    async def call():
        async with ks.wrap(genai.Client(api_key="AIza-real")).aio as client:
            return (await client.models.generate_content(model=gemini, contents="Hello")).text

    assert asyncio.run(call()) == WORDS
    served("gemini", gemini)


def test_wrap_stripe(ks, served):
    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0))
    assert client.v1.customers.list(params={"limit": 3}).data
    served("stripe", path="/v1/customers")


def test_wrap_stripe_sends_the_token_to_the_proxy_alone(ks, keystore):
    asked = []

    class Network(stripe.HTTPClient):
        name = "a list"

        def request(self, method, url, headers, post_data=None, **_):
            asked.append((url, headers["Authorization"]))
            return "{}", 200, {}

        def close(self):
            pass

    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0, http_client=Network()))
    client.v1.customers.list()
    client.oauth.deauthorize({"client_id": "ca_1", "stripe_user_id": "acct_1"})
    client.v2.billing.meter_event_stream.create({"events": []})
    client.v1.files.retrieve("file_1")
    assert len(asked) == 4 and len({url.partition("?")[0] for url, _ in asked}) == 4
    assert all(url.startswith(f"{keystore.proxy_url}/v1/stripe") for url, _ in asked)
    assert {authorization for _, authorization in asked} == {f"Bearer {agent_token(ks)}"}


def test_wrap_stripe_for_tasks(ks, served):
    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0, http_client=stripe.HTTPXClient()))
    assert asyncio.run(client.v1.customers.list_async()).data
    served("stripe", path="/v1/customers")


def test_wrap_the_module_stripe(ks, served, monkeypatch):
    for name in ("api_key", "api_base", "upload_api_base", "connect_api_base", "meter_events_api_base"):
        monkeypatch.setattr(stripe, name, getattr(stripe, name))
    stripe.api_key = "sk_live_real"
    assert ks.wrap(stripe).Customer.list(limit=3).data
    served("stripe", path="/v1/customers")


def test_wrap_resend(ks, served, monkeypatch):
    monkeypatch.setattr(resend, "api_key", "re_real")
    monkeypatch.setattr(resend, "api_url", resend.api_url)
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "Otters", "html": "<p>hold hands</p>"}
    assert ks.wrap(resend).Emails.send(mail)["id"]
    served("resend", path="/emails")
    assert asyncio.run(resend.Emails.send_async(mail))["id"]


def test_wrap_goes_where_the_client_goes(ks, keystore, sdk):
    client = ks.wrap(openai.OpenAI(api_key="real", base_url="https://api.groq.com/openai/v1"))
    assert str(client.base_url) == f"{keystore.proxy_url}/v1/groq/openai/v1/"
    client = ks.wrap(openai.OpenAI(api_key="real", base_url="https://llm.example/api/v1"), provider="my-llm")
    assert str(client.base_url) == f"{keystore.proxy_url}/v1/my-llm/api/v1/"
    for other in (
        openai.OpenAI(api_key="real", base_url="https://llm.example/v1"),
        openai.OpenAI(api_key="real", base_url="http://api.openai.com/v1"),
        openai.AzureOpenAI(api_key="real", azure_endpoint="https://mine.openai.azure.com", api_version="2026-01-01"),
        openai.OpenAI(workload_identity={"type": "x", "client_id": "x", "provider": None}),
        anthropic.AnthropicBedrock(aws_region="us-east-1", aws_access_key="real", aws_secret_key="real"),
        genai.Client(vertexai=True, api_key="real"),
    ):
        with pytest.raises(sdk.UnsupportedClientError):
            ks.wrap(other)
        assert agent_token(ks) not in str(vars(other))


def agent_token(ks):
    return ks._settings.agent_token


def test_the_transport_serves_programs_and_clients(ks, gpt, served, keystore, agent):
    with httpx.Client(transport=ks.transport()) as http:
        client = openai.OpenAI(api_key="sk-real", http_client=http, max_retries=0)
        assert client.chat.completions.create(model=gpt, messages=HELLO).choices[0].message.content == WORDS
    served("openai", gpt)

    async def call():
        async with httpx.AsyncClient(transport=ks.async_transport()) as http:
            headers = {"authorization": "Bearer re_real"}
            return await http.post("https://api.resend.com/emails", headers=headers, json={"to": ["b@example.com"], "from": "a@example.com"})

    assert asyncio.run(call()).status_code == 200
    assert len(keystore.requests(agent, count=2)) == 2


def test_a_refusal_of_the_proxy_reaches_the_client(ks, keystore, agent):
    keystore.run("agent", "pause", agent.name)
    with pytest.raises(openai.PermissionDeniedError, match="ks agent resume"):
        ks.wrap(openai.OpenAI(api_key="none")).models.list()


@pytest.mark.parametrize("providers", [None, ["openai", "stripe"], ["sandbox"], ["sandbox", "openai", "groq"]])
def test_the_variables_are_those_of_ks_run(ks, keystore, agent, monkeypatch, providers):
    """With the same keys in the environment, of which the catalog knows most."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    parent = {"OPENAI_API_KEY": "sk-x", "STRIPE_API_KEY": "sk_x", "GROQ_BASE_URL": "x", "KS_API_KEY": "ksm_x", "MY_OWN": "stays"}
    for name, value in parent.items():
        monkeypatch.setenv(name, value)
    words = [word for one in providers or () for word in ("--provider", one)]
    env = {**parent, "KS_PROXY_URL": keystore.proxy_url, "KS_API_KEY": keystore.dev["apiKey"]}
    shown = keystore.run("run", "--token", agent.token, *words, "--print-env", "--output", "json", env=env)
    told = json.loads(shown)
    with ks.setup_env(providers):
        names = {name for name, value in os.environ.items() if parent.get(name) != value}
        assert names == set(told["set"])
        assert {name: os.environ[name] for name in names if os.environ[name] != agent.token} == {
            name: value for name, value in told["set"].items() if "…" not in value
        }
        assert set(parent) - set(os.environ) == set(told["remove"]) & set(parent)
    assert {name: os.environ[name] for name in parent} == parent and len(os.environ) == len(parent)

"""LiteLLM as a client: one function for every vendor, each with the vendor's base URL at the proxy and the one token."""

import litellm
import pytest

from harness import checks, prices
from harness.clients import HELLO, WORDS

INPUT = prices.input_tokens("user", HELLO[0]["content"])


@pytest.fixture
def agent(keystore):
    return keystore.agent("openai", "anthropic", budget=10_000)


@pytest.fixture
def openai(keystore, agent, gpt):
    """What a program gives for OpenAI."""
    return {"model": f"openai/{gpt}", "api_base": f"{keystore.proxy_url}/v1/openai/v1", "api_key": agent.token}


@pytest.fixture
def anthropic(keystore, agent, claude):
    """What a program gives for Anthropic."""
    return {"model": f"anthropic/{claude}", "api_base": f"{keystore.proxy_url}/v1/anthropic", "api_key": agent.token}


def complete(settings, **more):
    return litellm.completion(messages=HELLO, num_retries=0, max_retries=0, **settings, **more)


def test_openai(keystore, agent, openai, fake_openai, gpt):
    answer = complete(openai)
    assert (answer.choices[0].message.content, answer.usage.completion_tokens) == (WORDS, 12)
    checks.only(fake_openai, gpt)
    checks.recorded(keystore, agent, cost=prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, output_tokens=12))


def test_openai_streamed(keystore, agent, openai, fake_openai, gpt):
    chunks = list(complete(openai, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == WORDS
    checks.only(fake_openai, gpt)
    checks.recorded(keystore, agent, cost=prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, output_tokens=12))


def test_anthropic(keystore, agent, anthropic, fake_anthropic, claude):
    answer = complete(anthropic, max_tokens=100)
    assert (answer.choices[0].message.content, answer.usage.completion_tokens) == (WORDS, 12)
    assert checks.only(fake_anthropic, claude).path == "/v1/messages"
    row = checks.recorded(keystore, agent)
    assert row["usage"]["output_text"] == 12


def test_anthropic_streamed(keystore, agent, anthropic, fake_anthropic, claude):
    chunks = list(complete(anthropic, max_tokens=100, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == WORDS
    checks.only(fake_anthropic, claude)
    assert checks.recorded(keystore, agent)["usage"]["output_text"] == 12


@pytest.mark.parametrize(
    ("status", "kind"), [(400, litellm.BadRequestError), (429, litellm.RateLimitError), (500, litellm.InternalServerError)]
)
def test_errors_of_the_vendor(keystore, agent, openai, status, kind):
    with pytest.raises(kind, match="fake|The server had an error"):
        complete(openai, extra_headers={"x-fake": f"status={status}"})
    checks.recorded(keystore, agent, status=status, cost=0)


def test_refused(keystore, openai, anthropic, fake_openai, fake_anthropic):
    agent = keystore.agent("stripe")
    # It has one of its own exceptions for both, of another kind for each.
    for settings, fake, provider, kind in [
        (openai, fake_openai, "openai", litellm.APIError),
        (anthropic, fake_anthropic, "anthropic", litellm.PermissionDeniedError),
    ]:
        arrived = len(fake.received())
        with pytest.raises(kind, match=f"ks agent update {agent.name} --provider {provider}:byok"):
            complete({**settings, "api_key": agent.token})
        assert len(fake.received()) == arrived
    assert {row["code"] for row in keystore.requests(agent, count=2)} == {"provider_not_granted"}

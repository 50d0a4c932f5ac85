"""Our own refusals surface as the exceptions of the vendors' clients, with our words and what to do about them."""

import anthropic
import openai
import pytest

from harness.clients import HELLO, anthropic_client, openai_client


def refused(keystore, token, kind, words, model, **options):
    """A call that both clients see refused with `kind` of their own and these words; OpenAI's error."""
    with pytest.raises(getattr(anthropic, kind), match=words) as caught:
        anthropic_client(keystore, token, **options).messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)
    ours = caught.value.body["error"]
    assert caught.value.body["type"] == "error"
    with pytest.raises(getattr(openai, kind), match=words) as caught:
        openai_client(keystore, token, **options).chat.completions.create(model=model, messages=HELLO)
    error = caught.value
    assert error.code == ours["type"] == error.response.headers["x-keystore-error"]
    assert error.response.headers["cache-control"] == "no-store"
    assert error.body["remedy"] in error.message
    return error


def test_a_token_that_does_not_exist(keystore, fake_openai, gpt):
    error = refused(keystore, "ks_" + "0" * 64, "AuthenticationError", "token is missing, or it is not valid", gpt)
    assert (error.status_code, error.code) == (401, "invalid_token")
    assert not fake_openai.received(gpt)


def test_a_real_key_in_place_of_a_token(keystore, fake_openai, gpt):
    refused(keystore, "sk-proj-" + "x" * 48, "AuthenticationError", "token is missing", gpt)
    assert not fake_openai.received(gpt)


def test_a_revoked_token(keystore, agent, fake_openai, gpt):
    client = openai_client(keystore, agent)
    client.chat.completions.create(model=gpt, messages=HELLO)
    keystore.run("token", "revoke", agent.token_id, "--yes")
    error = refused(keystore, agent, "AuthenticationError", "token is missing, or it is not valid", gpt)
    assert error.code == "invalid_token"
    assert len(fake_openai.received(gpt)) == 1


def test_a_rotated_token(keystore, agent, fake_openai, gpt):
    new = keystore.ks("token", "rotate", agent.token_id)["token"]
    keystore.tokens.append(new)
    refused(keystore, agent, "AuthenticationError", "not valid", gpt)
    openai_client(keystore, new).chat.completions.create(model=gpt, messages=HELLO)
    assert len(fake_openai.received(gpt)) == 1


def test_a_provider_that_is_not_granted(keystore, fake_openai, gpt):
    agent = keystore.agent("stripe")
    error = refused(keystore, agent, "PermissionDeniedError", "ks agent update", gpt)
    assert (error.status_code, error.code) == (403, "provider_not_granted")
    assert f"ks agent update {agent.name} --provider openai:byok" in error.message
    assert not fake_openai.received(gpt)
    # The remedy works as it is printed.
    keystore.run("agent", "update", agent.name, "--provider", "openai:byok")
    openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO)


def test_a_paused_agent(keystore, agent, fake_openai, gpt):
    keystore.run("agent", "pause", agent.name)
    error = refused(keystore, agent, "PermissionDeniedError", f"`{agent.name}` is paused", gpt)
    assert error.code == "agent_paused"
    assert not fake_openai.received(gpt)
    keystore.run("agent", "resume", agent.name)
    openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO)


def test_a_budget_that_does_not_suffice(keystore, fake_openai, fake_anthropic, gpt):
    agent = keystore.agent("openai", "anthropic", budget=0)
    error = refused(keystore, agent, "APIStatusError", "which the budget of", gpt)
    assert (error.status_code, error.code, type(error)) == (402, "budget_exceeded", openai.APIStatusError)
    assert error.response.headers["x-should-retry"] == "false"
    assert not fake_openai.received(gpt)
    # One request of each client: no retries.
    assert {row["status"] for row in keystore.requests(agent, count=2)} == {402}


def test_a_budget_that_is_used_up(keystore, fake_openai, gpt):
    """One cent: the first call is afforded with less output than asked for, until nothing worth having is left."""
    agent = keystore.agent("openai", budget=1)
    client = openai_client(keystore, agent, fake="output-tokens=1000000")
    with pytest.raises(openai.APIStatusError) as caught:
        for _ in range(10):
            answer = client.chat.completions.create(model=gpt, messages=HELLO)
            assert answer.usage.completion_tokens >= 256
    assert caught.value.status_code == 402
    spent, held = keystore.budget(agent)
    assert 0 < spent <= 0.01 and held == 0
    assert fake_openai.received(gpt)


def test_too_many_requests_in_a_minute(keystore, fake_openai, gpt):
    agent = keystore.agent("openai", rpm=2)
    client = openai_client(keystore, agent, retries=0)
    for _ in range(2):
        client.chat.completions.create(model=gpt, messages=HELLO)
    with pytest.raises(openai.RateLimitError, match="has reached its limit of 2 requests a minute") as caught:
        client.chat.completions.create(model=gpt, messages=HELLO)
    error = caught.value
    assert (error.code, error.body["limitType"]) == ("rate_limited", "rpm")
    assert 1 <= int(error.response.headers["retry-after"]) <= 61
    assert error.response.headers["x-ratelimit-remaining"] == "0"
    assert len(fake_openai.received(gpt)) == 2
    # In force when the command returns.
    keystore.run("agent", "update", agent.name, "--rpm-limit", 1000)
    client.chat.completions.create(model=gpt, messages=HELLO)


def test_an_agent_that_is_blocked_is_not_retried(keystore, fake_openai, gpt):
    agent = keystore.agent("openai", rpm=0)
    with pytest.raises(openai.RateLimitError, match="is blocked") as caught:
        openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO)
    assert caught.value.response.headers["x-should-retry"] == "false"
    keystore.requests(agent, count=1)


def test_an_operation_that_reveals_credentials(keystore, agent):
    client = openai_client(keystore, agent, retries=0)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.get("/organization/admin_api_keys", cast_to=object)
    assert caught.value.code == "operation_denied"


def test_a_provider_that_does_not_exist(keystore, agent):
    client = openai.OpenAI(base_url=f"{keystore.proxy_url}/v1/opnai/v1", api_key=agent.token, max_retries=0)
    with pytest.raises(openai.NotFoundError, match="There is no provider `opnai`"):
        client.models.list()

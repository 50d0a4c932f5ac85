"""The vendor's own errors reach the client as the vendor's own errors; a key that the vendor refuses does not."""

import anthropic
import openai
import pytest

from conftest import BAD_KEYS
from harness.clients import HELLO, anthropic_client, openai_client


def chat(client, model):
    return client.chat.completions.create(model=model, messages=HELLO)


def message(client, model):
    return client.messages.create(model=model, max_tokens=100, messages=HELLO)


def test_openai_rate_limit_is_retried_as_the_vendor_says(keystore, agent, fake_openai, gpt, monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(openai.RateLimitError, match="Rate limit reached for gpt-fake") as caught:
        chat(openai_client(keystore, agent, fake="status=429"), gpt)
    assert len(fake_openai.received(gpt)) == 3
    assert pauses == [20, 20]
    response = caught.value.response
    assert "x-keystore-error" not in response.headers
    assert response.headers["x-ratelimit-reset-tokens"] == "1.5s"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (404, openai.NotFoundError), (422, openai.UnprocessableEntityError)],
)
def test_openai_client_errors(keystore, agent, fake_openai, gpt, status, kind):
    with pytest.raises(kind, match="The request was refused by the fake"):
        chat(openai_client(keystore, agent, fake=f"status={status}"), gpt)
    assert len(fake_openai.received(gpt)) == 1


def test_openai_server_error_is_retried(keystore, agent, fake_openai, gpt):
    with pytest.raises(openai.InternalServerError, match="The server had an error"):
        chat(openai_client(keystore, agent, fake="status=500", retries=1), gpt)
    assert len(fake_openai.received(gpt)) == 2
    keystore.requests(agent, count=2)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, anthropic.BadRequestError, "The request was refused by the fake"),
        (429, anthropic.RateLimitError, "organization's rate limit"),
        (500, anthropic.InternalServerError, "Internal server error"),
        (529, anthropic.InternalServerError, "Overloaded"),
    ],
)
def test_anthropic_errors(keystore, agent, fake_anthropic, claude, status, kind, words):
    with pytest.raises(kind, match=words) as caught:
        message(anthropic_client(keystore, agent, fake=f"status={status}", retries=0), claude)
    assert caught.value.status_code == status
    assert len(fake_anthropic.received(claude)) == 1


def test_openai_key_that_the_vendor_refuses(keystore, fake_openai, gpt):
    agent = keystore.agent("openai:byok@dead")
    with pytest.raises(openai.InternalServerError, match="ks provider rotate openai") as caught:
        chat(openai_client(keystore, agent), gpt)
    error = caught.value
    assert (error.status_code, error.code) == (502, "credential_invalid")
    # The vendor's own answer shows parts of the key.
    assert BAD_KEYS["openai"][-4:] not in error.response.text
    assert error.response.headers["x-should-retry"] == "false"
    assert len(fake_openai.received(gpt)) == 1


def test_anthropic_key_that_the_vendor_refuses(keystore, fake_anthropic, claude):
    agent = keystore.agent("anthropic:byok@dead")
    with pytest.raises(anthropic.InternalServerError, match="ks provider rotate anthropic") as caught:
        message(anthropic_client(keystore, agent), claude)
    assert caught.value.status_code == 502
    assert len(fake_anthropic.received(claude)) == 1


def test_a_stream_that_breaks_off_does_not_look_whole(keystore, agent, gpt):
    client = openai_client(keystore, agent, fake="abort-after=4", retries=0)
    stream = client.chat.completions.create(model=gpt, messages=HELLO, stream=True)
    seen = []
    with pytest.raises(Exception) as caught:
        for chunk in stream:
            seen.append(chunk)
    assert isinstance(caught.value, openai.APIError) or "httpx" in type(caught.value).__module__, caught.value
    assert len(seen) >= 3
    (row,) = keystore.requests(agent, count=1)
    assert row["ending"] == "upstream_error"


def test_a_vendor_that_gives_no_answer(keystore, agent, gpt):
    with pytest.raises(openai.InternalServerError, match="gave no valid answer") as caught:
        chat(openai_client(keystore, agent, fake="no-head", retries=0), gpt)
    assert caught.value.code == "upstream_error"

"""Mistral's Python client through the proxy."""

import pytest
from mistralai.client.errors import HTTPValidationError, SDKError

from harness import checks, prices
from harness.clients import HELLO, WORDS, mistral_client

MODEL = "codestral-2508"
# "user" and the words, by the fake's rule.
INPUT = prices.input_tokens("user", HELLO[0]["content"])
COUNTS = "output-tokens=321; cached-tokens=7"
USAGE = {"input_uncached": INPUT - 7, "cache_read": 7, "output_text": 321}


@pytest.fixture
def fake(world):
    return world.fakes["mistral"]


@pytest.fixture
def agent(keystore):
    return keystore.agent("mistral", budget=10_000)


@pytest.fixture
def cost():
    return prices.cost("mistral", MODEL, input_tokens=INPUT, cached_tokens=7, output_tokens=321)


def test_chat(keystore, agent, fake, cost):
    client, options = mistral_client(keystore, agent, fake=COUNTS)
    answer = client.chat.complete(model=MODEL, messages=HELLO, **options)
    assert answer.choices[0].message.content.startswith(WORDS)
    assert answer.usage.completion_tokens == 321
    checks.only(fake, path="/v1/chat/completions")
    checks.recorded(keystore, agent, usage=USAGE, cost=cost)
    assert keystore.budget(agent) == (cost, 0)


def test_chat_streamed(keystore, agent, fake, cost):
    client, options = mistral_client(keystore, agent, fake=COUNTS)
    with client.chat.stream(model=MODEL, messages=HELLO, **options) as stream:
        chunks = [event.data for event in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.startswith(WORDS) and len(text.split()) == 321
    # Its last chunk says what was used whether it was asked or not; nothing is added to the request.
    assert chunks[-1].usage.completion_tokens == 321
    assert "stream_options" not in checks.only(fake, path="/v1/chat/completions").json
    checks.recorded(keystore, agent, usage=USAGE, cost=cost)
    assert keystore.budget(agent) == (cost, 0)


def test_a_tool_call(keystore, agent):
    client, _ = mistral_client(keystore, agent)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    answer = client.chat.complete(model=MODEL, messages=HELLO, tools=[tool])
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Paris"}')


def test_embeddings(keystore, agent, fake):
    client, _ = mistral_client(keystore, agent)
    answer = client.embeddings.create(model="mistral-embed", inputs=["one", "two"])
    assert [row.embedding for row in answer.data] == [[0.125, -0.25, 0.5, 0.0]] * 2
    checks.only(fake, path="/v1/embeddings")
    used = prices.input_tokens("one", "two")
    cost = used * prices.per_million("mistral", "mistral-embed")["input_uncached"] / 1_000_000
    checks.recorded(keystore, agent, usage={"input_uncached": used}, cost=cost)


def test_models(keystore, agent):
    client, _ = mistral_client(keystore, agent)
    assert [model.id for model in client.models.list().data] == ["mistral-fake"]


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, SDKError, "refused by the fake"),
        (422, HTTPValidationError, "Field required"),
        (429, SDKError, "Requests rate limit exceeded"),
        (500, SDKError, "Service unavailable"),
    ],
)
def test_errors_of_the_vendor(keystore, agent, status, kind, words):
    client, options = mistral_client(keystore, agent, fake=f"status={status}")
    with pytest.raises(kind) as caught:
        client.chat.complete(model=MODEL, messages=HELLO, **options)
    assert caught.value.status_code == status and words in caught.value.body
    checks.recorded(keystore, agent, status=status, cost=0)


def test_refused(keystore, fake):
    agent = keystore.agent("mistral", budget=0)
    arrived = len(fake.received())
    client, _ = mistral_client(keystore, agent)
    with pytest.raises(SDKError, match="which the budget of") as caught:
        client.chat.complete(model=MODEL, messages=HELLO)
    assert caught.value.status_code == 402
    checks.refused(keystore, agent, fake, "budget_exceeded", 402, arrived)

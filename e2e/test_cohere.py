"""Cohere's Python client through the proxy."""

import cohere
import pytest

from harness import checks, prices
from harness.clients import HELLO, WORDS, cohere_client

MODEL = "command-r-08-2024"
# "user" and the words, by the fake's rule.
INPUT = prices.input_tokens("user", HELLO[0]["content"])


@pytest.fixture
def fake(world):
    return world.fakes["cohere"]


@pytest.fixture
def agent(keystore):
    return keystore.agent("cohere", budget=10_000)


@pytest.fixture
def cost():
    return prices.cost("cohere", MODEL, input_tokens=INPUT, output_tokens=12)


def test_chat(keystore, agent, fake, cost):
    client, _ = cohere_client(keystore, agent)
    answer = client.chat(model=MODEL, messages=HELLO)
    assert (answer.message.content[0].text, answer.usage.billed_units.output_tokens) == (WORDS, 12)
    assert checks.only(fake, path="/v2/chat").json["model"] == MODEL
    # What is billed is what counts, not what the model saw.
    checks.recorded(keystore, agent, usage={"input_uncached": INPUT, "output_text": 12}, cost=cost)
    assert keystore.budget(agent) == (cost, 0)


def test_chat_streamed(keystore, agent, fake, cost):
    client, _ = cohere_client(keystore, agent)
    events = list(client.chat_stream(model=MODEL, messages=HELLO))
    text = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert len(text) == 12 and "".join(text) == WORDS
    assert events[-1].delta.usage.billed_units.output_tokens == 12
    checks.only(fake, path="/v2/chat")
    checks.recorded(keystore, agent, usage={"input_uncached": INPUT, "output_text": 12}, cost=cost)
    assert keystore.budget(agent) == (cost, 0)


def test_a_tool_call(keystore, agent):
    client, _ = cohere_client(keystore, agent)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    (call,) = client.chat(model=MODEL, messages=HELLO, tools=[tool]).message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Paris"}')


def test_texts_are_embedded_and_documents_ranked(keystore, fake):
    agent = keystore.agent("cohere")
    client, _ = cohere_client(keystore, agent)
    answer = client.embed(
        model="embed-v4.0", input_type="search_document", texts=["one", "two"], embedding_types=["float"]
    )
    assert answer.embeddings.float_ == [[0.125, -0.25, 0.5, 0.0]] * 2
    checks.only(fake, path="/v2/embed")
    checks.recorded(keystore, agent, usage={"input_uncached": prices.input_tokens("one", "two")})
    ranked = client.rerank(model="rerank-v3.5", query="otters", documents=["a", "b", "c"], top_n=2)
    assert [(one.index, one.relevance_score) for one in ranked.results] == [(0, 0.875), (1, 0.5)]
    checks.only(fake, path="/v2/rerank")
    checks.recorded(keystore, agent, usage={"searches": 1}, calls=2)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, cohere.BadRequestError, "refused by the fake"),
        (429, cohere.TooManyRequestsError, "trial key"),
        (500, cohere.InternalServerError, "internal error of the fake"),
    ],
)
def test_errors_of_the_vendor(keystore, agent, status, kind, words):
    client, options = cohere_client(keystore, agent, fake=f"status={status}")
    with pytest.raises(kind) as caught:
        client.chat(model=MODEL, messages=HELLO, **options)
    assert words in caught.value.body["message"]
    checks.recorded(keystore, agent, status=status, cost=0)


def test_refused(keystore, fake):
    agent = keystore.agent("stripe")
    client, _ = cohere_client(keystore, agent)
    arrived = len(fake.received())
    with pytest.raises(cohere.ForbiddenError) as caught:
        client.chat(model=MODEL, messages=HELLO)
    assert f"ks agent update {agent.name} --provider cohere:byok" in caught.value.body["message"]
    checks.refused(keystore, agent, fake, "provider_not_granted", 403, arrived)

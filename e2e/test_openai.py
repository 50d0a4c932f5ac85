"""OpenAI's Python client through the proxy: every shape of answer arrives as if the vendor had been called."""

import json

import pytest

from harness.clients import HELLO, openai_client

WORDS = " ".join(f"w{number}" for number in range(1, 13))
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(keystore, agent):
    return openai_client(keystore, agent)


def only(fake, model):
    """The one request of this test, which came with the real key and nothing else."""
    (received,) = fake.received(model)
    assert received.credentials == [(fake.slot, fake.key)]
    assert not [value for _, value in received.line["headers"] if "ks_" in value]
    return received


def test_chat(client, fake_openai, gpt):
    answer = client.chat.completions.create(model=gpt, messages=HELLO)
    assert answer.choices[0].message.content == WORDS
    assert (answer.usage.completion_tokens, answer.model) == (12, gpt)
    assert only(fake_openai, gpt).path == "/v1/chat/completions"


def test_the_answer_says_whose_key_and_which_request(client, gpt):
    raw = client.chat.completions.with_raw_response.create(model=gpt, messages=HELLO)
    assert raw.headers["x-keystore-request-id"].startswith("req_")
    assert raw.headers["x-keystore-source"] == "byok"
    assert "x-keystore-error" not in raw.headers


def test_chat_streamed_without_asking_for_usage(client, fake_openai, gpt):
    chunks = list(client.chat.completions.create(model=gpt, messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == WORDS
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    # The proxy asks for the usage and keeps it to itself.
    assert not [chunk for chunk in chunks if chunk.usage]
    received = only(fake_openai, gpt)
    assert received.json["stream_options"] == {"include_usage": True}
    assert received.tokens[1] == 12


def test_chat_streamed_with_usage(client, gpt):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=gpt, messages=HELLO, stream=True, stream_options=options))
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 12)


def test_chat_with_the_streaming_helper(client, gpt):
    with client.chat.completions.stream(model=gpt, messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert answer.choices[0].message.content == WORDS


def test_tool_call_and_result(client, fake_openai, gpt):
    call = client.chat.completions.create(model=gpt, messages=HELLO, tools=[TOOL]).choices[0].message
    assert call.tool_calls[0].function.name == "weather"
    assert json.loads(call.tool_calls[0].function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"}
    messages = [*HELLO, call.model_dump(exclude_none=True), result]
    answer = client.chat.completions.create(model=gpt, messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == WORDS
    assert [len(one.json["messages"]) for one in fake_openai.received(gpt)] == [1, 3]


def test_tool_call_streamed(client, gpt):
    chunks = client.chat.completions.create(model=gpt, messages=HELLO, tools=[TOOL], stream=True)
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments for call in calls)) == {"city": "Paris"}


def test_responses(client, fake_openai, gpt):
    answer = client.responses.create(model=gpt, input="Hello")
    assert (answer.output_text, answer.usage.output_tokens) == (WORDS, 12)
    assert only(fake_openai, gpt).path == "/v1/responses"


def test_responses_streamed(client, gpt):
    with client.responses.stream(model=gpt, input="Hello") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        answer = stream.get_final_response()
    assert text == answer.output_text == WORDS
    assert answer.usage.output_tokens == 12


def test_embeddings(client, fake_openai):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], encoding_format="float")
    assert [row.embedding for row in answer.data] == [[0.125, -0.25, 0.5, 0.0]] * 2
    received = fake_openai.received("text-embedding-3-small")[-1]
    assert (received.json["input"], received.path) == (["one", "two"], "/v1/embeddings")


def test_models(client):
    assert [model.id for model in client.models.list()] == ["gpt-fake", "gpt-fake-mini"]


def test_a_large_body_arrives_whole(client, fake_openai, gpt):
    text = "päper " * 100_000
    client.chat.completions.create(model=gpt, messages=[{"role": "user", "content": text}])
    assert only(fake_openai, gpt).json["messages"][0]["content"] == text

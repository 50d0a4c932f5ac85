"""Anthropic's Python client through the proxy."""

import pytest

from harness.clients import HELLO, anthropic_client

WORDS = " ".join(f"w{number}" for number in range(1, 13))
TOOL = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(keystore, agent):
    return anthropic_client(keystore, agent)


def test_messages(client, fake_anthropic, claude):
    message = client.messages.create(model=claude, max_tokens=100, messages=HELLO)
    assert (message.content[0].text, message.stop_reason) == (WORDS, "end_turn")
    (received,) = fake_anthropic.received(claude)
    assert received.credentials == [("header:x-api-key", fake_anthropic.key)]
    assert received.header("anthropic-version") == client.default_headers["anthropic-version"]
    assert received.path == "/v1/messages"


def test_messages_streamed(client, claude):
    with client.messages.stream(model=claude, max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == message.content[0].text == WORDS
    assert message.usage.output_tokens == 12


def test_messages_streamed_as_raw_events(client, claude):
    kinds = [event.type for event in client.messages.create(model=claude, max_tokens=100, messages=HELLO, stream=True)]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert kinds.count("content_block_delta") == 12


def test_tool_use_and_result(client, claude):
    message = client.messages.create(model=claude, max_tokens=100, messages=HELLO, tools=[TOOL])
    use = message.content[0]
    assert (message.stop_reason, use.name, use.input) == ("tool_use", "weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    messages = [
        *HELLO,
        {"role": "assistant", "content": [use.model_dump(include={"type", "id", "name", "input"})]},
        {"role": "user", "content": [result]},
    ]
    answer = client.messages.create(model=claude, max_tokens=100, messages=messages, tools=[TOOL])
    assert answer.content[0].text == WORDS


def test_tool_use_streamed(client, claude):
    with client.messages.stream(model=claude, max_tokens=100, messages=HELLO, tools=[TOOL]) as stream:
        message = stream.get_final_message()
    assert message.content[0].input == {"city": "Paris"}


def test_count_tokens(client, claude):
    assert client.messages.count_tokens(model=claude, messages=HELLO).input_tokens > 8


def test_the_cap_of_the_caller_stands(client, fake_anthropic, claude):
    message = client.messages.create(model=claude, max_tokens=3, messages=HELLO)
    assert message.usage.output_tokens == 3
    (received,) = fake_anthropic.received(claude)
    assert received.json["max_tokens"] == 3

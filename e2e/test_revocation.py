"""A stream that is cut because its permission was taken back is an error for the vendors' own clients, never a normal end."""

import os
import time

import anthropic
import openai
import pytest
from google import genai

from harness.clients import HELLO, anthropic_client, gemini_client, openai_client

# Long enough not to end by itself.
FAKE = "chunk-delay-ms=20; output-tokens=2000"
# How long a cut may take, in seconds: as promised in the soak, otherwise longer, because other tests run beside it.
CUT = 1 if os.environ.get("KEYSTORE_SOAK") else 10


def cut(keystore, agent, stream, error):
    """Takes three events, pauses the agent, and reads on; gives the error and how long it took."""
    events = iter(stream)
    for _ in range(3):
        next(events)
    keystore.ks("agent", "pause", agent.name)
    began = time.monotonic()
    with pytest.raises(error) as raised:
        for _ in events:
            pass
    assert time.monotonic() - began < CUT
    return raised.value


def test_openai(keystore, agent, gpt):
    client = openai_client(keystore, agent, fake=FAKE)
    stream = client.chat.completions.create(model=gpt, messages=HELLO, stream=True)
    error = cut(keystore, agent, stream, openai.APIError)
    assert error.code == "agent_paused"
    assert f"ks agent resume {agent.name}" in error.message


def test_openai_responses(keystore, agent, gpt):
    client = openai_client(keystore, agent, fake=FAKE)
    stream = client.responses.create(model=gpt, input="Hello", stream=True)
    error = cut(keystore, agent, stream, openai.APIError)
    assert error.code == "agent_paused"


def test_anthropic(keystore, agent, claude):
    client = anthropic_client(keystore, agent, fake=FAKE)
    stream = client.messages.create(model=claude, max_tokens=99, messages=HELLO, stream=True)
    error = cut(keystore, agent, stream, anthropic.APIStatusError)
    assert error.body["error"]["type"] == "agent_paused"


def test_gemini(keystore):
    agent = keystore.agent("gemini")
    client = gemini_client(keystore, agent, fake=FAKE)
    stream = client.models.generate_content_stream(model="gemini-2.0-flash", contents="Hello")
    error = cut(keystore, agent, stream, Exception)
    assert not isinstance(error, StopIteration)
    assert isinstance(error, genai.errors.APIError) or "closed" in str(error), repr(error)


def test_a_call_that_waits_is_refused(keystore, agent, gpt):
    """The client itself waits in a thread of its own; the agent is paused meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    client = openai_client(keystore, agent, fake="head-delay-ms=60000", retries=0)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(client.chat.completions.create, model=gpt, messages=HELLO)
        time.sleep(0.5)
        keystore.ks("agent", "pause", agent.name)
        with pytest.raises(openai.PermissionDeniedError) as raised:
            call.result(timeout=CUT)
    assert raised.value.code == "agent_paused"

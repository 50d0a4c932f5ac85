"""A piece of a stream reaches the client when the vendor sends it, not when there are more."""

import time

from harness.clients import HELLO, anthropic_client, openai_client

PAUSE = 0.15


def arrivals(stream):
    """Seconds from now at which each event came."""
    began = time.monotonic()
    return [time.monotonic() - began for _ in stream]


def check(times):
    assert len(times) >= 14
    # One pause before each event; a client that waited for the end, or for a few at a time, would have seen them at once.
    assert times[-1] - times[0] > 10 * PAUSE, times
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert sum(gap > PAUSE / 2 for gap in gaps) >= 8, gaps


def test_openai(keystore, agent, gpt):
    client = openai_client(keystore, agent, fake=f"chunk-delay-ms={PAUSE * 1000:.0f}")
    check(arrivals(client.chat.completions.create(model=gpt, messages=HELLO, stream=True)))


def test_openai_responses(keystore, agent, gpt):
    client = openai_client(keystore, agent, fake=f"chunk-delay-ms={PAUSE * 1000:.0f}")
    check(arrivals(client.responses.create(model=gpt, input="Hello", stream=True)))


def test_anthropic(keystore, agent, claude):
    client = anthropic_client(keystore, agent, fake=f"chunk-delay-ms={PAUSE * 1000:.0f}")
    check(arrivals(client.messages.create(model=claude, max_tokens=99, messages=HELLO, stream=True)))

"""What was used and what it cost, to the nano-dollar, against the vendor's own count and the catalog's price."""

from decimal import Decimal

import pytest

from harness import prices
from harness.clients import HELLO, anthropic_client, openai_client

COUNTS = "output-tokens=321; cached-tokens=7; reasoning-tokens=21"
# "user" and the words, by the fake's rule.
INPUT = prices.input_tokens("user", HELLO[0]["content"])


def chat(client, model):
    client.chat.completions.create(model=model, messages=HELLO)


def chat_streamed(client, model):
    list(client.chat.completions.create(model=model, messages=HELLO, stream=True))


def chat_streamed_with_usage(client, model):
    list(client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}))


def responses(client, model):
    client.responses.create(model=model, input=HELLO)


def responses_streamed(client, model):
    list(client.responses.create(model=model, input=HELLO, stream=True))


def messages(client, model):
    client.messages.create(model=model, max_tokens=1000, messages=HELLO)


def messages_streamed(client, model):
    with client.messages.stream(model=model, max_tokens=1000, messages=HELLO) as stream:
        stream.get_final_message()


OPENAI = [chat, chat_streamed, chat_streamed_with_usage, responses, responses_streamed]
ANTHROPIC = [messages, messages_streamed]


@pytest.mark.parametrize("budget", [None, 10_000], ids=["free", "under-a-budget"])
@pytest.mark.parametrize("call", OPENAI)
def test_openai(keystore, fake_openai, gpt, call, budget):
    agent = keystore.agent("openai", budget=budget)
    call(openai_client(keystore, agent, fake=COUNTS), gpt)
    assert fake_openai.received(gpt)[0].tokens == (INPUT, 321)
    usage = {"input_uncached": INPUT - 7, "cache_read": 7, "output_text": 300, "reasoning": 21}
    expected = prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, cached_tokens=7, output_tokens=321)
    check(keystore, agent, gpt, usage, expected, budget)


@pytest.mark.parametrize("budget", [None, 10_000], ids=["free", "under-a-budget"])
@pytest.mark.parametrize("call", ANTHROPIC)
def test_anthropic(keystore, fake_anthropic, claude, call, budget):
    agent = keystore.agent("anthropic", budget=budget)
    call(anthropic_client(keystore, agent, fake="output-tokens=321; cached-tokens=7"), claude)
    assert fake_anthropic.received(claude)[0].tokens == (INPUT, 321)
    usage = {"input_uncached": INPUT - 7, "cache_read": 7, "output_text": 321}
    expected = prices.cost("anthropic", "claude-haiku-4-5", input_tokens=INPUT, cached_tokens=7, output_tokens=321)
    check(keystore, agent, claude, usage, expected, budget)


def check(keystore, agent, model, usage, expected, budget):
    (row,) = keystore.requests(agent, count=1)
    assert (row["status"], row["ending"], row["model"], row["servedModel"]) == (200, "complete", model, model)
    assert row["usage"] == usage
    assert Decimal(row["cost"]) == expected > 0
    assert row["flags"] == {}
    total = keystore.usage(agent)
    assert (total["calls"], total["errors"], total["refused"]) == (1, 0, 0)
    assert (total["inputTokens"], total["cacheReadTokens"]) == (usage["input_uncached"], 7)
    assert (total["outputTokens"], total["reasoningTokens"]) == (usage["output_text"], usage.get("reasoning", 0))
    assert Decimal(total["cost"]) == expected
    if budget is not None:
        assert keystore.budget(agent) == (expected, 0)


def test_the_cost_stands_in_the_head_of_a_small_answer(keystore, agent, gpt):
    raw = openai_client(keystore, agent).chat.completions.with_raw_response.create(model=gpt, messages=HELLO)
    expected = prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, output_tokens=12)
    assert Decimal(raw.headers["x-keystore-cost-usd"]) == expected
    (row,) = keystore.requests(agent, count=1)
    assert (row["id"], Decimal(row["cost"])) == (raw.headers["x-keystore-request-id"], expected)
    assert keystore.ks("requests", row["id"])["cost"] == row["cost"]


def test_a_client_that_leaves_is_charged_for_the_whole_answer(keystore, gpt):
    agent = keystore.agent("openai", budget=10_000)
    client = openai_client(keystore, agent, fake="output-tokens=40; chunk-delay-ms=20")
    with client.chat.completions.create(model=gpt, messages=HELLO, stream=True) as stream:
        next(iter(stream))
    (row,) = keystore.requests(agent, count=1)
    assert (row["ending"], row["usage"]["output_text"]) == ("client_gone", 40)
    expected = prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, output_tokens=40)
    assert Decimal(row["cost"]) == expected
    assert keystore.budget(agent) == (expected, 0)


def test_an_error_of_the_vendor_costs_nothing(keystore, gpt):
    agent = keystore.agent("openai", budget=10_000)
    with pytest.raises(Exception, match="refused by the fake"):
        chat(openai_client(keystore, agent, fake="status=400"), gpt)
    (row,) = keystore.requests(agent, count=1)
    assert (row["status"], Decimal(row["cost"])) == (400, 0)
    assert keystore.budget(agent) == (0, 0)


def test_a_call_without_a_price_is_refused_under_a_budget(keystore, fake_openai):
    agent = keystore.agent("openai", budget=10_000)
    with pytest.raises(Exception, match="has no known price, and a budget applies") as caught:
        chat(openai_client(keystore, agent), "otter-9000")
    assert caught.value.status_code == 403
    assert not fake_openai.received("otter-9000")

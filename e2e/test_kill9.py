"""`kill -9` during running requests: no charge is lost, and no request reached the vendor without an intent.

Every request names a model of its own, which stands in the vendor's log, in the intent and in the price: that is how the two
sides are compared, request by request.
"""

import asyncio
import json
import os
import random
from decimal import Decimal
from types import SimpleNamespace

import pytest

from conftest import KEYS
from harness import prices
from harness.fake import Fake
from harness.keystore import Keystore

ROUNDS = int(os.environ.get("KEYSTORE_KILL9_ROUNDS", 4))
REQUESTS = 200
OUTPUT_TOKENS = 20
SEED = 20_261_123


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A Keystore of its own, without a tap."""
    folder = tmp_path_factory.mktemp("kill9")
    fake = Fake(folder, "openai", "bearer", KEYS["openai"])
    keystore = Keystore(folder / "keystore", [fake], tapped=False)
    try:
        keystore.ks("provider", "add", "openai", "--base-url", fake.url, "--key-stdin", "--no-verify", stdin=KEYS["openai"])
        agent = keystore.agent("openai", budget=100_000_000, rpm=1_000_000)
        yield SimpleNamespace(keystore=keystore, fake=fake, agent=agent)
    finally:
        keystore.stop()
        fake.stop()


def test_kill9(lab):
    dice = random.Random(SEED)
    crashed = complete = 0
    for number in range(ROUNDS):
        answered = asyncio.run(round_of(lab, number, dice))
        lab.keystore.start()
        rows = check(lab, number, answered)
        crashed += sum(row["ending"] == "crash" for row in rows.values())
        complete += sum(row["ending"] == "complete" for row in rows.values())
    print(f"{complete} complete, {crashed} crashed")
    # Both kinds must have occurred, or the rounds tested nothing.
    assert crashed > ROUNDS * REQUESTS / 10 and complete


async def round_of(lab, number, dice):
    """Requests at once, and a kill in their middle; the models whose answers came whole."""
    answered = set()
    host, _, port = lab.keystore.proxy_url.removeprefix("http://").partition(":")
    calls = [
        asyncio.create_task(call((host, int(port)), lab.agent.token, f"gpt-5-nano-r{number}-{at}", dice.random(), answered))
        for at in range(REQUESTS)
    ]
    already = len(lab.fake.received())
    # From the moment at which the first few have arrived; so the kill never comes before or after all of them.
    async with asyncio.timeout(30):
        while len(lab.fake.received()) - already < REQUESTS // 8:
            await asyncio.sleep(0.005)
    await asyncio.sleep(dice.uniform(0, 0.6))
    lab.keystore.process.kill()
    await asyncio.gather(*calls)
    return answered


async def call(address, token, model, chance, answered):
    """One request on a connection of its own. A third is streamed slowly, a third waits for its head, a third is quick."""
    slow = ["chunk-delay-ms=40", "head-delay-ms=300", ""][int(chance * 3)]
    stream = chance < 1 / 3
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
    head = (
        "POST /v1/openai/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        f"authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-fake: output-tokens={OUTPUT_TOKENS}; {slow}\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection(*address)
        writer.write((head + body).encode())
        answer = await reader.read(-1)
        writer.close()
    except OSError:
        return
    # The end of a stream, or the cost, which is known at the end alone.
    if answer.endswith(b"0\r\n\r\n") or (b"x-keystore-cost-usd" in answer and answer.endswith(b"}")):
        answered.add(model)


def check(lab, number, answered):
    """What the vendor received, against what Keystore knows after its restart."""
    keystore, agent = lab.keystore, lab.agent
    prefix = f"gpt-5-nano-r{number}-"
    everything = keystore.requests(agent)
    rows = {}
    for row in everything:
        if row["model"].startswith(prefix):
            assert row["model"] not in rows, "two intents for one request"
            rows[row["model"]] = row
    received = [one.model for one in lab.fake.received() if (one.model or "").startswith(prefix)]
    assert len(received) == len(set(received)), "a request was sent twice"
    assert set(received) <= set(rows), "the vendor received what was not recorded"
    assert answered <= set(received)

    input_tokens = prices.input_tokens("user", "Hello")
    exact = prices.cost("openai", "gpt-5-nano", input_tokens=input_tokens, output_tokens=OUTPUT_TOKENS)
    for model, row in rows.items():
        cost = Decimal(row["cost"])
        match row["ending"]:
            case "complete" | "client_gone":
                assert model in received and cost == exact, row
            case "crash":
                # The full hold: at least what it can have cost. It may not have been sent at all.
                assert cost >= exact, row
            case "not_sent":
                assert model not in received and cost == 0, row
            case other:
                raise AssertionError(f"{other}: {row}")
    # The answers that were relayed to their end are settled exactly, unless the kill came before the outcome was durable.
    spent, held = keystore.budget(agent)
    assert held == 0
    assert spent == sum(Decimal(row["cost"]) for row in everything)
    assert Decimal(keystore.usage(agent)["cost"]) == spent
    return rows

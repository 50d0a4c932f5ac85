"""Pooled keys: an agent of one organization uses keys of its own beside those that the operator sells, with one token, through the
official clients; what is charged is what the vendors served; moving between the two fails no call."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import resend

from harness import prices
from harness.clients import HELLO, Resend, anthropic_client, openai_client, tavily_client

# A thousand where time does not matter.
CALLS = 1_000 if os.environ.get("KEYSTORE_SOAK") else 240
MAIL = {"from": "a@example.com", "to": ["b@example.com"], "subject": "Otters", "html": "<p>hold hands</p>"}


class Operator:
    """Whoever runs the deployment, by the key that `ks dev` made."""

    def __init__(self, keystore):
        self.keystore = keystore

    def ks(self, *words, stdin=None):
        env = {"KS_API_KEY": self.keystore.dev["operatorKey"]}
        text = self.keystore.run(*words, "--output", "json", stdin=stdin, env=env)
        return json.loads(text) if text.strip() else None


@pytest.fixture(scope="module")
def operator(world):
    """With a pool for each of these, sold at a tenth more than it costs, and a customer who has paid in."""
    operator = Operator(world.keystore)
    for name in ("openai", "anthropic", "tavily", "resend"):
        words = ["pool", "add", name, "--name", "shared", "--base-url", world.fakes[name].url, "--key-stdin", "--no-verify"]
        operator.ks(*words, stdin=world.fakes[name].key)
        world.keystore.ks("marketplace", "enable", name)
    operator.ks("price", "markup", "--percent", "10")
    org = world.keystore.ks("org", "show")["id"]
    operator.ks("credit", "top-up", org, "100", "--of", "transfer 4711")
    return operator


def spent(keystore):
    """What the ledger says that calls cost, in dollars."""
    return Decimal(keystore.ks("billing", "balance")["charged"])


def marked_up(cost):
    """A tenth more. Prices are whole nano-dollars for a million units, so that a tenth of these is exact."""
    return cost * Decimal("1.1")


def test_three_commands_to_the_first_answer(world, keystore, operator):
    keystore.ks("marketplace", "disable", "tavily")
    keystore.ks("marketplace", "enable", "tavily")
    agent = keystore.agent("tavily:marketplace")
    assert tavily_client(keystore, agent).search("otters")["results"]
    (row,) = keystore.requests(agent, count=1)
    assert (row["source"], row["ending"]) == ("marketplace", "complete")
    assert Decimal(row["cost"]) > 0


def test_one_token_for_keys_of_ones_own_and_for_the_pool(world, keystore, operator, monkeypatch, gpt, claude):
    agent = keystore.agent("openai:byok", "anthropic:byok", "tavily:marketplace", "resend:marketplace")
    chunks = list(openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO, stream=True))
    assert chunks
    with anthropic_client(keystore, agent).messages.stream(model=claude, max_tokens=100, messages=HELLO) as stream:
        assert stream.get_final_message().content
    assert tavily_client(keystore, agent).search("otters")["results"]
    monkeypatch.setattr(resend, "api_key", agent.token)
    monkeypatch.setattr(resend, "api_url", f"{keystore.proxy_url}/v1/resend")
    assert resend.Emails.send(MAIL)["id"]
    sources = {row["provider"]: row["source"] for row in keystore.requests(agent, count=4)}
    own, pooled = "byok", "marketplace"
    assert sources == {"openai": own, "anthropic": own, "tavily": pooled, "resend": pooled}


def test_the_account_behind_the_pool_is_nobodys_to_look_at(keystore, operator):
    agent = keystore.agent("openai:marketplace", "resend:marketplace")
    with pytest.raises(Exception, match="not sold at the marketplace"):
        openai_client(keystore, agent, retries=0).files.list()


def call(clients, number, gpt, claude):
    """One of four kinds of calls; an error is raised."""
    openai, anthropic, tavily = clients
    match number % 4:
        case 0:
            openai.chat.completions.create(model=gpt, messages=HELLO)
        case 1:
            list(openai.chat.completions.create(model=gpt, messages=HELLO, stream=True))
        case 2:
            anthropic.messages.create(model=claude, max_tokens=50, messages=HELLO)
        case 3:
            tavily.search("otters")


def run(keystore, agent, gpt, claude, count, half_way=lambda: None):
    """So many calls, eight at a time."""
    clients = (
        openai_client(keystore, agent, retries=0),
        anthropic_client(keystore, agent, retries=0),
        tavily_client(keystore, agent),
    )
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(call, clients, number, gpt, claude) for number in range(count // 2)]
        half_way()
        running += [pool.submit(call, clients, number, gpt, claude) for number in range(count // 2, count)]
        for one in running:
            one.result()


def served(world, gpt, claude, searches):
    """What the vendors served, at their list prices."""
    total = Decimal(0)
    for provider, model, listed in (("openai", gpt, "gpt-5-nano"), ("anthropic", claude, "claude-haiku-4-5")):
        for one in world.fakes[provider].received(model):
            given, made = one.tokens
            total += prices.cost(provider, listed, input_tokens=given, output_tokens=made)
    return total + searches * prices.per_unit("tavily", "credit")["credits"]


def test_many_calls_cost_what_the_vendors_served(world, keystore, operator, gpt, claude):
    agent = keystore.agent("openai:marketplace", "anthropic:marketplace", "tavily:marketplace")
    before = spent(keystore)
    run(keystore, agent, gpt, claude, CALLS)
    rows = keystore.requests(agent, count=CALLS, limit=30)
    assert {(row["status"], row["source"]) for row in rows} == {(200, "marketplace")}
    # A client that has read the last event of a stream may leave before the vendor has ended it.
    assert {row["ending"] for row in rows} <= {"complete", "client_gone"}
    cost = sum(Decimal(row["cost"]) for row in rows)
    assert cost == marked_up(served(world, gpt, claude, CALLS // 4))
    assert spent(keystore) - before == cost
    ledger = [row for row in keystore.ks("billing", "ledger", "-n", CALLS) if row["kind"] == "usage"]
    assert sum(Decimal(row["amount"]) for row in ledger) == -cost
    assert {row["subject"] for row in ledger} == {row["id"] for row in rows}


def test_moving_to_the_marketplace_fails_no_call(world, keystore, operator, gpt, claude):
    agent = keystore.agent("openai:byok", "anthropic:byok", "tavily:byok")
    moves = []

    def move():
        moves.append(keystore.ks("migrate", "openai", "--to", "marketplace", "--agent", agent.name))

    run(keystore, agent, gpt, claude, CALLS, move)
    assert moves[0]["agents"][0]["name"] == agent.name
    rows = keystore.requests(agent, count=CALLS, limit=30)
    assert {row["status"] for row in rows} == {200} and {row["ending"] for row in rows} <= {"complete", "client_gone"}
    sources = {row["source"] for row in rows if row["provider"] == "openai"}
    assert sources == {"byok", "marketplace"}
    keystore.ks("migrate", "--undo", moves[0]["id"])
    openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO)
    assert keystore.requests(agent, count=CALLS + 1)[-1]["source"] == "byok"

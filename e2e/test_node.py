"""The official Node clients: the tests are in node/*.test.mjs; here they get what they need, and their calls are accounted for."""

import json
import os
import re
import subprocess
from decimal import Decimal

import pytest

from harness import prices
from harness.process import ROOT

NODE = ROOT / "e2e" / "node"


@pytest.fixture(scope="module")
def node_world(world):
    """Tokens in every state, and where the vendors' logs are."""
    keystore = world.keystore
    paused = keystore.agent("openai", "anthropic")
    keystore.run("agent", "pause", paused.name)
    revoked = keystore.agent("openai", "anthropic")
    keystore.run("token", "revoke", revoked.token_id, "--yes")
    agents = {
        "good": keystore.agent("openai", "anthropic", "stripe", "resend", "tavily", "gemini", budget=10_000),
        "free": keystore.agent("openai", "gemini"),
        "thrifty": keystore.agent("resend", "tavily", budget=0),
        "paused": paused,
        "revoked": revoked,
        "ungranted": keystore.agent("stripe"),
        "broke": keystore.agent("openai", "anthropic", budget=0),
        "slow": keystore.agent("openai", "anthropic", rpm=1),
        "dead": keystore.agent("openai:byok@dead", "anthropic:byok@dead"),
    }
    return agents, {
        "proxyUrl": keystore.proxy_url,
        "tokens": {state: agent.token for state, agent in agents.items()},
        "agents": {state: agent.name for state, agent in agents.items()},
        "logs": {name: str(fake.log) for name, fake in world.fakes.items()},
        "keys": {name: fake.key for name, fake in world.fakes.items()},
    }


@pytest.mark.parametrize("file", sorted(path.name for path in NODE.glob("*.test.mjs")))
def test_node(node_world, file):
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "KS_E2E": json.dumps(node_world[1])}
    command = ["node", "--test", "--test-reporter=tap", file]
    done = subprocess.run(command, cwd=NODE, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"^# pass (\d+)$", done.stdout, re.M)[1])
    assert passed == len(re.findall(r"^test\(", (NODE / file).read_text(), re.M)) > 0


def test_every_call_of_node_is_metered(node_world, world):
    """After the tests above: what the vendors counted is what the budget was charged."""
    agents, _ = node_world
    rows = world.keystore.requests(agents["good"])
    expected = Decimal(0)
    for name, model in (("openai", "gpt-5-nano"), ("anthropic", "claude-haiku-4-5")):
        received = [one for one in world.fakes[name].received() if (one.model or "").startswith(f"{model}-node-good")]
        assert received
        for one in received:
            input_tokens, output_tokens = one.tokens
            expected += prices.cost(name, model, input_tokens=input_tokens, output_tokens=output_tokens)
    metered = [row for row in rows if "-node-good" in (row.get("model") or "")]
    assert sum(Decimal(row["cost"]) for row in metered) == expected > 0
    # One refusal for each client's one call: they did not retry.
    for state, calls in (("broke", 4), ("paused", 3), ("ungranted", 4), ("thrifty", 3)):
        refused = world.keystore.requests(agents[state], count=calls)
        assert all(not row.get("attemptId") for row in refused)
    spent, held = world.keystore.budget(agents["good"])
    assert (spent, held) == (sum(Decimal(row["cost"]) for row in rows), 0)

"""`ks run`: a program with the vendors' clients works unchanged, with a token and without a real key."""

import json
import subprocess
import sys

import pytest

from conftest import KEYS
from harness.keystore import Failed
from harness.process import BINARIES, ROOT

AGENT = ROOT / "e2e" / "clients" / "agent.py"


@pytest.fixture
def real_keys():
    """As a developer's shell has them."""
    return {
        "OPENAI_API_KEY": KEYS["openai"],
        "ANTHROPIC_API_KEY": KEYS["anthropic"],
        "STRIPE_SECRET_KEY": KEYS["stripe"],
        "MY_OWN": "stays",
    }


def test_both_clients_work_without_a_change_and_without_a_key(
    keystore, agent, fake_openai, fake_anthropic, gpt, claude, real_keys
):
    command = [BINARIES / "ks", "run", "--agent", agent.name, "--", sys.executable, AGENT, gpt, claude]
    env = {**keystore.env, **real_keys}
    done = subprocess.run(command, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert said["openai"] == said["anthropic"] == " ".join(f"w{number}" for number in range(1, 13))
    assert fake_openai.received(gpt)[0].credentials == [("bearer", KEYS["openai"])]
    assert fake_anthropic.received(claude)[0].credentials == [("header:x-api-key", KEYS["anthropic"])]

    environment = said["environment"]
    values = "\n".join(environment.values())
    for secret in [*KEYS.values(), keystore.dev["apiKey"]]:
        assert secret not in values and secret not in done.stderr
    assert "STRIPE_SECRET_KEY" not in environment and "KS_API_KEY" not in environment
    assert environment["OPENAI_API_KEY"] == environment["ANTHROPIC_API_KEY"] == environment["KS_TOKEN"]
    assert environment["KS_TOKEN"].startswith("ks_")
    assert environment["MY_OWN"] == "stays"

    keystore.tokens.append(environment["KS_TOKEN"])
    status = {token["name"]: token["status"] for token in keystore.ks("token", "list", "--agent", agent.name)}
    assert status == {agent.name: "active", "ks run": "revoked"}


def test_its_exit_code_is_passed_on(keystore, agent):
    with pytest.raises(Failed) as caught:
        keystore.run("run", "--agent", agent.name, "--", "sh", "-c", "exit 42")
    assert caught.value.code == 42

"""Last of all: what the other tests left behind holds no secret, and every call that reached a vendor is on record.

Searched are the database with its write-ahead log, the spool, the log at its most talkative level, every byte that was answered to any
client, the metrics, a backup, every export of the audit log and what webhooks were told (traces are searched in test_otlp.py). Each search is
shown to find what is really there, and that it finds a secret in each form.
"""

import json
import urllib.request
from collections import Counter
from decimal import Decimal

import pytest

from conftest import BAD_KEYS, KEYS
from harness.canary import found, hidden
from harness.clients import HELLO, openai_client

# Kept for scripts by intent, readable by its owner alone: the token of the demo agent and the management key.
NOT_SEARCHED = {"dev.json"}


def files(paths):
    """What stands in files; the spool is preallocated, so it ends in many zeros."""
    return {path.name: path.read_bytes().rstrip(b"\0") for path in paths if path.is_file() and path.name not in NOT_SEARCHED}


@pytest.fixture(scope="module")
def secrets(world):
    assert len(world.keystore.tokens) > 3, "run with the tests that make tokens"
    tokens = [*world.keystore.tokens, world.keystore.dev["token"]]
    vendors = [*KEYS.values(), *BAD_KEYS.values()]
    return vendors, tokens


def everything(world, secrets):
    """All that is nowhere but with the vendors and the clients."""
    vendors, tokens = secrets
    dev = world.keystore.dev
    return [*vendors, dev["apiKey"], dev["operatorKey"], dev["password"], *tokens]


@pytest.fixture(scope="module")
def planted(world):
    """A word that must be everywhere: in the database, in the log of the vendor, and in an answer."""
    word = "gpt-5-nano-planted-otter"
    agent = world.keystore.agent("openai")
    openai_client(world.keystore, agent).chat.completions.create(model=word, messages=HELLO)
    world.keystore.requests(agent, count=1)
    return word


def test_nothing_lies_in_the_data_folder(world, secrets, planted):
    texts = files(world.keystore.data.iterdir())
    assert {"keystore.db", "keystore.db-wal", "keystore.db-shm", "spool.bin", "root.key"} <= set(texts)
    assert {"keystore.db", "keystore.db-wal"} & {name for name, *_ in found([planted], texts)}
    assert not found(everything(world, secrets), texts)


@pytest.mark.parametrize("secret", [KEYS["openai"], "ks_" + "0123456789abcdef" * 4], ids=["key", "token"])
def test_a_secret_is_found_in_every_form(secret):
    forms = dict(hidden(secret))
    assert len(forms) > 14 and {name for name, *_ in found([secret], forms)} == set(forms)
    assert not found([secret[::-1].swapcase()], forms)


def test_nothing_lies_in_a_backup(world, secrets, planted, tmp_path):
    world.keystore.run("db", "backup", tmp_path / "backup.db", "--database", f"sqlite://{world.keystore.data / 'keystore.db'}")
    texts = files(tmp_path.iterdir())
    assert set(texts) == {"backup.db", "backup.db.sha256"} and found([planted], texts)
    assert not found(everything(world, secrets), texts)


@pytest.mark.parametrize("form", ["ndjson", "csv", "ocsf"])
def test_nothing_is_exported(world, secrets, planted, tmp_path, form):
    world.keystore.run("audit", "export", "--format", form, "--out", tmp_path / form)
    texts = files(tmp_path.iterdir())
    assert found([planted], texts)
    assert not found(everything(world, secrets), texts)


def test_webhooks_are_told_nothing(world, secrets):
    """All that happened, in every test, was told to one."""
    made = world.keystore.agent("sandbox")
    events = world.keystore.ks("events", "--kind", "agent.created", "-n", 10_000)
    (hook,) = world.keystore.ks("webhook", "list")
    world.receiver.wait_for([event["id"] for event in events if event["at"] > hook["createdAt"]])
    told = {str(at): json.dumps(one.headers).encode() + one.body for at, one in enumerate(world.receiver.got)}
    assert found([made.name], told) and len(told) > 10
    assert not found([*everything(world, secrets), world.hook], told)


def test_metrics_tell_nothing(world, secrets):
    with urllib.request.urlopen(f"{world.keystore.api_url}/metrics", timeout=10) as answer:
        texts = {"metrics": answer.read()}
    assert found(["gen_ai_client_token_usage"], texts)
    assert not found(everything(world, secrets), texts)


def test_nothing_lies_in_the_logs(world, secrets):
    vendors, tokens = secrets
    texts = files(world.keystore.folder.glob("*.err"))
    assert {"ks-dev-1.err", "ks-commands.err"} <= set(texts)
    assert found(["sqlx::query"], texts), "the log is not at its most talkative"
    assert found(["Stop it with"], files([world.keystore.process.out]))
    assert not found([*vendors, *tokens, world.keystore.dev["apiKey"]], texts)
    # The greeting shows the token of the demo agent, and no other secret.
    demo = world.keystore.dev["token"]
    others = [secret for secret in [*vendors, *tokens] if secret != demo]
    assert not found([*others, world.keystore.dev["apiKey"]], files([world.keystore.process.out]))


def test_nothing_was_answered(world, secrets, planted):
    vendors, tokens = secrets
    proxy = {f"{tap.url}/{at}": answer for tap in world.keystore.taps["proxy"] for at, answer in enumerate(tap.answers())}
    api = {f"{tap.url}/{at}": answer for tap in world.keystore.taps["api"] for at, answer in enumerate(tap.answers())}
    assert len(proxy) > 10 and found([planted], proxy) and found([planted], api)
    encoded = [name for name, answer in {**proxy, **api}.items() if b"\r\ncontent-encoding:" in answer.lower()]
    assert not encoded, "an encoded answer cannot be searched"
    assert not found([*vendors, *tokens], proxy)
    # The control plane shows a token once, when it is made; a key of a vendor never.
    assert not found(vendors, api)
    for token in world.keystore.tokens:
        assert sum(answer.count(token.encode()) for answer in api.values()) == 1


def test_parts_of_a_key_are_not_answered_either(world):
    """A vendor's words about a bad key show its first and last characters; a client never sees them."""
    answers = [answer for tap in world.keystore.taps["proxy"] for answer in tap.answers()]
    assert any(b"credential_invalid" in answer for answer in answers)
    for key in [KEYS["openai"], *BAD_KEYS.values()]:
        assert not [answer for answer in answers if key[:12].encode() in answer or key[-6:].encode() in answer]


def test_every_call_is_on_record_once(world):
    """What each vendor received, by path and model, is what the requests tell, and nothing is held any more."""
    keystore = world.keystore
    rows = keystore.requests()
    for name, fake in world.fakes.items():
        received = fake.received()
        attempts = [row for row in rows if row["provider"] == name and row.get("attemptId") and row["ending"] != "not_sent"]
        assert Counter((row["method"], row["path"]) for row in attempts) == Counter((one.method, one.path) for one in received)
        # A body is read for its model only where that decides the price.
        named = Counter(row["model"] for row in attempts if row.get("model"))
        assert named == Counter(one.model for one in received if one.model in named)
        assert named or name not in {"openai", "anthropic"}
        assert not [row for row in attempts if row["ending"] == "crash"]
    refused = [row for row in rows if not row.get("attemptId")]
    assert refused and all(row["status"] >= 400 and row["code"] and Decimal(row["cost"]) == 0 for row in refused)
    budgets = keystore.ks("budget", "list")
    assert len(budgets) > 3 and not [budget for budget in budgets if Decimal(budget["held"])]
    total = keystore.ks("usage")["total"]
    assert Decimal(total["cost"]) == sum(Decimal(row["cost"]) for row in rows)
    assert total["refused"] == sum(row["count"] for row in refused)


def test_it_stops_when_it_is_told(world):
    assert world.keystore.stop() == 0
    words = world.keystore.process.err.read_text()
    assert "panicked" not in words and " ERROR " not in words, words[-2000:]
    json.loads((world.keystore.data / "dev.json").read_text())

"""The marketplace's money: what the official client spends is in the ledger, and a call that a kill cut off waits for a ruling."""

import threading
from decimal import Decimal

import pytest

from conftest import KEYS
from harness.clients import HELLO, openai_client
from harness.fake import Fake
from harness.keystore import Failed, Keystore


class Market:
    """A development server whose operator sells OpenAI to the one organization that is there."""

    def __init__(self, folder):
        self.fake = Fake(folder, "openai", "bearer", KEYS["openai"])
        self.keystore = Keystore(folder / "keystore", [self.fake], tapped=False)
        self.org = self.keystore.ks("whoami")["org"]["id"]
        self.operate("pool", "add", "openai", "--base-url", self.fake.url, "--key-stdin", stdin=KEYS["openai"])
        self.keystore.run("marketplace", "enable", "openai")
        self.agent = self.keystore.agent("openai:marketplace")

    def operate(self, *words, stdin=None):
        key = {"KS_API_KEY": self.keystore.dev["operatorKey"]}
        return self.keystore.run(*words, stdin=stdin, env=key).strip()

    def balance(self):
        return {name: Decimal(value) for name, value in self.keystore.ks("billing", "balance").items() if name != "promos"}

    def call(self, **more):
        client = openai_client(self.keystore, self.agent, **more)
        return client.chat.completions.create(model="gpt-5-nano", messages=HELLO, stream=True)

    def stop(self):
        self.keystore.stop()
        self.fake.stop()


@pytest.fixture
def market(tmp_path):
    market = Market(tmp_path)
    yield market
    market.stop()


def test_what_is_spent_is_in_the_ledger_and_a_crash_waits_for_a_ruling(market):
    market.operate("credit", "top-up", market.org, 10, "--of", "transfer 1")
    credit = market.balance()["available"]
    for _ in range(3):
        list(market.call())
    rows = market.keystore.requests(market.agent, count=3)
    spent = sum(Decimal(row["cost"]) for row in rows)
    assert spent > 0
    assert market.balance()["charged"] == spent
    usage = [row for row in market.keystore.ks("billing", "ledger") if row["kind"] == "usage"]
    assert sorted(row["subject"] for row in usage) == sorted(row["id"] for row in rows)
    assert sum(Decimal(row["amount"]) for row in usage) == -spent

    # A kill in the middle of an answer.
    begun = threading.Event()

    def slow():
        try:
            for _ in market.call(fake="chunk-delay-ms=200; output-tokens=100"):
                begun.set()
        except Exception:
            pass

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(10)
    market.keystore.process.kill()
    thread.join()
    market.keystore.start()
    crashed = market.balance()
    hold = crashed["charged"] - spent
    assert hold > 0 and crashed["available"] == credit - crashed["charged"]
    listed = market.operate("credit", "crashes").splitlines()
    assert len(listed) == 2, listed
    crash = listed[1].split()[0]
    with pytest.raises(Failed):
        market.operate("credit", "rule", market.org, crash, hold + 1)
    market.operate("credit", "rule", market.org, crash, "0.000001", "--vendor-cost", "0.000001")
    assert market.balance()["available"] == credit - spent - Decimal("0.000001")
    with pytest.raises(Failed):
        market.operate("credit", "rule", market.org, crash, "0")
    assert len(market.operate("credit", "crashes").splitlines()) <= 1
    with pytest.raises(Failed):
        market.keystore.run("credit", "top-up", market.org, 1_000)

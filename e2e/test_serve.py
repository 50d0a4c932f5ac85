"""`ks serve`, as in production, on either database: from an empty database over a call to a restart that keeps everything."""

import pytest

from conftest import KEYS
from harness import checks, prices
from harness.clients import HELLO, WORDS, openai_client
from harness.fake import Fake
from harness.serve import Database, Served


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'keystore.db'}"
    else:
        database = Database(tmp_path)
        yield database.url
        database.stop()


def test_a_server_is_set_up_used_and_started_again(store_url, tmp_path):
    fake = Fake(tmp_path, "openai", "bearer", KEYS["openai"])
    keystore = Served(tmp_path / "keystore", [fake], store_url)
    try:
        assert all(check["ok"] for check in keystore.ks("doctor")["checks"])
        stored = keystore.ks("provider", "add", "openai", "--base-url", fake.url, "--key-stdin", stdin=KEYS["openai"])
        assert stored["status"] == "active"
        agent = keystore.agent("openai", budget=10_000)
        cost = prices.cost("openai", "gpt-5-nano", input_tokens=prices.input_tokens("user", HELLO[0]["content"]), output_tokens=12)
        for calls, model in enumerate(["gpt-5-nano-first", "gpt-5-nano-second"], start=1):
            answer = openai_client(keystore, agent).chat.completions.create(model=model, messages=HELLO)
            assert answer.choices[0].message.content == WORDS
            checks.only(fake, model)
            checks.recorded(keystore, agent, cost=cost, calls=calls)
            assert keystore.budget(agent) == (cost * calls, 0)
            # The same token, the same sums, at the next round.
            assert keystore.stop() == 0
            keystore.start()
        chunks = openai_client(keystore, agent).chat.completions.create(model="gpt-5-nano-third", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == WORDS
        keystore.requests(agent, count=3)
        assert keystore.budget(agent) == (cost * 3, 0)
    finally:
        keystore.stop()
        fake.stop()

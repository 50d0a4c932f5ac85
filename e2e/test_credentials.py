"""Keys are asked about when they are stored, and a new one is in force when the command returns."""

import openai
import pytest

from conftest import BAD_KEYS, KEYS
from harness.clients import HELLO, openai_client
from harness.keystore import Failed


@pytest.fixture
def add(keystore, fake_openai):
    """`ks provider add openai --name …`, with this key."""

    def add(name, key, *options):
        words = ["provider", "add", "openai", "--name", name, "--base-url", fake_openai.url, "--key-stdin", *options]
        return keystore.ks(*words, stdin=key)

    return add


def test_a_key_that_works(keystore, add):
    stored = add("works", KEYS["openai"])
    assert (stored["status"], stored["version"]) == ("active", 1)
    assert keystore.ks("provider", "test", "openai/works")["verdict"] == "valid"


def test_a_key_that_does_not_work(keystore, add):
    with pytest.raises(Failed, match="does not accept the secret") as caught:
        add("refused", BAD_KEYS["openai"])
    assert caught.value.code == 1
    assert BAD_KEYS["openai"] not in caught.value.words
    assert "refused" not in {one["name"] for one in keystore.ks("provider", "list")}


def test_a_new_key_is_in_force_at_once(keystore, add, fake_openai, gpt):
    add("rotated", BAD_KEYS["openai"], "--no-verify")
    agent = keystore.agent("openai:byok@rotated")
    client = openai_client(keystore, agent, retries=0)
    with pytest.raises(openai.InternalServerError, match="ks provider rotate"):
        client.chat.completions.create(model=gpt, messages=HELLO)
    rotated = keystore.ks("provider", "rotate", "openai/rotated", "--key-stdin", stdin=KEYS["openai"])
    assert (rotated["version"], rotated["status"]) == (2, "active")
    client.chat.completions.create(model=gpt, messages=HELLO)
    sent = [value for one in fake_openai.received(gpt) for _, value in one.credentials]
    assert sent == [BAD_KEYS["openai"], KEYS["openai"]]


def test_a_key_in_use_is_not_removed(keystore, add, fake_openai, gpt):
    add("used", KEYS["openai"])
    agent = keystore.agent("openai:byok@used")
    with pytest.raises(Failed, match="agents are granted this credential"):
        keystore.run("provider", "remove", "openai/used", "--yes")
    openai_client(keystore, agent).chat.completions.create(model=gpt, messages=HELLO)
    keystore.run("agent", "delete", agent.name, "--yes")
    keystore.run("provider", "remove", "openai/used", "--yes")
    assert "used" not in {one["name"] for one in keystore.ks("provider", "list")}

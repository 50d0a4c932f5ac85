"""The memory of the server, read from outside: a credential stands in it while a call uses it, in the buffer of a connection that is kept, and
nowhere when that is closed.

Its key and last half are looked for. That they are found while a call runs shows that the search finds what is there.
"""

import os
import threading
import time
import uuid

import pytest

from harness import memory
from harness.clients import HELLO, openai_client
from harness.fake import Fake
from harness.keystore import Keystore

# How long the proxy keeps a connection that nobody uses, and a little more.
IDLE = 40


def key():
    return "sk-proj-" + uuid.uuid4().hex + uuid.uuid4().hex


@pytest.mark.skipif(os.geteuid() != 0, reason="the memory of the server is closed to its own user")
def test_a_credential_is_in_memory_only_while_it_is_used(tmp_path):
    secret = key()
    fake = Fake(tmp_path, "openai", "bearer", secret)
    keystore = Keystore(tmp_path / "keystore", [fake], tapped=False)

    def copies():
        process = keystore.process.child.pid
        return max(memory.count(process, secret.encode()), memory.count(process, secret[-32:].encode()))

    def gone(within):
        deadline = time.monotonic() + within
        while copies():
            assert time.monotonic() < deadline, f"{copies()} copies"
            time.sleep(0.2)

    try:
        assert copies() == 0
        keystore.ks("provider", "add", "openai", "--base-url", fake.url, "--key-stdin", "--no-verify", stdin=secret)
        gone(within=5)
        agent = keystore.agent("openai")

        def call(directive):
            openai_client(keystore, agent, fake=directive).chat.completions.create(model="gpt-5-nano", messages=HELLO)

        running = threading.Thread(target=call, args=("head-delay-ms=3000; close",))
        running.start()
        while not (found := copies()) and running.is_alive():
            time.sleep(0.05)
        assert found > 0, "the search finds what is there"
        running.join()
        gone(within=5)

        # One after the other, on one connection that is kept: its buffer holds the last request.
        for _ in range(20):
            call("")
        assert copies() <= 1
        if os.environ.get("KEYSTORE_SOAK"):
            gone(within=IDLE)
        else:
            call("close")
            gone(within=5)

        # What was replaced is gone like what was used.
        old, secret = secret, key()
        keystore.ks("provider", "rotate", "openai", "--key-stdin", "--no-verify", stdin=secret)
        gone(within=5)
        assert memory.count(keystore.process.child.pid, old.encode()) == 0
    finally:
        keystore.stop()
        fake.stop()

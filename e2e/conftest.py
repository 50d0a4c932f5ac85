"""One Keystore for all tests, in front of fake vendors that accept only the real keys.

The tests of a file use agents of their own, so they do not depend on each other's order. The canary search is last, because
it searches what all of the others left behind. Who has servers of their own can run beside that, as a half of its own (`--half`).
"""

import importlib
import os
import sys
import uuid
from types import SimpleNamespace

import pytest

# LiteLLM fetches its prices when it is imported, unless it is told to use those that it brings.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from harness import sdk_python
from harness.fake import Fake
from harness.keystore import Keystore
from harness.receiver import Receiver

# In the shape of the vendors' own keys. What must never be seen outside of the vault and the vendor.
KEYS = {
    "openai": "sk-proj-" + "C4naryOpenAi" * 4,
    "anthropic": "sk-ant-api03-" + "C4naryAnthropic" * 6 + "AA",
    "gemini": "AIza" + ("C4naryGemini" * 3)[:35],
    "cohere": ("C4naryCohere" * 4)[:40],
    "mistral": ("C4naryMistral" * 3)[:32],
    "stripe": "sk_test_" + "C4naryStripe" * 3,
    "resend": "re_" + "C4naryResend" * 3,
    "tavily": "tvly-dev-" + "C4naryTavily" * 3,
}
BAD_KEYS = {
    "openai": "sk-proj-" + "B4dCanaryOai" * 4,
    "anthropic": "sk-ant-api03-" + "B4dCanaryAnthro" * 6 + "AA",
}
SLOTS = {"anthropic": "header:x-api-key", "gemini": "header:x-goog-api-key"}


# Files whose servers are their own: the half of the tests that can run beside the others.
OWN_SERVERS = {f"test_{name}.py" for name in "aws billing dashboard docs_commands kill9 kms memory otlp payments schema serve webhooks".split()}


def pytest_addoption(parser):
    parser.addoption("--half", choices=["shared", "own"], help="files that use the one server, or those whose servers are their own")


def pytest_ignore_collect(collection_path, config):
    half = config.getoption("--half")
    if half and collection_path.name.startswith("test_"):
        return (collection_path.name in OWN_SERVERS) != (half == "own") or None


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name == "test_canaries.py")
    mixed = {item.path.name for item in items if "world" in item.fixturenames} & OWN_SERVERS
    assert not mixed, f"{mixed} use the one server"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Keystore with a credential for every vendor, and the vendors."""
    folder = tmp_path_factory.mktemp("world")
    fakes = {name: Fake(folder, name, SLOTS.get(name, "bearer"), key) for name, key in KEYS.items()}
    receiver = Receiver()
    keystore = Keystore(folder / "keystore", [*fakes.values(), receiver])
    try:
        hook = keystore.ks("webhook", "create", receiver.url, "--events", "*", "--name", "all")["endpoint"]["secret"]
        for name, key in KEYS.items():
            keystore.ks("provider", "add", name, "--base-url", fakes[name].url, "--key-stdin", "--no-verify", stdin=key)
        for name, key in BAD_KEYS.items():
            words = ["provider", "add", name, "--name", "dead", "--base-url", fakes[name].url, "--key-stdin", "--no-verify"]
            keystore.ks(*words, stdin=key)
        yield SimpleNamespace(keystore=keystore, fakes=fakes, folder=folder, receiver=receiver, hook=hook)
    finally:
        keystore.stop()
        receiver.server.shutdown()
        for fake in fakes.values():
            fake.stop()


@pytest.fixture(scope="session")
def keystore(world):
    return world.keystore


@pytest.fixture
def fake_openai(world):
    return world.fakes["openai"]


@pytest.fixture
def fake_anthropic(world):
    return world.fakes["anthropic"]


@pytest.fixture
def agent(keystore):
    """An agent that may use both, without a budget."""
    return keystore.agent("openai", "anthropic")


@pytest.fixture
def gpt():
    """A model name that no other test uses, with the price of gpt-5-nano: it finds a test's requests in a vendor's log."""
    return f"gpt-5-nano-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def claude():
    """The same with the price of claude-haiku-4-5."""
    return f"claude-haiku-4-5-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """Our own client for Python, built and installed."""
    return sdk_python.Package(tmp_path_factory.mktemp("sdk-python"))


@pytest.fixture(scope="session")
def sdk(package):
    """The same in this process, beside the vendors' clients."""
    sys.path.append(str(package.site))
    module = importlib.import_module("keystore_sdk")
    assert module.__file__.startswith(str(package.site))
    return module

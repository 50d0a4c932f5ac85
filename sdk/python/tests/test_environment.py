"""`setup_env` and `wrap`, as far as neither a proxy nor a vendor's client is needed. That the variables are those of `ks run` is a test with
the real command."""

import os

import pytest
from conftest import TOKEN

import keystore_sdk
from keystore_sdk import errors

PROXY = "http://127.0.0.1:8400"


@pytest.fixture
def ks():
    return keystore_sdk.Keystore(agent_token=TOKEN)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """As a developer's shell has them."""
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_real")
    monkeypatch.setenv("KS_API_KEY", "ksm_" + "a" * 64)
    monkeypatch.setenv("MY_OWN", "stays")


def test_the_variables_are_set_and_put_back(ks):
    before = dict(os.environ)
    undo = ks.setup_env(["openai", "stripe"])
    assert (os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]) == (f"{PROXY}/v1/openai/v1", TOKEN)
    assert (os.environ["KS_TOKEN"], os.environ["KS_PROXY_URL"], os.environ["MY_OWN"]) == (TOKEN, PROXY, "stays")
    assert not {"STRIPE_API_KEY", "KS_API_KEY", "ANTHROPIC_BASE_URL"} & set(os.environ)
    undo()
    assert dict(os.environ) == before
    os.environ["OPENAI_API_KEY"] = "later"
    undo()
    assert os.environ["OPENAI_API_KEY"] == "later"


def test_they_are_put_back_whatever_happens(ks):
    before = dict(os.environ)
    with pytest.raises(RuntimeError), ks.setup_env():
        assert os.environ["ANTHROPIC_BASE_URL"] == f"{PROXY}/v1/anthropic"
        raise RuntimeError
    assert dict(os.environ) == before


def test_the_sandbox_stands_in(ks):
    with ks.setup_env(["sandbox", "anthropic"]):
        assert os.environ["OPENAI_BASE_URL"] == f"{PROXY}/v1/sandbox/v1"
        assert os.environ["ANTHROPIC_BASE_URL"] == f"{PROXY}/v1/anthropic"


def test_a_provider_that_there_is_not_changes_nothing(ks):
    before = dict(os.environ)
    with pytest.raises(errors.ConfigurationError, match="opnai"):
        ks.setup_env(["openai", "opnai"])
    assert dict(os.environ) == before


@pytest.mark.parametrize("client", [object(), "openai", os, keystore_sdk.Keystore])
def test_a_client_that_is_not_known_is_said_to_be_none(ks, client):
    with pytest.raises(errors.UnsupportedClientError, match="does not know") as caught:
        ks.wrap(client)
    assert "setup_env" in caught.value.remedy and caught.value.code == "unsupported_client"

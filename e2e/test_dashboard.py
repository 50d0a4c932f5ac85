"""The dashboard as it is built into the binary, in a real browser."""

import gzip
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from conftest import BAD_KEYS, KEYS, SLOTS
from harness.fake import Fake
from harness.keystore import Keystore
from harness.process import ROOT

FILES = ROOT / "e2e" / "dashboard"
# What the navigation offers an owner; taken from the list of pages itself, so that a new page is looked at, too.
PAGES = re.findall(r"\{\s*path: '([^']*)'", (ROOT / "ui" / "src" / "pages.tsx").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own, because these tests look at all that there is: with traffic, and something that was refused."""
    folder = tmp_path_factory.mktemp("dashboard")
    fake = Fake(folder, "openai", SLOTS.get("openai", "bearer"), KEYS["openai"])
    keystore = Keystore(folder / "keystore", [fake], tapped=False)
    try:
        keystore.run("marketplace", "enable", "sandbox")
        for provider in ("sandbox", "openai"):
            call(keystore, provider)
        keystore.run("budget", "create", "100")
        keystore.run("provider", "add", "tavily", "--no-verify", "--key-stdin", stdin="tvly-" + "a" * 32)
        ask_for_access(keystore)
        yield SimpleNamespace(keystore=keystore, fake=fake)
    finally:
        keystore.stop()
        fake.stop()


def call(keystore, provider):
    """A call of the demo agent, which may use the sandbox and nothing else."""
    body = json.dumps({"model": "sandbox-1", "messages": [{"role": "user", "content": "Hello!"}]}).encode()
    headers = {"authorization": f"Bearer {keystore.dev['token']}", "content-type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(f"{keystore.proxy_url}/v1/{provider}/v1/chat/completions", body, headers), timeout=10).read()
    except urllib.error.HTTPError as error:
        assert error.code == 403 and provider == "openai"


def ask_for_access(keystore):
    """The demo agent lacks a provider, and says why in words that want to be markup."""
    asked = {"provider": "tavily", "scopes": ["provider:tavily:read", "provider:tavily:write"], "reason": "<b>because</b>"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "request_access", "arguments": asked}}
    headers = {"authorization": f"Bearer {keystore.dev['token']}", "content-type": "application/json", "accept": "application/json, text/event-stream"}
    answer = urllib.request.urlopen(urllib.request.Request(f"{keystore.api_url}/mcp", json.dumps(body).encode(), headers), timeout=10)
    assert "acr_" in answer.read().decode()


def get(url, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)


def browse(server, file, host="127.0.0.1"):
    keystore = server.keystore
    greeting = keystore.process.out.read_text()
    given = {
        **{name: keystore.dev[name] for name in ("proxyUrl", "apiKey", "email", "password")},
        # Without a mail server `ks dev` shows mails to whoever runs it.
        "mails": str(keystore.process.err),
        "apiUrl": keystore.dev["apiUrl"].replace("127.0.0.1", host),
        "link": re.search(r"http://\S+/#/sign-in\?code=ksc_[0-9a-f]+", greeting)[0],
        "pages": PAGES,
        "vendor": server.fake.url,
        "key": KEYS["openai"],
        "wrongKey": BAD_KEYS["openai"],
        "directive": "x-fake",
    }
    env = {"PATH": os.environ["PATH"], "HOME": str(keystore.folder), "KS_E2E": json.dumps(given), "NO_PROXY": "127.0.0.1"}
    command = ["node", "--test", "--test-reporter=tap", "--test-timeout=300000", FILES / file]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=330)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)$", done.stdout, re.M)[1]) > 0


def test_a_newcomer(server):
    browse(server, "newcomer.test.mjs")


def test_every_page(server):
    assert len(PAGES) > 5
    browse(server, "pages.test.mjs")


def test_access_projects_and_rules(server):
    browse(server, "rules.test.mjs")


def test_the_log_is_checked_in_the_browser(server):
    browse(server, "audit.test.mjs")


def test_the_operator(server):
    browse(server, "operator.test.mjs")


def test_signing_in(server):
    browse(server, "sign-in.test.mjs", host="localhost")


def test_the_links_of_mails(server):
    browse(server, "letters.test.mjs")


def test_what_is_fetched_first_is_small_and_strict(server):
    with get(server.keystore.api_url + "/") as page:
        text = page.read().decode()
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", text), "nothing is written into the page"
    scripts = re.findall(r'(?:src|href)="(/assets/[^"]+\.js)"', text)
    total = 0
    for path in scripts:
        with get(server.keystore.api_url + path, **{"accept-encoding": "gzip"}) as file:
            assert file.headers["content-encoding"] == "gzip"
            assert "immutable" in file.headers["cache-control"]
            packed = file.read()
        total += len(packed)
        assert "import" in gzip.decompress(packed).decode()
    assert 0 < total < 250_000

"""The root key at AWS KMS, as moto plays it: the server seals itself when the key is disabled, at the start and later, and is back
without a restart when it is enabled."""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import boto3
import pytest

from conftest import KEYS
from harness.clients import HELLO
from harness.fake import Fake
from harness.process import Process
from harness.serve import Served

# Each of them killed.
ROTATIONS = 3 if os.environ.get("KEYSTORE_SOAK") else 1
REGION = "eu-central-1"
IDENTITY = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-of-the-servers-identity"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """moto, a key there, and a client for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = Process([sys.executable, "-m", "harness.moto_kms", str(port)], tmp_path_factory.mktemp("moto"))
    process.wait_for(lambda: is_open(port), "moto's port")
    url = f"http://127.0.0.1:{port}"
    identity = {"aws_access_key_id": IDENTITY["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": IDENTITY["AWS_SECRET_ACCESS_KEY"]}
    client = boto3.client("kms", endpoint_url=url, region_name=REGION, **identity)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    yield SimpleNamespace(url=url, arn=arn, client=client, id=arn.rpartition("/")[2])
    process.child.kill()
    process.child.wait(20)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answer(url, headers=None, body=None):
    """Status and body, whatever the status."""
    request = urllib.request.Request(url, body and json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answered:
            return answered.status, answered.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def eventually(status, ask, within=15):
    """Asks until there is an answer with this status; its body."""
    end = time.monotonic() + within
    while True:
        found, body = ask()
        if found == status:
            return body
        assert time.monotonic() < end, (found, body)
        time.sleep(0.1)


def test_a_disabled_key_seals_the_server_and_an_enabled_one_opens_it(aws, tmp_path):
    fake = Fake(tmp_path, "openai", "bearer", KEYS["openai"])
    settings = {"kms.key_file": None, "kms.root": f"aws:{aws.arn}", "kms.aws_endpoint": aws.url, "kms.kek_ttl": "1s"}
    keystore = Served(tmp_path / "keystore", [fake], f"sqlite://{tmp_path / 'keystore.db'}", settings, IDENTITY)
    try:
        keystore.ks("provider", "add", "openai", "--base-url", fake.url, "--key-stdin", stdin=KEYS["openai"])
        agent = keystore.agent("openai")

        def call():
            body = {"model": "gpt-5-nano-kms", "messages": HELLO}
            url = f"{keystore.proxy_url}/v1/openai/v1/chat/completions"
            return answer(url, {"authorization": f"Bearer {agent.token}"}, body)

        def ready():
            return answer(f"{keystore.api_url}/readyz")

        assert call()[0] == 200
        aws.client.disable_key(KeyId=aws.id)
        assert json.loads(eventually(503, call))["error"]["code"] == "sealed"
        assert "disabled" in eventually(503, ready)
        assert answer(f"{keystore.api_url}/healthz")[0] == 200
        already = len(fake.received())
        assert call()[0] == 503
        assert len(fake.received()) == already
        aws.client.enable_key(KeyId=aws.id)
        eventually(200, call, within=20)
        eventually(200, ready, within=20)

        # The same at the start.
        aws.client.disable_key(KeyId=aws.id)
        assert keystore.stop() == 0
        ports = [url.rpartition(":")[2] for url in (keystore.proxy_url, keystore.api_url)]
        keystore.settings |= {"proxy.addr": f"127.0.0.1:{ports[0]}", "api.addr": f"127.0.0.1:{ports[1]}"}
        keystore.configure()
        launch(keystore, "sealed: ")
        assert "disabled" in eventually(503, lambda: reached(ready))
        assert answer(f"{keystore.api_url}/healthz")[0] == 200
        assert json.loads(call()[1])["error"]["code"] == "sealed"
        aws.client.enable_key(KeyId=aws.id)
        eventually(200, call, within=20)
        assert IDENTITY["AWS_SECRET_ACCESS_KEY"] not in keystore.process.err.read_text()

        # A rotation goes on where kill -9 ended it.
        for _ in range(ROTATIONS):
            keystore.run("login", "--api-url", keystore.api_url, "--email", "ada@example.com", "--password-stdin", stdin="correct horse battery")
            keystore.ks("kek", "rotate")
            keystore.process.child.kill()
            keystore.process.child.wait(20)
            launch(keystore, '"serving"')
            eventually(200, lambda: reached(call))
        eventually(True, lambda: (keystore.ks("kek", "status")["job"].get("endedAt") is not None, ""), within=30)
        status = keystore.ks("kek", "status")
        assert status["job"]["failed"] == 0, status
        assert [one["credentialVersions"] for one in status["generations"]] == [0] * ROTATIONS + [1]
        keystore.ks("kek", "retire", "1")
    finally:
        keystore.stop()
        fake.stop()


def launch(keystore, says):
    """Starts it on the ports that it had, which somebody else may have for a moment; returns when its log says so."""
    for attempt in range(10):
        keystore.launch()
        try:
            return keystore.process.wait_for(lambda: says in keystore.process.err.read_text(), says)
        except AssertionError:
            if keystore.process.child.poll() is None or attempt == 9:
                raise
            time.sleep(0.5)


def reached(ask):
    """As `ask`, before anybody listens."""
    try:
        return ask()
    except (urllib.error.URLError, ConnectionError) as error:
        return 0, str(error)

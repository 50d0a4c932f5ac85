"""Webhooks, as receivers see them: the signatures are checked by the packages that receivers use, and by the examples of the docs.

The server is killed again and again while events happen: each of them arrives, and all of them with a signature that holds.
"""

import json
import os
import random
import re
import subprocess
import threading
from types import SimpleNamespace

import pytest
import standardwebhooks

from harness.keystore import Failed, Keystore
from harness.process import ROOT
from harness.receiver import Receiver

DOCS = (ROOT / "docs" / "webhooks.md").read_text()
ROUNDS = int(os.environ.get("KEYSTORE_KILL9_ROUNDS", 4))
AGENTS = 10
SEED = 20_261_126


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    receiver = Receiver()
    keystore = Keystore(tmp_path_factory.mktemp("webhooks") / "keystore", [receiver], tapped=False)
    try:
        made = keystore.ks("webhook", "create", receiver.url, "--events", "agent.*,webhook.test", "--name", "lab")
        yield SimpleNamespace(keystore=keystore, receiver=receiver, secret=made["endpoint"]["secret"])
    finally:
        keystore.stop()
        receiver.server.shutdown()


def examples(language):
    found = re.findall(rf"^```{language}\n([\s\S]*?)^```$", DOCS, re.M)
    assert len(found) == 2
    return found


def in_python(code, secret, message):
    """What an example makes of a message; `None` when it refuses it."""
    scope = {}
    exec(compile(code, "docs/webhooks.md", "exec"), scope)
    try:
        return scope["receive"](secret, message["headers"], message["body"].encode())
    except (ValueError, standardwebhooks.WebhookVerificationError):
        return None


def in_node(code, secret, messages):
    """The same for many messages at once."""
    code += """
const { secret, messages } = JSON.parse(process.env.MESSAGES);
const tried = messages.map(({ headers, body }) => {
  try { return receive(secret, headers, body); } catch { return null; }
});
console.log(JSON.stringify(tried));
"""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    env["MESSAGES"] = json.dumps({"secret": secret, "messages": messages})
    command = ["node", "--input-type=module", "--eval", code]
    done = subprocess.run(command, cwd=ROOT / "e2e" / "node", env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plain(got):
    return {"headers": got.headers, "body": got.body.decode()}


def forged(message):
    """The message with something changed that a receiver has to notice."""
    headers = message["headers"]
    old = str(int(headers["webhook-timestamp"]) - 600)
    yield {**message, "body": message["body"].replace("webhook.test", "agent.deleted")}
    for name, value in (("webhook-id", "evt_other"), ("webhook-timestamp", old), ("webhook-signature", "v1,AAAA")):
        yield {**message, "headers": {**headers, name: value}}


def test_the_examples_take_what_is_sent_and_nothing_else(lab):
    lab.keystore.run("webhook", "test", "lab")
    (got,) = [one for one in lab.receiver.got if one.headers["x-webhook-event"] == "webhook.test"]
    message = plain(got)
    messages = [message, *forged(message)]
    event = json.loads(got.body)
    for code in examples("python"):
        assert [in_python(code, lab.secret, one) for one in messages] == [event, None, None, None, None]
        assert in_python(code, "whsec_" + "A" * 43 + "=", message) is None
    for code in examples("js"):
        assert in_node(code, lab.secret, messages) == [event, None, None, None, None]


def test_the_body_is_as_the_docs_print_it(lab):
    lab.keystore.run("webhook", "test", "lab")
    printed = json.loads(re.search(r"^```json\n([\s\S]*?)^```$", DOCS, re.M)[1])
    agent = lab.keystore.agent("sandbox")
    ids = [one["id"] for one in lab.keystore.ks("events", "--kind", "agent.created")]
    lab.receiver.wait_for(ids[:1])
    bodies = [json.loads(one.body) for one in lab.receiver.got]
    (body,) = [one for one in bodies if one["data"].get("name") == agent.name]
    assert body.keys() == printed.keys() and body["data"].keys() == printed["data"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])


def test_every_kind_of_event_is_documented(lab):
    table = (ROOT / "docs" / "operations.md").read_text()
    kinds = {one["kind"] for one in lab.keystore.ks("webhook", "events")}
    documented = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert kinds <= documented, kinds - documented


def test_nothing_is_lost_under_kill_9_and_both_packages_take_all_of_it(lab):
    dice = random.Random(SEED)
    for _ in range(ROUNDS):
        timer = threading.Timer(dice.uniform(0, 1.5), lab.keystore.process.kill)
        timer.start()
        for _ in range(AGENTS):
            try:
                lab.keystore.agent("sandbox")
            except Failed:
                break
        timer.join()
        lab.keystore.start()
    events = lab.keystore.ks("events", "--kind", "agent.created", "-n", 10_000)
    assert len(events) > ROUNDS, "events happened"
    lab.receiver.wait_for([one["id"] for one in events if one["at"] >= first_hook(lab)])
    for got in lab.receiver.got:
        standardwebhooks.Webhook(lab.secret).verify(got.body, got.headers)
    taken = in_node(examples("js")[0], lab.secret, [plain(got) for got in lab.receiver.got])
    assert taken == [json.loads(got.body) for got in lab.receiver.got]
    print(f"{len(events)} events, {len(lab.receiver.got)} messages")


def first_hook(lab):
    """Since when the webhook is told."""
    (hook,) = lab.keystore.ks("webhook", "list")
    return hook["createdAt"]

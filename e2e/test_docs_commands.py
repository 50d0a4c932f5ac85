"""Every command that a page of the documentation shows is run, in the page's order, in a terminal, or stands in `harness/blocks_not_run.py` with the reason.

What a reader fills in is filled in by these rules, and nothing else of a command is changed:

- Each page has an organization of its own, in which GIVEN was done first, and its commands the key of its owner. Where a command is about the
  person (SESSION), the page's owner is signed in instead; what is the operator's (OPERATOR) has the operator's key.
- The addresses 127.0.0.1:8400 and :8401 are those of the server, folders of the machine (FOLDERS) lie in the folder of the test, and
  https://example.com is a receiver that is there.
- `ks_…`, `ksm_…` and `ksc_…` are a token of the page's agent, a management key, and the newest code that the server told. An id of the page is
  the first of its kind that a list shows (LISTS), that of an import the last that the page's commands showed.
- Vendors are played by fakes: who stores a key says where (`--base-url`), or for a vendor that no fake plays, `--no-verify`.
- `make run` is what it starts, `ks dev`.
- What is asked is answered: with y, the password, or the vendor's key.
- What goes on for ever (LASTING) goes on until it has said something, and is interrupted.
- Where the page prints `error:` below, the command has to fail with these words. Every other one has to succeed.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from conftest import KEYS, SLOTS
from harness import terminal
from harness.blocks import PAGES, commands
from harness.blocks_not_run import NOT_RUN
from harness.fake import Fake
from harness.keystore import Keystore
from harness.process import BINARIES, ROOT
from harness.receiver import Receiver
from harness.serve import Database

PASSWORD = "correct horse battery"

SESSION = re.compile(r"^ks (login|logout|whoami|account|session|factor|org (list|create|switch|transfer|delete)|member|kek (destroy|shred))\b")
OPERATOR = re.compile(r"\bks (operator|pool|credit|price (book|markup|sell|cost|import|diff|drop))\b")
LASTING = re.compile(r"--follow\b|curl -s?N |^ks (dev|serve --config|mcp)\b|^KS_TOKEN=\S+ ks mcp|^KS_[A-Z_]+=.* ks serve")
LISTS = {
    "acr": "ks access list",
    "agt": "ks agent list",
    "bud": "ks budget list",
    "dlv": "ks webhook deliveries billing",
    "org": "ks org show",
    "pay": "ks credit payments",
    "req": "ks requests",
    "rot": "ks pool rotations",
    "ses": "ks session list",
    "tok": "ks token list",
    "txn": "ks credit ledger",
}
# Their commands go to a server that they start; those of the other pages to the one that is there.
OWN_SERVER = {"docs/operations.md"}
FOLDERS = ("/etc/keystore", "/var/lib/keystore", "/backup", "/tmp")


class Page:
    """A page while its commands are run: its organization, its folder, and the servers that it started."""

    def __init__(self, shared, name, folder):
        self.shared, self.name, self.folder = shared, name, folder
        self.slug = re.sub(r"[^a-z]+", "-", name.lower().removesuffix(".md")).strip("-")
        self.root = folder / "root"
        self.here = folder / "here"
        self.signed_in = False
        # What its commands have shown.
        self.told = ""
        for made in (self.here, folder / "home", *(Path(f"{self.root}{at}") for at in FOLDERS)):
            made.mkdir(parents=True)
        self.proxy_url, self.api_url = shared.keystore.proxy_url, shared.keystore.api_url
        self.env = {
            **shared.keystore.clean_env,
            "PATH": f"{BINARIES}:{ROOT / 'e2e/.venv/bin'}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "TERM": "dumb",
            "COLUMNS": "200",
            "NO_PROXY": "127.0.0.1",
            "KS_API_URL": self.api_url,
            "KS_PROXY_URL": self.proxy_url,
            "PASSWORD": PASSWORD,
            "KEY": KEYS["openai"],
        }
        self.key = log_in(shared.keystore, "ada@example.com", PASSWORD)
        for words in (("org", "create", self.slug, "--slug", self.slug), ("org", "switch", self.slug)):
            self.ks(*words)
        self.key = self.ks("api-key", "create", "docs", "--role", "owner")["key"]
        self.org = self.ks("org", "show")["id"]
        for file, text in FILES.items():
            (self.here / file).write_text(text)
        self.background = []
        settings = {"proxy.addr": "127.0.0.1:0", "api.addr": "127.0.0.1:0", "store.data_dir": f"{self.root}/var/lib/keystore" if self.name in OWN_SERVER else str(self.folder / "served")}
        settings["kms.key_file"] = f"{self.root}/etc/keystore/root.key"
        (self.root / "etc/keystore/keystore.toml").write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))

    def ks(self, *words, operator=False, key=True, stdin=None):
        """What the page presumes, done quickly and without a terminal; by the profile when not with a key."""
        env = dict(self.env)
        if key:
            env["KS_API_KEY"] = self.shared.keystore.dev["operatorKey"] if operator else self.key
        command = [BINARIES / "ks", *words, "--output", "json"]
        done = subprocess.run(command, cwd=self.here, env=env, input=stdin or "", capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def sign_in(self):
        """A new profile of the owner of the page's organization."""
        self.ks("login", "--email", "ada@example.com", "--password-stdin", key=False, stdin=PASSWORD)
        self.ks("org", "switch", self.slug, key=False)
        self.signed_in = True

    def given(self, lines):
        """What is done before a page, or before one of its commands."""
        for line in lines:
            if callable(line):
                line(self)
            else:
                words = shlex.split(self.fill(line))[1:]
                self.ks(*words, operator=bool(OPERATOR.search(line)), stdin=next((KEYS[one] for one in words if one in KEYS), KEYS["openai"]))

    def fill(self, text):
        """A command with what a reader fills in."""
        text = re.sub(rf"((?<![\w/.])|(?<=//))({'|'.join(FOLDERS)})\b", rf"{self.root}\2", text)
        text = text.replace("http://127.0.0.1:8400", self.proxy_url).replace("http://127.0.0.1:8401", self.api_url)
        text = re.sub(r"127\.0\.0\.1:940[01]", "127.0.0.1:0", text).replace("127.0.0.1:11434", self.shared.fakes["openai"].authority)
        text = text.replace("https://example.com", f"http://{self.shared.receiver.authority}")
        text = text.replace("ks kek shred acme", f"ks kek shred {self.slug}")
        text = text.replace("https://keystore.example.com", self.api_url).replace("ksm_…", self.key)
        text = text.replace("AKIA…", "AKIAIOSFODNN7EXAMPLE")
        if "ks_…" in text:
            text = text.replace("ks_…", self.token(text))
        if "ksc_…" in text:
            text = text.replace("ksc_…", self.shared.code(text))
        text = re.sub(r"\b([a-z]{3})_01[0-9a-z]{24}\b", lambda found: self.first(found[1], text), text)
        return self.fake(text) if re.search(r"^(printf .*)?ks (provider|pool) add\b", text) else text

    def token(self, text):
        """Of the page's agent; of the demo agent for the sandbox."""
        if "/sandbox/" in text:
            return self.shared.keystore.dev["token"]
        names = {agent["name"] for agent in self.ks("agent", "list")}
        return self.ks("token", "create", "--agent", "my-agent" if "my-agent" in names else "bot")["token"]

    def first(self, kind, text):
        """The first id of a kind that its list shows."""
        if kind == "org":
            return self.ks("org", "show", operator=True)["id"] if "adjust-cost" in text else self.org
        if kind == "imp":
            return re.findall(r"\bimp_[0-9a-z]{26}\b", self.told)[-1]
        words = shlex.split(LISTS[kind])[1:] + ([self.org] if kind == "txn" else [])
        if kind == "ses" and not self.signed_in:
            self.sign_in()
        listed = json.dumps(self.ks(*words, operator=bool(OPERATOR.search(LISTS[kind])), key=kind != "ses"))
        found = re.search(rf"\b{kind}_[0-9a-z]{{26}}\b", listed)
        assert found, f"`{LISTS[kind]}` shows none for `{text}`"
        return found[0]

    def fake(self, text):
        """With the address of the fake that plays the vendor."""
        vendor = re.search(r"\badd ([a-z0-9-]+)", text)[1]
        if "--base-url" in text:
            return text
        return re.sub(rf"\badd {vendor}\b", f"add {vendor} --base-url {self.shared.fakes[vendor].url}" if vendor in self.shared.fakes else f"add {vendor} --no-verify", text, count=1)

    def answer(self, question):
        """What is typed when a command asks."""
        if "(y/N)" in question:
            return "y"
        if "assword" in question:
            return PASSWORD
        return next((KEYS[name] for name in self.shared.fakes if name in question.lower()), "x" * 40)

    def run(self, command):
        """Runs one command of the page, and looks at how it ended."""
        text = re.sub(r"^make run$", "ks dev", command.text)
        self.given(BEFORE.get((self.name, text.split(" #")[0].strip()), []))
        filled = self.fill(text)
        env = dict(self.env)
        if self.name in OWN_SERVER:
            pass
        elif SESSION.search(text):
            if not self.signed_in:
                self.sign_in()
        else:
            env["KS_API_KEY"] = self.shared.keystore.dev["operatorKey"] if OPERATOR.search(text) else self.key
        if LASTING.search(text) and not command.printed.startswith("error:"):
            return self.start(filled, env) if re.search(r"\bks serve\b", text) else self.watch(filled, env)
        if text.startswith("export "):
            self.env |= dict(one.split("=", 1) for one in shlex.split(self.fill(text.replace("$PWD/target/release", str(BINARIES))).replace("$PATH", self.env["PATH"]))[1:])
            return None
        code, shown = terminal.run(filled, env, self.here, self.answer)
        self.told += shown
        if command.printed.startswith("error:"):
            flat = " ".join(shown.split())
            assert code != 0 and all(line in flat for line in command.printed.splitlines()), shown
        else:
            assert code == 0, f"{filled}\n{shown}"
        return None

    def watch(self, filled, env):
        """A command without an end: it runs on for a while, and is not ended by an error."""
        if "ks dev" in filled:
            filled += " --data-dir dev" + "".join(f" --{plane}-addr 127.0.0.1:0" for plane in ("proxy", "api") if f"--{plane}-addr" not in filled)
            filled = re.sub(r"--data-dir (\S+) (.*)--data-dir dev", r"--data-dir \1 \2", filled)
        begun = time.monotonic()
        enough = (lambda shown: "Stop it with" in shown) if "ks dev" in filled else (lambda shown: time.monotonic() - begun > 0.7)
        code, shown = terminal.run(filled, env, self.here, self.answer, enough=enough)
        assert code == 0 and "error:" not in shown, shown

    def start(self, filled, env):
        """A production server. On a page of OWN_SERVER it goes on, and the first one's addresses are those that the page means."""
        if not (self.root / "etc/keystore/root.key").exists():
            subprocess.run(["bash", "-c", "umask 077; openssl rand -base64 32 > etc/keystore/root.key"], cwd=self.root, check=True)
        log = self.folder / f"serve-{len(self.background)}"
        with log.open("wb") as err:
            process = subprocess.Popen(["bash", "-c", f"exec {filled}" if filled.startswith("ks ") else filled], cwd=self.here, env=env, stdin=subprocess.DEVNULL, stderr=err, stdout=err, start_new_session=True)
        self.background.append(process)
        deadline = time.monotonic() + 20
        while not (found := re.search(r"serving.*", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        line = terminal.plain(found[0])
        addresses = {plane: re.search(rf'{plane}"?[=:] ?"?([0-9.]+:\d+)', line)[1] for plane in ("proxy", "api")}
        if self.name not in OWN_SERVER:
            return self.end()
        if len(self.background) == 1:
            self.proxy_url, self.api_url = (f"http://{addresses[plane]}" for plane in ("proxy", "api"))
            self.env |= {"KS_API_URL": self.api_url, "KS_PROXY_URL": self.proxy_url}

    def end(self):
        while self.background:
            process = self.background.pop()
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


# A day of OpenAI's costs API.
COST = {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"}, "line_item": None, "project_id": None}
DAY = {"object": "bucket", "start_time": 1_764_028_800, "end_time": 1_764_115_200, "results": [COST]}
FILES = {
    "new-key.txt": KEYS["openai"],
    "auth-token.txt": "0" * 32,
    "secret.txt": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00",
    "local-key.txt": KEYS["openai"],
    "acme.toml": re.search(r"```toml\n(# acme\.toml\n[\s\S]*?)```", (ROOT / "docs/providers.md").read_text())[1],
    "prices.json": "[]",
    "costs.json": json.dumps({"object": "page", "data": [DAY], "has_more": False, "next_page": None}),
    "my_agent.py": 'from openai import OpenAI\nprint(OpenAI().models.list())\n',
    "agent.py": 'from openai import OpenAI\nprint(OpenAI().models.list())\n',
    "agent.js": 'fetch(`${process.env.OPENAI_BASE_URL}/models`).then((answer) => process.exit(answer.status === 401 ? 0 : 1));\n',
    "my_boto3_script.py": 'import os\nassert os.environ["KS_TOKEN"]\n',
}


KEY, BOT = "ks provider add openai --key-stdin", "ks agent create bot --provider openai"


def file_request(page):
    """As an agent does that lacks something."""
    name = f"asker-{uuid.uuid4().hex[:8]}"
    token = page.ks("token", "create", "--name", name)["token"]
    arguments = {"provider": "openai", "source": "byok", "reason": "to answer"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "request_access", "arguments": arguments}}
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json, text/event-stream"}
    with urllib.request.urlopen(urllib.request.Request(f"{page.api_url}/mcp", json.dumps(call).encode(), headers), timeout=10) as answer:
        assert '"open"' in answer.read().decode().replace('\\', "")


def make_call(page):
    """One that is on record, of an agent of its own."""
    page.ks("provider", "add", "openai", "--name", "calls", "--base-url", page.shared.fakes["openai"].url, "--key-stdin", stdin=KEYS["openai"])
    token = page.ks("token", "create", "--name", "caller", "--provider", "openai:byok@calls")["token"]
    request = urllib.request.Request(f"{page.proxy_url}/v1/openai/v1/models", headers={"authorization": f"Bearer {token}"})
    urllib.request.urlopen(request, timeout=10).read()
    while not page.ks("requests"):
        time.sleep(0.05)


def have_the_database(page):
    """The folder of the server's data is where the page has it, and a file of checkpoints beside."""
    (page.root / "var/lib/keystore").rmdir()
    (page.root / "var/lib/keystore").symlink_to(page.shared.keystore.data)
    (page.here / "checkpoints.txt").write_text((page.here / "checkpoint.txt").read_text())


def have_postgres(page):
    """A database with something in it, and a server that has room for another."""
    page.shared.postgres = database = Database(page.folder)
    url = urlsplit(database.url)
    page.env |= {"DATABASE_URL": database.url, "PGHOST": unquote(url.hostname or url.netloc.partition("@")[2]), "PGUSER": url.username}


# By page: what it presumes at its beginning.
GIVEN = {
    "docs/audit.md": [make_call],
    "docs/choosing.md": [KEY],
    "docs/limits.md": [
        KEY,
        BOT,
        "ks provider add stripe --key-stdin",
        "ks project create Batch --slug batch",
        "ks project create 'Customer 42' --slug customer-42",
    ],
    "docs/marketplace.md": [KEY, "ks marketplace enable openai"],
    "docs/mcp.md": [KEY, BOT],
    "docs/providers.md": [KEY, BOT],
    "docs/revocation.md": [KEY],
}
def in_session(*words):
    """Done as the page's owner, not with its key."""

    def do(page):
        if not page.signed_in:
            page.sign_in()
        page.ks(*words, key=False)

    return do


def grace_accepts(page):
    page.ks("account", "accept", "--code", page.shared.code(""), "--password-stdin", key=False, stdin=PASSWORD)
    page.sign_in()


# Of the reference of all commands, which tells no story.
CLI = {
    "ks account send-verification": [Page.sign_in],
    "ks account accept --code ksc_… --name Grace": [
        in_session("org", "create", "Labs", "--slug", "given-away"),
        in_session("org", "switch", "given-away"),
        in_session("member", "invite", "grace@example.com", "--role", "member"),
    ],
    "ks org transfer grace@example.com --yes": [in_session("org", "switch", "given-away")],
    "ks org delete acme-labs --yes": [in_session("org", "switch", "acme-labs")],
    "ks member list": [in_session("org", "switch", "docs-cli")],
    "ks member role grace@example.com admin": [grace_accepts],
    "ks migrate openai --to byok --agent bot": ["ks marketplace enable openai", "ks migrate openai --to marketplace --agent bot"],
    "ks token create --name bot --provider openai:byok --provider anthropic --budget 500 --rpm 120 --expires 30d": ["ks agent delete bot --yes"],
    "ks run --agent bot -- python agent.py": ["ks provider update openai --label none", "ks agent delete bot --yes", BOT],
    "ks member leave --yes": [in_session("org", "switch", "given-away")],
    "KS_API_KEY=$(ks api-key create reader --role viewer --project customer-42)": ["ks project create 'Customer 42' --slug customer-42"],
    "ks audit list --subject agt_01jd3w8f0qe7ys4c9p2m5n6r7t --output json": [make_call],
    "ks agent create bot --provider openai --provider anthropic:byok@staging --rpm-limit 120 --budget 5000": [
        "ks provider add anthropic --name staging --key-stdin",
        "ks provider add resend --key-stdin",
    ],
    "ks budget create 20 --window day --agent bot --provider openai": [BOT],
    "ks access show acr_01jd3w8f0qe7ys4c9p2m5n6r7t": [file_request],
    "ks access deny acr_01jd3w8f0qe7ys4c9p2m5n6r7t --reason 'use the search of the intranet'": [file_request],
}
# By page and command: what the page presumes there.
BEFORE = {
    ("docs/access.md", "ks access list"): [KEY, file_request],
    ("docs/access.md", "ks access deny acr_01jd3w8f0qe7ys4c9p2m5n6r7t --reason 'use the search of the intranet'"): [file_request],
    ("docs/audit.md", "ks audit verify --database sqlite:///var/lib/keystore/keystore.db --key audit.key --from checkpoints.txt"): [have_the_database],
    ("docs/operations.md", 'pg_dump --format=custom --file=/backup/keystore.dump "$DATABASE_URL"'): [have_postgres],
    **{("docs/cli.md", command): given for command, given in CLI.items()},
}


def log_in(keystore, email, password):
    """A session."""
    account = json.dumps({"email": email, "password": password}).encode()
    login = urllib.request.Request(f"{keystore.api_url}/v1/auth/login", account, {"content-type": "application/json"})
    with urllib.request.urlopen(login, timeout=10) as answer:
        return json.load(answer)["token"]


def make_ada(keystore, code):
    """An account that owns an organization, so that it may make more: the owner of the deployment makes one, and hands it over."""
    session = {"KS_API_KEY": log_in(keystore, keystore.dev["email"], keystore.dev["password"])}
    keystore.run("org", "create", "Acme", "--slug", "acme", env=session)
    keystore.run("member", "invite", "ada@example.com", "--role", "admin", env=session)
    keystore.run("account", "accept", "--code", code(""), "--name", "Ada", "--password-stdin", stdin=PASSWORD)
    keystore.run("org", "transfer", "ada@example.com", "--yes", env=session)
    # She works for the operator, too.
    keystore.run("member", "invite", "ada@example.com", "--role", "admin", env={"KS_API_KEY": keystore.dev["operatorKey"]})
    keystore.run("account", "accept", "--code", code(""), "--password-stdin", stdin=PASSWORD)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The one server, the vendors, a receiver, and Ada."""
    folder = tmp_path_factory.mktemp("docs")
    fakes = {name: Fake(folder, name, SLOTS.get(name, "bearer"), KEYS[name]) for name in ("openai", "anthropic", "tavily", "resend")}
    receiver = Receiver()
    keystore = Keystore(folder / "keystore", [*fakes.values(), receiver], tapped=False, log="info")

    used = set()

    def code(text):
        """The newest code that was told and not used; a mail may come after the answer that promised it."""
        told = keystore.process.out if "ks login" in text else keystore.process.err
        deadline = time.monotonic() + 10
        while not (new := [one for one in re.findall(r"\bksc_[0-9a-f]+", told.read_text()) if one not in used]):
            assert time.monotonic() < deadline, f"no code for `{text}`"
            time.sleep(0.02)
        used.update(new)
        return new[-1]

    try:
        make_ada(keystore, code)
        for name in ("openai", "tavily"):
            words = ["pool", "add", name, "--name", "shared", "--base-url", fakes[name].url, "--key-stdin", "--no-verify"]
            keystore.run(*words, stdin=KEYS[name], env={"KS_API_KEY": keystore.dev["operatorKey"]})
        found = SimpleNamespace(keystore=keystore, fakes=fakes, receiver=receiver, code=code, postgres=None)
        yield found
        if found.postgres:
            found.postgres.stop()
    finally:
        keystore.stop()
        receiver.server.shutdown()
        for fake in fakes.values():
            fake.stop()


def left_out(command):
    """Why a command is not run, if it is not."""
    reasons = NOT_RUN.get(command.page, {})
    return next((reason for begin, reason in reasons.items() if command.text.startswith(begin)), None)


WITH_COMMANDS = [path for path in PAGES if any(not left_out(command) for command in commands(path))]


# The reference of all commands has as many as the other pages together. That each of them is right in its words is a test of `ks`.
ALL = "KEYSTORE_SOAK" in os.environ


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page(shared, path, tmp_path):
    name = str(path.relative_to(ROOT))
    if name == "docs/cli.md" and not ALL:
        pytest.skip("run by `scripts/soak docs`")
    page = Page(shared, name, tmp_path)
    wrong = []
    try:
        page.given(GIVEN.get(name, []))
        for command in commands(path):
            if left_out(command):
                continue
            # A command may have ended the session, or moved it to another organization.
            page.signed_in = page.signed_in and not command.first
            try:
                page.run(command)
            except AssertionError as error:
                wrong.append(f"{name}:{command.line}: {error}")
    finally:
        page.end()
    assert not wrong, f"{len(wrong)} commands\n" + "\n".join(wrong)


def test_what_is_left_out_is_there():
    shown = {(command.page, begin) for path in PAGES for command in commands(path) for begin in NOT_RUN.get(command.page, {}) if command.text.startswith(begin)}
    assert shown == {(page, begin) for page, reasons in NOT_RUN.items() for begin in reasons}

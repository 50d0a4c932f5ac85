"""`ks dev` as a process, and the `ks` command as a person would use it."""

import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from decimal import Decimal

from .process import BINARIES, Process
from .tap import Tap


@dataclass(frozen=True)
class Agent:
    """An agent and the token that was shown once."""

    name: str
    token: str
    token_id: str


class Failed(Exception):
    """A command that ended with a failure."""

    def __init__(self, done):
        super().__init__(f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        self.code = done.returncode
        self.words = done.stderr


class Keystore:
    """A development server with its data in `folder`, which can be killed and started again."""

    def __init__(self, folder, upstreams, tapped=True, log="trace"):
        self.folder = folder
        self.data = folder / "data"
        self.upstreams = upstreams
        self.tapped = tapped
        self.log = log
        self.tokens = []
        self.taps = {"proxy": [], "api": []}
        home = folder / "home"
        home.mkdir(parents=True)
        # Nothing of the machine's own settings: no profile, no provider keys, no KS_* variables.
        self.clean_env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        self.starts = 0
        self.start()

    def start(self):
        """Starts the server on free ports; returns when both listeners answer."""
        file = self.data / "dev.json"
        before = file.stat().st_mtime_ns if file.exists() else 0
        command = [BINARIES / "ks", "dev", "--data-dir", self.data, "--log", self.log]
        command += ["--proxy-addr", "127.0.0.1:0", "--api-addr", "127.0.0.1:0"]
        for upstream in self.upstreams:
            command += ["--allow-upstream", upstream.authority]
        self.starts += 1
        self.process = Process(command, self.folder / f"ks-dev-{self.starts}", self.clean_env)
        self.process.wait_for(
            lambda: file.exists() and file.stat().st_mtime_ns != before and "Stop it with" in self.process.out.read_text(),
            "the greeting of ks dev",
        )
        self.dev = json.loads(file.read_text())
        self.proxy_url, self.api_url = self.dev["proxyUrl"], self.dev["apiUrl"]
        if self.tapped:
            self.proxy_url = self._tap("proxy", self.proxy_url)
            self.api_url = self._tap("api", self.api_url)
        self.env = {
            **self.clean_env,
            "KS_API_URL": self.api_url,
            "KS_API_KEY": self.dev["apiKey"],
            "KS_PROXY_URL": self.proxy_url,
        }

    def _tap(self, kind, target):
        tap = Tap(target, self.folder / f"{kind}-answers-{self.starts}")
        self.taps[kind].append(tap)
        return tap.url

    def stop(self):
        """SIGTERM; the exit code."""
        code = self.process.stop()
        for tap in self.taps["proxy"] + self.taps["api"]:
            tap.stop()
        return code

    def run(self, *words, stdin=None, env=None):
        """`ks` with these words; what it wrote to stdout."""
        done = subprocess.run(
            [BINARIES / "ks", *map(str, words)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env={**self.env, **(env or {})},
            timeout=60,
        )
        with (self.folder / "ks-commands.err").open("a") as log:
            log.write(done.stderr)
        if done.returncode != 0:
            raise Failed(done)
        return done.stdout

    def ks(self, *words, stdin=None):
        """`ks … --output json`, read."""
        text = self.run(*words, "--output", "json", stdin=stdin)
        return json.loads(text) if text.strip() else None

    def agent(self, *providers, budget=None, rpm=100_000):
        """An agent of its own with a token, in one step."""
        name = f"agent-{uuid.uuid4().hex[:12]}"
        words = ["token", "create", "--name", name, "--rpm", rpm]
        for provider in providers:
            words += ["--provider", provider if ":" in provider else f"{provider}:byok"]
        if budget is not None:
            words += ["--budget", budget]
        made = self.ks(*words)
        self.tokens.append(made["token"])
        return Agent(name, made["token"], made["id"])

    def requests(self, agent=None, count=None, limit=10.0):
        """The rows of an agent, oldest first; waits until there are `count`, since a row is written after its answer."""
        words = ["requests", "--limit", 10_000] + (["--agent", agent.name] if agent else [])
        deadline = time.monotonic() + limit
        while True:
            rows = self.ks(*words)[::-1]
            if count is None or sum(row["count"] for row in rows) >= count or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if count is not None:
            assert sum(row["count"] for row in rows) == count, rows
        return rows

    def usage(self, agent):
        """The sums of an agent."""
        return self.ks("usage", "--agent", agent.name)["total"]

    def budget(self, agent):
        """Dollars spent and held."""
        budget = self.ks("agent", "show", agent.name)["budget"]
        return Decimal(budget["spent"]), Decimal(budget["held"])

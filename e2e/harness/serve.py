"""`ks serve` as a process, set up as an operator would: a configuration file, a root key of its own, the first account by sign-up."""

import base64
import json
import os
import subprocess
import urllib.request

from .keystore import Keystore
from .process import BINARIES, Process

PASSWORD = "correct horse battery"


def served(log):
    """Where a server says that it serves, by plane, once it does. Its log is JSON."""
    lines = [line for line in log.splitlines() if '"serving"' in line]
    if not lines:
        return None
    line = json.loads(lines[-1])
    return line.get("fields", line)


class Database:
    """An empty PostgreSQL database in a cluster of its own."""

    def __init__(self, folder):
        self.process = Process([BINARIES / "pg-cluster"], folder / "postgres", stdin=subprocess.PIPE)
        self.url = self.process.wait_for(lambda: self.process.out.read_text().strip(), "the database's URL")

    def stop(self):
        self.process.child.stdin.close()
        self.process.child.wait(20)


class Served(Keystore):
    """A production server in front of `upstreams`, with its data in `store_url`."""

    def __init__(self, folder, upstreams, store_url, settings=None, env=None):
        self.store_url = store_url
        self.settings = settings or {}
        self.more_env = env or {}
        super().__init__(folder, upstreams, tapped=False)

    def start(self):
        """Starts the server on free ports; returns when both listeners are named in its log."""
        if self.starts == 0:
            self.configure()
        self.launch()
        serving = self.process.wait_for(self._serving, "the line that says where it serves")
        self.proxy_url, self.api_url = (f"http://{serving[plane]}" for plane in ("proxy", "api"))
        self.env = {**self.clean_env, "KS_API_URL": self.api_url, "KS_PROXY_URL": self.proxy_url}
        if self.starts == 1:
            self._sign_up()
        self.run("login", "--api-url", self.api_url, "--email", "ada@example.com", "--password-stdin", stdin=PASSWORD)

    def launch(self):
        """Starts the server, and waits for nothing."""
        self.starts += 1
        command = [BINARIES / "ks", "serve", "--config", self.folder / "keystore.toml"]
        env = {**self.clean_env, **self.more_env, "KS_STORE__URL": self.store_url}
        self.process = Process(command, self.folder / f"ks-serve-{self.starts}", env)

    def configure(self):
        """Writes the configuration file. A setting of `None` is left out."""
        key = self.folder / "root.key"
        if not key.exists():
            with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(base64.b64encode(os.urandom(32)))
        settings = {
            "proxy.addr": "127.0.0.1:0",
            "api.addr": "127.0.0.1:0",
            "store.data_dir": str(self.data),
            "kms.key_file": str(key),
            "upstream.allow_private": [upstream.authority for upstream in self.upstreams],
            "telemetry.format": "json",
            **self.settings,
        }
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if value is not None]
        (self.folder / "keystore.toml").write_text("".join(lines))

    def _serving(self):
        return served(self.process.err.read_text())

    def _sign_up(self):
        account = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada", "orgName": "Acme Inc"}
        request = urllib.request.Request(
            f"{self.api_url}/v1/auth/signup", json.dumps(account).encode(), {"content-type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            assert answer.status == 201

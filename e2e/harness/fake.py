"""The fake upstream of the test kit, as a process of its own. Its log is the ground truth: what a vendor really received."""

import json
import re
from dataclasses import dataclass
from functools import cached_property

from .process import BINARIES, Process


@dataclass(frozen=True)
class Received:
    """One request as it arrived at the vendor."""

    line: dict

    @property
    def method(self):
        return self.line["method"]

    @property
    def path(self):
        return self.line["target"].partition("?")[0]

    @property
    def credentials(self):
        return [(one["slot"], one["value"]) for one in self.line["credentials"]]

    @property
    def tokens(self):
        """Input and output tokens that the answer reports, reports to a client that did not ask included."""
        return self.line["inputTokens"], self.line["outputTokens"]

    def header(self, name):
        return next((value for key, value in self.line["headers"] if key == name), None)

    @cached_property
    def json(self):
        try:
            return json.loads(self.line["body"])
        except ValueError:
            return {}

    @property
    def model(self):
        """From the body, or, as Gemini has it, from the path: `…/models/{model}:generateContent`."""
        if in_path := re.search(r"/models/([^/:]+):", self.path):
            return in_path[1]
        body = self.json
        return body.get("model") if isinstance(body, dict) else None


class Fake:
    """A vendor that accepts one key in one slot and nothing in any other, and answers every other request with its own 401."""

    DIALECTS = {"gemini", "mistral"}

    def __init__(self, folder, name, slot, key):
        self.slot, self.key = slot, key
        self.log = folder / f"{name}.ndjson"
        self.log.touch()
        command = [BINARIES / "fake-upstream", "--log", self.log, "--key", f"{slot}={key}"]
        if name in self.DIALECTS:
            command += ["--dialect", name]
        self.process = Process(command, folder / name)
        self.url = self.process.wait_for(lambda: self.process.out.read_text().strip(), "the fake's address")
        self.authority = self.url.removeprefix("http://")

    def received(self, model=None):
        """Everything that arrived, or what named this model."""
        lines = self.log.read_bytes().split(b"\n")[:-1]
        all_of_them = [Received(json.loads(line)) for line in lines]
        return [one for one in all_of_them if model is None or one.model == model]

    def stop(self):
        self.process.kill()

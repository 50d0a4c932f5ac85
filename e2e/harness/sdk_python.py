"""`keystore-sdk` as its users get it: built, and installed from the wheel into an environment with nothing else in it."""

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from .process import ROOT

SOURCE = ROOT / "sdk" / "python"
# What the package declares that it needs, as `make deps` fetched it: a test opens no connection to a registry.
WHEELS = ROOT / "e2e" / ".venv" / "wheels"


class Package:
    """The built package, and an environment that has it and what it says that it needs."""

    def __init__(self, folder):
        self.folder = folder
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", folder / "dist"]
        self._do(command, cwd=SOURCE)
        (self.wheel,) = (folder / "dist").glob("*.whl")
        (self.sdist,) = (folder / "dist").glob("*.tar.gz")
        self.python = folder / "venv" / "bin" / "python"
        self._do([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--disable-pip-version-check"]
        self._do([*pip, "--no-index", "--find-links", WHEELS, self.wheel])

    @staticmethod
    def _do(command, cwd=None):
        done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    @cached_property
    def site(self):
        """The folder that the package was installed into."""
        (found,) = (self.folder / "venv" / "lib").glob("python*/site-packages")
        return found

    def run(self, *words, env=None, libraries=False, cwd=None):
        """A program in the environment; what it wrote to stdout. With `libraries`, the tests' own packages are there behind its own."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1", **(env or {})}
        if libraries:
            clean["PYTHONPATH"] = os.pathsep.join([str(self.site), str(Path(sys.prefix) / "lib" / self.site.parent.name / "site-packages")])
        command = [str(self.python), *(str(word) for word in words)]
        done = subprocess.run(command, cwd=cwd or self.folder, env=clean, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
        return done.stdout

    def names(self):
        """What is installed."""
        code = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"
        return set(json.loads(self.run("-c", code)))

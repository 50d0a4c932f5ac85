"""docs/recipes.md is true: each recipe runs as it is printed, in a shell that holds the real keys, and its program holds none.

Those whose packages the other tests have, too, run here. The others are installed by `recipes/install`, into the folder that KS_RECIPES
names; `scripts/soak recipes` does both.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import KEYS
from harness.process import BINARIES, ROOT

TEXT = (ROOT / "docs" / "recipes.md").read_text()
HEAVY = Path(os.environ["KS_RECIPES"]) if "KS_RECIPES" in os.environ else None
# The words that the fake vendors answer.
ANSWER = "w1 w2 w3 w4"


def recipes():
    """By heading: the vendor, who runs it, and the blocks."""
    for name, vendor, runner in re.findall(r"^\| \[(.+?)\]\(.*\| (\w+) \| `(.+?)` \|$", TEXT, re.M):
        section = re.search(rf"^## {name}\n([\s\S]*?)(?=^## |\Z)", TEXT, re.M)[1]
        blocks = re.findall(r"^```(\w+)\n([\s\S]*?)^```$", section, re.M)
        yield pytest.param(vendor.lower(), runner == "make test", blocks, id=name)


def tools(folder, seen, light):
    """A folder for PATH whose programs write their environment to `seen` and go on as the real ones."""
    if light:
        real = {"python": sys.executable, "node": shutil.which("node")}
    else:
        real = {"python": HEAVY / "venv/bin/python"} | {name: HEAVY / "node_modules/.bin" / name for name in ("claude", "codex")}
    folder.mkdir()
    for name, program in real.items():
        shim = folder / name
        shim.write_text(f'#!/bin/sh\nenv >"{seen}"\nexec "{program}" "$@"\n')
        shim.chmod(0o755)
    (folder / "ks").symlink_to(BINARIES / "ks")
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(("vendor", "light", "blocks"), list(recipes()))
def test_a_recipe(keystore, world, vendor, light, blocks, tmp_path):
    if not light and HEAVY is None:
        pytest.skip("run by `scripts/soak recipes`")
    agent = keystore.agent("openai", "anthropic")
    programs = {"python": "otters.py", "js": "otters.mjs", "sh": "codex.sh"}
    (command,) = [code for kind, code in blocks if kind == "console"]
    for kind, code in blocks:
        if kind in programs:
            (tmp_path / programs[kind]).write_text(code)
    (tmp_path / "node_modules").symlink_to(ROOT / "e2e/node/node_modules")
    seen = tmp_path / "seen"
    fake = world.fakes[vendor]
    arrived = len(fake.received())
    env = {
        **keystore.env,
        "PATH": tools(tmp_path / "bin", seen, light),
        "HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
        "OPENAI_API_KEY": KEYS["openai"],
        "ANTHROPIC_API_KEY": KEYS["anthropic"],
    }
    command = command.removeprefix("$ ").replace("--agent bot", f"--agent {agent.name}")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0 and ANSWER in done.stdout, done.stdout + done.stderr
    assert len(fake.received()) > arrived
    assert {row["status"] for row in keystore.requests(agent)} == {200}
    held = seen.read_text()
    assert re.search(r"^KS_TOKEN=ks_", held, re.M)
    assert not [key for key in KEYS.values() if key in held + done.stdout + done.stderr]
    keystore.tokens += set(re.findall(r"\bks_[0-9a-f]{64}\b", held))


def test_the_versions_are_those_that_are_tried():
    pins = (ROOT / "e2e/requirements.txt").read_text() + (ROOT / "e2e/recipes/requirements.txt").read_text()
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)$", pins, re.M))
    for folder in ("node", "recipes"):
        pinned |= dict(re.findall(r'^\s+"(\S+)": "(\d\S+)"', (ROOT / "e2e" / folder / "package.json").read_text(), re.M))
    for names, versions in re.findall(r"^\| \[.*?\| (?:PyPI|npm) (.*?) \| (.*?) \|", TEXT, re.M):
        assert [pinned[name] for name in re.findall("`(.+?)`", names)] == versions.split(", ")

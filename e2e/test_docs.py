"""docs/clients.md is true: every example runs as it is printed, and the variables are those that `ks run` sets."""

import contextlib
import io
import os
import re
import subprocess

import pytest

from harness import checks
from harness.process import ROOT

TEXT = (ROOT / "docs" / "clients.md").read_text()
PROVIDERS = ("openai", "anthropic", "gemini", "cohere", "mistral", "stripe", "resend", "tavily")


def examples(language):
    """The blocks of a language by the heading that they stand under."""
    found = re.findall(rf"^### (?:Python|npm) `([^`]+)`\n(?:(?!^#)[\s\S])*?^```{language}\n([\s\S]*?)^```$", TEXT, re.M)
    assert len(found) == TEXT.count(f"```{language}\n")
    return [pytest.param(code, id=name) for name, code in found]


@pytest.fixture
def run(keystore, world):
    """Gives an example to `execute` with this proxy and a token in place of the printed ones; checks what it said and did."""

    def run(code, execute):
        (provider,) = set(re.findall(r"127\.0\.0\.1:8400/v1/([a-z]+)", code))
        agent = keystore.agent(provider)
        code = code.replace("http://127.0.0.1:8400", keystore.proxy_url).replace("ks_…", agent.token)
        fake = world.fakes[provider]
        arrived = len(fake.received())
        said = execute(code).strip()
        assert said and "error" not in said.lower()
        assert len(fake.received()) == arrived + 1
        checks.only(fake, path=fake.received()[-1].path)
        checks.recorded(keystore, agent)

    return run


@pytest.mark.parametrize("code", examples("python"))
def test_an_example_in_python(run, code):
    def execute(code):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, "docs/clients.md", "exec"), {})
        return out.getvalue()

    run(code, execute)


@pytest.mark.parametrize("code", examples("js"))
def test_an_example_in_javascript(run, code):
    def execute(code):
        command = ["node", "--input-type=module", "--eval", code]
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        done = subprocess.run(command, cwd=ROOT / "e2e" / "node", env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(code, execute)


def test_what_shows_a_promise_is_there():
    """Files and tests that the threat model names."""
    named = set(re.findall(r"`([a-z0-9_/.]+)`", (ROOT / "docs" / "threat-model.md").read_text()))
    files = {name for name in named if "/" in name and name.endswith((".rs", ".py"))}
    tests = {name for name in named if re.fullmatch(r"[a-z]+(_[a-z]+){3,}", name)}
    assert len(files) > 15 and len(tests) > 8
    assert not [name for name in files if not (ROOT / name).is_file()]
    sources = "".join(path.read_text() for path in (ROOT / "crates").glob("*/*/**/*.rs"))
    assert not [name for name in tests if f"fn {name}(" not in sources]


def test_every_client_of_the_table_has_an_example():
    rows = re.findall(r"^\| (?:Python|npm) \[`([^`]+)`\]", TEXT, re.M)
    assert rows == [param.id for language in ("python", "js") for param in examples(language)]


def test_the_variables_are_those_that_ks_run_sets(keystore):
    """And what the table gives as a base URL is what they hold. A provider without one of the two gets none at all."""
    agent = keystore.agent(*PROVIDERS)
    shown = keystore.run("run", "--agent", agent.name, "--print-env")
    values = dict(re.findall(r"^(?:export )?([A-Z_]+)='?([^'\n]*)'?$", shown, re.M))
    for row in re.findall(r"^\| (?:Python|npm) .*$", TEXT, re.M):
        _, _, base, _, variables, _ = row.split("|")
        names = re.findall(r"`([A-Z_]+)`", variables)
        urls = re.findall(r"\{proxy\}(/v1/[^`]+)", base)
        if urls and names:
            base_name, key_name = names
            assert values[base_name] == keystore.proxy_url + urls[0], row
            assert values[key_name] == values["KS_TOKEN"], row
        elif urls:
            provider = urls[0].removeprefix("/v1/")
            assert not [name for name in values if name.startswith(provider.upper())], row

"""`keystore-sdk`, built and installed as its users do: its own tests, the API by two programs in a clean environment, what type checkers say,
and the examples of its pages. The agent's side is in `test_sdk_python_agent.py`."""

import asyncio
import contextlib
import io
import json
import re
import subprocess
import sys
import tarfile
import uuid
import zipfile
from pathlib import Path

import httpx
import pytest

from harness.clients import openai_client
from harness.process import ROOT

CLIENTS = ROOT / "e2e" / "clients"


def test_the_package_is_whole_and_needs_httpx_alone(package):
    names = package.names()
    assert {"keystore-sdk", "httpx"} <= names and len(names) <= 8, names
    code = "import importlib.metadata as m; print(m.requires('keystore-sdk'), m.version('keystore-sdk'))"
    version = json.loads((ROOT / "openapi.json").read_text())["info"]["version"]
    assert package.run("-c", code).strip() == f"['httpx<1,>=0.27'] {version}"
    wheel = set(zipfile.ZipFile(package.wheel).namelist())
    sources = {str(path.relative_to(ROOT / "sdk/python/src")) for path in (ROOT / "sdk/python/src").rglob("*") if path.suffix in (".py", ".typed")}
    assert sources <= wheel and {name for name in wheel if ".dist-info/" not in name} == sources
    with tarfile.open(package.sdist) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"src/{name}" for name in sources} <= inside and {"README.md", "LICENSE", "pyproject.toml"} <= inside


def test_its_own_tests_pass_on_what_was_built(package):
    tests = ROOT / "sdk" / "python" / "tests"
    said = package.run("-m", "pytest", "-q", "-p", "no:cacheprovider", tests, libraries=True)
    assert " passed" in said and "skipped" not in said, said


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_a_program_in_a_clean_environment(package, world, kind):
    keystore, fake = world.keystore, world.fakes["openai"]
    env = {"KS_API_URL": keystore.api_url, "KS_API_KEY": keystore.dev["apiKey"]}
    said = json.loads(package.run(CLIENTS / f"sdk_{kind}.py", fake.url, fake.key, env=env))
    catalog = len(keystore.ks("provider", "list", "--all"))
    assert said == {
        "who_am_i": "owner",
        "create_project": kind,
        "update_project": f"{kind.capitalize()} too",
        "list_projects": ["default", kind],
        "create_credential": "untested",
        "get_credential": kind,
        "test_credential": "valid",
        "create_agent": ["byok"],
        "expires_at": True,
        "update_agent": None,
        "get_agent": ["hr"],
        "list_agents": [kind],
        "create_token": "ks_",
        "rotate_token": True,
        "revoke_token": "revoked",
        "list_tokens": ["active", "revoked"],
        "create_budget": "5.00",
        "check_budgets": False,
        "raise_budget": "10.00",
        "get_budget_history": 0,
        "pause_agent": "paused",
        "resume_agent": "active",
        "list_providers": catalog,
        "get_provider": "OpenAI",
        "list_requests": [],
        "get_usage": 0,
        "list_audit": True,
        "export_audit": ["index", "1"],
        "verify_audit": True,
        "create_revocation": True,
        "delete_agent": "not_found",
        "delete_project": 0,
    }


CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary", "--python-version", "3.10", "--python-executable"],
    "pyright": ["node", ROOT / "e2e" / "node" / "node_modules" / "pyright" / "index.js", "--pythonversion", "3.10", "--pythonpath"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_find_mistakes_and_nothing_else(package, checker):
    programs = [CLIENTS / f"sdk_{kind}.py" for kind in ("threads", "tasks", "mistakes")]
    done = subprocess.run([*CHECKERS[checker], package.python, *programs], cwd=package.folder, capture_output=True, text=True)
    found = {(Path(file).name, int(line)) for file, line in re.findall(r"^\s*(\S+\.py):(\d+).*? error: ", done.stdout, re.M)}
    lines = (CLIENTS / "sdk_mistakes.py").read_text().splitlines()
    marked = {("sdk_mistakes.py", number) for number, line in enumerate(lines, start=1) if line.endswith("# mistake")}
    assert found == marked and len(marked) > 10, done.stdout + done.stderr


class Flaky(httpx.HTTPTransport):
    """Loses the answer to the first request that changes something."""

    lost = 0

    def handle_request(self, request):
        response = super().handle_request(request)
        if request.method != "GET" and not self.lost:
            self.lost += 1
            response.read()
            response.close()
            raise httpx.ReadError("lost", request=request)
        return response


@pytest.mark.parametrize("operation", ["tokens", "agents", "budgets"])
def test_a_repeat_has_no_second_effect(sdk, keystore, operation):
    name = f"once-{uuid.uuid4().hex[:12]}"
    network = Flaky()
    with sdk.Keystore(keystore.dev["apiKey"], api_url=keystore.api_url, http_client=httpx.Client(transport=network)) as ks:
        if operation == "budgets":
            project = ks.projects.create(name=name)
            network.lost = 0
            made = ks.budgets.create(project=project.id, limit="1.00", window="day")
            assert [one.id for one in ks.budgets.list() if one.project_id == project.id] == [made.id]
        elif operation == "agents":
            made = ks.agents.create(name=name)
            assert [one.id for one in ks.agents.list() if one.name == name] == [made.id]
        else:
            made = ks.tokens.create(name=name)
            assert made.token is None and made.secret_shown and "otate" in made.remedy
            assert [one.id for one in ks.tokens.list(agent=name)] == [made.id]
    assert network.lost == 1


def test_a_deletion_in_doubt_is_the_callers_to_look_at(sdk, keystore):
    network = Flaky()
    with sdk.Keystore(keystore.dev["apiKey"], api_url=keystore.api_url, http_client=httpx.Client(transport=network)) as ks:
        network.lost = 1
        made = ks.agents.create(name=f"gone-{uuid.uuid4().hex[:12]}")
        network.lost = 0
        with pytest.raises(sdk.KeystoreConnectionError):
            ks.agents.delete(made.id)
        assert network.lost == 1
        with pytest.raises(sdk.NotFoundError):
            ks.agents.delete(made.id)


def test_the_stream_brings_requests_as_they_end(sdk, keystore, agent):
    def calls():
        return openai_client(keystore, agent).models.list()

    async def follow():
        async with sdk.AsyncKeystore(keystore.dev["apiKey"], api_url=keystore.api_url) as ks:
            async with ks.requests.stream(agent=agent.name, last_event_id="0") as requests:
                await asyncio.to_thread(calls)
                found = []
                async for request in requests:
                    found.append(request.path)
                    if len(found) == 2:
                        return found
                    await asyncio.to_thread(calls)

    assert asyncio.run(asyncio.wait_for(follow(), 30)) == ["/v1/models", "/v1/models"]


EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in (ROOT / "docs" / "sdk-python.md", ROOT / "sdk" / "python" / "README.md")
    for number, code in enumerate(re.findall(r"^```python\n([\s\S]*?)^```$", page.read_text(), re.M), start=1)
]


@pytest.fixture(scope="module")
def examples(sdk, world, keystore):
    """Where the examples run: a token in the environment, an operator who sells Tavily, and one call on record."""
    operator = {"KS_API_KEY": keystore.dev["operatorKey"]}
    fake = world.fakes["tavily"]
    words = ["pool", "add", "tavily", "--name", "examples", "--base-url", fake.url, "--key-stdin", "--no-verify"]
    keystore.run(*words, stdin=fake.key, env=operator)
    keystore.run("marketplace", "enable", "tavily")
    agent = keystore.agent("openai", "anthropic", "tavily")
    return agent, {
        "KS_API_URL": keystore.api_url,
        "KS_API_KEY": keystore.dev["apiKey"],
        "KS_TOKEN": agent.token,
        "KS_PROXY_URL": keystore.proxy_url,
        "KS_EMAIL": keystore.dev["email"],
        "KS_PASSWORD": keystore.dev["password"],
    }


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example(examples, keystore, code, monkeypatch, tmp_path):
    agent, env = examples
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    if "stream(" in code:
        # The agent of the page's first example has not called yet.
        openai_client(keystore, agent).models.list()
        code = code.replace('"production-agent"', repr(agent.name))
    # Each on its own: a name is taken once.
    unique = re.sub(r'name="([a-z-]+)"', lambda found: f'name="{found[1]}-{tmp_path.name[-20:]}"', code) if "production" in code else code
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(unique, "docs/sdk-python.md", "exec"), {})
    assert out.getvalue().strip(), code

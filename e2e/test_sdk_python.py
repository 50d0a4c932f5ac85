"""`keystore-sdk`, built and installed as its users do: its own tests, the API by two programs in a clean environment, vendors' clients that
`wrap` and the transport point at the proxy, and what type checkers say."""

import asyncio
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import uuid
import zipfile
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
import resend
import stripe
from google import genai

from harness import checks, sdk_python
from harness.clients import HELLO, WORDS, openai_client
from harness.process import ROOT

CLIENTS = ROOT / "e2e" / "clients"


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return sdk_python.Package(tmp_path_factory.mktemp("sdk-python"))


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


# What follows uses the installed package in this process, beside the vendors' clients.


@pytest.fixture(scope="session")
def sdk(package):
    sys.path.append(str(package.site))
    module = importlib.import_module("keystore_sdk")
    assert module.__file__.startswith(str(package.site))
    return module


@pytest.fixture
def agent(keystore):
    return keystore.agent("openai", "anthropic", "gemini", "stripe", "resend", "tavily")


@pytest.fixture
def ks(sdk, keystore, agent):
    """The agent's side."""
    return sdk.Keystore(agent_token=agent.token, proxy_url=keystore.proxy_url)


@pytest.fixture
def gemini():
    return f"gemini-2.5-flash-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def served(world, keystore, agent):
    """One call arrived at the vendor with the real key and nothing of ours, and is on the agent's record."""

    def served(provider, model=None, path=None):
        checks.only(world.fakes[provider], model, path)
        checks.recorded(keystore, agent)

    return served


def test_wrap_openai(ks, gpt, served):
    client = openai.OpenAI(api_key="sk-real", admin_api_key="sk-admin-real", organization="org-x", max_retries=0)
    chat = client.chat
    assert ks.wrap(client) is client and ks.wrap(client).api_key == ks.wrap(client).copy().api_key
    assert chat.completions.create(model=gpt, messages=HELLO).choices[0].message.content == WORDS
    served("openai", gpt)
    assert not [value for value in vars(client).values() if "real" in str(value)]


def test_wrap_openai_for_tasks_and_streams(ks, gpt, served):
    async def key():
        return "sk-real"

    async def call():
        async with ks.wrap(openai.AsyncOpenAI(api_key=key, max_retries=0)) as client:
            chunks = await client.chat.completions.create(model=gpt, messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    assert asyncio.run(call()) == WORDS
    served("openai", gpt)


def test_wrap_anthropic(ks, claude, served):
    client = ks.wrap(anthropic.Anthropic(auth_token="real", max_retries=0))
    assert client.messages.create(model=claude, max_tokens=50, messages=HELLO).content[0].text == WORDS
    served("anthropic", claude)


def test_wrap_anthropic_for_tasks(ks, claude, served):
    async def call():
        async with ks.wrap(anthropic.AsyncAnthropic(api_key="sk-ant-real", max_retries=0)) as client:
            async with client.messages.stream(model=claude, max_tokens=50, messages=HELLO) as stream:
                return await stream.get_final_text()

    assert asyncio.run(call()) == WORDS
    served("anthropic", claude)


def test_wrap_gemini(ks, gemini, served):
    client = ks.wrap(genai.Client(api_key="AIza-real"))
    assert client.models.generate_content(model=gemini, contents="Hello").text == WORDS
    served("gemini", gemini)


def test_wrap_gemini_after_parts_of_it_were_used(ks, world):
    client = genai.Client(api_key="AIza-real")
    client.interactions, client.aio.interactions
    with pytest.raises(Exception):
        ks.wrap(client).interactions.create(model="gemini-2.5-flash", input="Hello")
    arrived = world.fakes["gemini"].received()[-1]
    assert "interactions" in arrived.path and arrived.credentials == [(world.fakes["gemini"].slot, world.fakes["gemini"].key)]


def test_wrap_gemini_for_tasks(ks, gemini, served):
    async def call():
        async with ks.wrap(genai.Client(api_key="AIza-real")).aio as client:
            return (await client.models.generate_content(model=gemini, contents="Hello")).text

    assert asyncio.run(call()) == WORDS
    served("gemini", gemini)


def test_wrap_stripe(ks, served):
    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0))
    assert client.v1.customers.list(params={"limit": 3}).data
    served("stripe", path="/v1/customers")


def test_wrap_stripe_sends_the_token_to_the_proxy_alone(ks, keystore):
    asked = []

    class Network(stripe.HTTPClient):
        name = "a list"

        def request(self, method, url, headers, post_data=None, **_):
            asked.append((url, headers["Authorization"]))
            return "{}", 200, {}

        def close(self):
            pass

    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0, http_client=Network()))
    client.v1.customers.list()
    client.oauth.deauthorize({"client_id": "ca_1", "stripe_user_id": "acct_1"})
    client.v2.billing.meter_event_stream.create({"events": []})
    client.v1.files.retrieve("file_1")
    assert len(asked) == 4 and len({url.partition("?")[0] for url, _ in asked}) == 4
    assert all(url.startswith(f"{keystore.proxy_url}/v1/stripe") for url, _ in asked)
    assert {authorization for _, authorization in asked} == {f"Bearer {agent_token(ks)}"}


def test_wrap_stripe_for_tasks(ks, served):
    client = ks.wrap(stripe.StripeClient("sk_live_real", max_network_retries=0, http_client=stripe.HTTPXClient()))
    assert asyncio.run(client.v1.customers.list_async()).data
    served("stripe", path="/v1/customers")


def test_wrap_the_module_stripe(ks, served, monkeypatch):
    for name in ("api_key", "api_base", "upload_api_base", "connect_api_base", "meter_events_api_base"):
        monkeypatch.setattr(stripe, name, getattr(stripe, name))
    stripe.api_key = "sk_live_real"
    assert ks.wrap(stripe).Customer.list(limit=3).data
    served("stripe", path="/v1/customers")


def test_wrap_resend(ks, served, monkeypatch):
    monkeypatch.setattr(resend, "api_key", "re_real")
    monkeypatch.setattr(resend, "api_url", resend.api_url)
    mail = {"from": "a@example.com", "to": "b@example.com", "subject": "Otters", "html": "<p>hold hands</p>"}
    assert ks.wrap(resend).Emails.send(mail)["id"]
    served("resend", path="/emails")
    assert asyncio.run(resend.Emails.send_async(mail))["id"]


def test_wrap_goes_where_the_client_goes(ks, keystore, sdk):
    client = ks.wrap(openai.OpenAI(api_key="real", base_url="https://api.groq.com/openai/v1"))
    assert str(client.base_url) == f"{keystore.proxy_url}/v1/groq/openai/v1/"
    for other in (
        openai.OpenAI(api_key="real", base_url="https://llm.example/v1"),
        openai.OpenAI(api_key="real", base_url="http://api.openai.com/v1"),
        openai.AzureOpenAI(api_key="real", azure_endpoint="https://mine.openai.azure.com", api_version="2026-01-01"),
        genai.Client(vertexai=True, api_key="real"),
    ):
        with pytest.raises(sdk.UnsupportedClientError):
            ks.wrap(other)
        assert agent_token(ks) not in str(vars(other))


def agent_token(ks):
    return ks._settings.agent_token


def test_the_transport_serves_programs_and_clients(ks, gpt, served, keystore, agent):
    with httpx.Client(transport=ks.transport()) as http:
        client = openai.OpenAI(api_key="sk-real", http_client=http, max_retries=0)
        assert client.chat.completions.create(model=gpt, messages=HELLO).choices[0].message.content == WORDS
    served("openai", gpt)

    async def call():
        async with httpx.AsyncClient(transport=ks.async_transport()) as http:
            headers = {"authorization": "Bearer re_real"}
            return await http.post("https://api.resend.com/emails", headers=headers, json={"to": ["b@example.com"], "from": "a@example.com"})

    assert asyncio.run(call()).status_code == 200
    assert len(keystore.requests(agent, count=2)) == 2


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


def test_a_deletion_is_repeated(sdk, keystore):
    network = Flaky()
    with sdk.Keystore(keystore.dev["apiKey"], api_url=keystore.api_url, http_client=httpx.Client(transport=network)) as ks:
        network.lost = 1
        made = ks.agents.create(name=f"gone-{uuid.uuid4().hex[:12]}")
        network.lost = 0
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


def test_a_refusal_of_the_proxy_reaches_the_client(ks, keystore, agent):
    keystore.run("agent", "pause", agent.name)
    with pytest.raises(openai.PermissionDeniedError, match="ks agent resume"):
        ks.wrap(openai.OpenAI(api_key="none")).models.list()


@pytest.mark.parametrize("providers", [None, ["openai", "stripe"], ["sandbox"], ["sandbox", "openai", "groq"]])
def test_the_variables_are_those_of_ks_run(ks, keystore, agent, monkeypatch, providers):
    """With the same keys in the environment, of which the catalog knows most."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    parent = {"OPENAI_API_KEY": "sk-x", "STRIPE_API_KEY": "sk_x", "GROQ_BASE_URL": "x", "KS_API_KEY": "ksm_x", "MY_OWN": "stays"}
    for name, value in parent.items():
        monkeypatch.setenv(name, value)
    words = [word for one in providers or () for word in ("--provider", one)]
    env = {**parent, "KS_PROXY_URL": keystore.proxy_url, "KS_API_KEY": keystore.dev["apiKey"]}
    shown = keystore.run("run", "--token", agent.token, *words, "--print-env", "--output", "json", env=env)
    told = json.loads(shown)
    with ks.setup_env(providers):
        names = {name for name, value in os.environ.items() if parent.get(name) != value}
        assert names == set(told["set"])
        assert {name: os.environ[name] for name in names if os.environ[name] != agent.token} == {
            name: value for name, value in told["set"].items() if "…" not in value
        }
        assert set(parent) - set(os.environ) == set(told["remove"]) & set(parent)
    assert {name: os.environ[name] for name in parent} == parent and len(os.environ) == len(parent)


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
    return agent, {"KS_API_URL": keystore.api_url, "KS_API_KEY": keystore.dev["apiKey"], "KS_TOKEN": agent.token, "KS_PROXY_URL": keystore.proxy_url}


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

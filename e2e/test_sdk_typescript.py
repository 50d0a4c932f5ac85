"""The TypeScript SDK as its users have it: built, packed, installed into a clean project, and used from there."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from types import SimpleNamespace

import pytest

from conftest import KEYS, SLOTS
from harness.fake import Fake
from harness.keystore import Keystore
from harness.process import ROOT

SDK = ROOT / "sdk" / "typescript"
FILES = ROOT / "e2e" / "sdk-typescript"
# The vendors' official clients, as the Node tests have them.
CLIENTS = ROOT / "e2e" / "node" / "node_modules"
ENV = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def run(*words, cwd, env=None):
    done = subprocess.run(words, cwd=cwd, env={**ENV, **(env or {})}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    name = run("npm", "pack", "--silent", "--pack-destination", folder, cwd=SDK).split()[-1]
    return folder / name


@pytest.fixture(scope="module")
def project(tarball, tmp_path_factory):
    """A project that has the package, and the vendors' clients beside it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{ "private": true, "type": "module" }')
    run("npm", "install", "--offline", "--silent", "--no-audit", "--no-fund", tarball, cwd=folder)
    installed = folder / "node_modules"
    assert [path.name for path in installed.iterdir() if not path.name.startswith(".")] == ["@keystore"]
    for client in CLIENTS.iterdir():
        if not client.name.startswith("."):
            (installed / client.name).symlink_to(client)
    shutil.copytree(SDK / "test", folder / "unit")
    shutil.copytree(FILES, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own, because these tests change what belongs to all. It sells Tavily, and has keys for the others."""
    folder = tmp_path_factory.mktemp("server")
    fakes = {name: Fake(folder, name, SLOTS.get(name, "bearer"), KEYS[name]) for name in ("openai", "anthropic", "tavily")}
    keystore = Keystore(folder / "keystore", fakes.values(), tapped=False)
    try:
        for name, fake in fakes.items():
            words = [*(("pool", "add") if name == "tavily" else ("provider", "add")), name, "--base-url", fake.url]
            key = "operatorKey" if name == "tavily" else "apiKey"
            keystore.run(*words, "--key-stdin", "--no-verify", stdin=fake.key, env={"KS_API_KEY": keystore.dev[key]})
        keystore.run("marketplace", "enable", "tavily")
        token = keystore.agent("openai", "anthropic").token
        yield SimpleNamespace(keystore=keystore, fakes=fakes, token=token)
    finally:
        keystore.stop()
        for fake in fakes.values():
            fake.stop()


def given(keystore, fakes, **more):
    vendors = {name: {"log": str(fake.log), "key": fake.key, "slot": fake.slot, "url": fake.url} for name, fake in fakes.items()}
    dev = {name: keystore.dev[name] for name in ("apiKey", "operatorKey")}
    return json.dumps({"apiUrl": keystore.api_url, "proxyUrl": keystore.proxy_url, "vendors": vendors, **dev, **more})


def node_test(project, *files, env):
    """Runs files of tests; each test in them must have run and passed."""
    command = ["node", "--test", "--test-reporter=tap", "--test-timeout=60000", *files]
    said = run(*command, cwd=project, env=env)
    written = sum(len(re.findall(r"^test\(", (project / file).read_text(), re.M)) for file in files)
    assert int(re.search(r"^# pass (\d+)$", said, re.M)[1]) == written > 0


def test_what_is_generated_is_up_to_date():
    run("npm", "run", "--silent", "generate", "--", "--check", cwd=SDK)


def test_the_package_is_lean(tarball):
    with tarfile.open(tarball) as packed:
        names = [member.name.removeprefix("package/") for member in packed]
        description = json.load(packed.extractfile("package/package.json"))
    assert {name.split("/")[0] for name in names} == {"dist", "package.json", "README.md", "LICENSE"}
    assert description["version"] == json.loads((ROOT / "openapi.json").read_text())["info"]["version"]
    assert not {"dependencies", "peerDependencies", "optionalDependencies"} & set(description)
    assert tarball.stat().st_size < 150_000


def test_its_own_tests(project):
    files = sorted(f"unit/{path.name}" for path in (project / "unit").glob("*.test.mjs"))
    node_test(project, *files, env={"KS_ROOT": str(ROOT)})


@pytest.mark.parametrize("kind", ["module", "commonjs"])
def test_its_types_hold_under_strict(project, kind):
    folder = project / kind
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"type": kind}))
    shutil.copy(FILES / "consumer.ts", folder)
    strict = "--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --noPropertyAccessFromIndexSignature --skipLibCheck false"
    # Without `dom`: the types of Node must be enough.
    options = f"{strict} --noEmit --target es2022 --lib es2023 --module nodenext --types node --typeRoots {SDK}/node_modules/@types"
    run(SDK / "node_modules" / ".bin" / "tsc", *options.split(), "consumer.ts", cwd=folder)


def test_the_control_api(project, server):
    node_test(project, "live.test.mjs", "required.test.cjs", env={"KS_E2E": given(server.keystore, server.fakes)})


def test_agents(project, world):
    keystore = world.keystore
    paused = keystore.agent("openai")
    keystore.run("agent", "pause", paused.name)
    good = keystore.agent("openai", "anthropic", "gemini", "stripe", "resend")
    agents = {"good": {"token": good.token}, "paused": {"token": paused.token}}
    node_test(project, "agent.test.mjs", env={"KS_E2E": given(keystore, world.fakes, agents=agents)})
    calls = [row for row in keystore.requests(good) if row["ending"] == "complete"]
    assert {row["provider"] for row in calls} == {"openai", "anthropic", "gemini", "stripe", "resend"}


PAGES = (ROOT / "docs" / "sdk-typescript.md", SDK / "README.md")
EXAMPLES = [code for page in PAGES for code in re.findall(r"^```ts\n([\s\S]*?)^```$", page.read_text(), re.M)]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(project, server, number):
    """As it is printed, on a server that has what it speaks of, and some traffic."""
    keystore = server.keystore
    code = EXAMPLES[number]
    made = re.search(r'create\(\{\s+name: "([^"]+)"', code)
    if made and made[1] in {agent["name"] for agent in keystore.ks("agent", "list")}:
        keystore.run("agent", "delete", made[1], "--yes")
    (project / "example.mjs").write_text(code)
    variables = {name: keystore.env[name] for name in ("KS_API_URL", "KS_API_KEY", "KS_PROXY_URL")}
    with traffic(keystore, server.token):
        said = run("node", "example.mjs", cwd=project, env={**variables, "KS_TOKEN": server.token})
    assert said.strip()


@contextlib.contextmanager
def traffic(keystore, token):
    """A call now and then, for what shows calls as they happen."""
    ended = threading.Event()
    request = urllib.request.Request(f"{keystore.proxy_url}/v1/openai/v1/models", headers={"authorization": f"Bearer {token}"})

    def call():
        while not ended.wait(0.1):
            urllib.request.urlopen(request, timeout=10).read()

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_the_examples_hold_under_strict(project):
    folder = project / "examples"
    folder.mkdir()
    for number, code in enumerate(EXAMPLES):
        (folder / f"example{number}.ts").write_text(code)
    options = f"--strict --skipLibCheck --noEmit --target es2022 --lib es2023,dom --module nodenext --types node --typeRoots {SDK}/node_modules/@types"
    run(SDK / "node_modules" / ".bin" / "tsc", *options.split(), *(path.name for path in folder.iterdir()), cwd=folder)


@pytest.mark.parametrize("providers", [[], ["openai", "anthropic", "stripe", "gemini"], ["sandbox"], ["sandbox", "openai"]])
def test_setup_env_does_what_ks_run_does(project, keystore, providers):
    real = {"OPENAI_API_KEY": "sk-real", "STRIPE_SECRET_KEY": "sk_live_real", "KS_API_KEY": "ksm_real", "MY_OWN": "stays"}
    token = f"ks_{'0' * 64}"
    words = [word for slug in providers for word in ("--provider", slug)]
    shown = json.loads(keystore.run("run", "--token", token, *words, "--print-env", "--output", "json", env=real))
    code = """
        import { Keystore } from "@keystore/sdk";
        const [token, proxyUrl, real, providers] = JSON.parse(process.argv[1]);
        const env = { ...real };
        new Keystore({ agentToken: token, proxyUrl }).setupEnv({ env, ...(providers.length > 0 && { providers }) });
        console.log(JSON.stringify(env));
    """
    given = json.dumps([token, keystore.proxy_url, real, providers])
    env = json.loads(run("node", "--input-type=module", "--eval", code, given, cwd=project))
    kept = {name: value for name, value in real.items() if name not in shown["remove"]}
    masked = {name: value if value != token else shown["set"]["KS_TOKEN"] for name, value in env.items()}
    assert masked == {**kept, **shown["set"]}

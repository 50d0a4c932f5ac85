"""`ks import`: keys in files of others go to Keystore, and programs go on with a token."""

import json
import stat
import uuid

import openai
import pytest
import yaml
from dotenv import dotenv_values

from conftest import KEYS
from harness import checks
from harness.clients import HELLO
from harness.keystore import Failed

NEXT = KEYS["openai"][:-4] + "Next"


def text_for(world):
    """A file as people have them; its key of OpenAI is for the fake vendor's address."""
    return (
        "# What the app needs\n"
        f"export OPENAI_API_KEY='{KEYS['openai']}' # the team's\r\n"
        f"LLM_KEY = {KEYS['anthropic']}\n"
        f'RESEND_API_KEY="{KEYS["resend"]}"\n'
        f"OPENAI_BASE_URL={world.fakes['openai'].url}/v1\n"
        'GREETING="two\nlines"\n'
        "DEBUG=1"
    )


@pytest.fixture
def file(world, tmp_path):
    path = tmp_path / ".env"
    path.write_bytes(text_for(world).encode())
    path.chmod(0o640)
    return path


def fails(keystore, *words):
    with pytest.raises(Failed) as failed:
        keystore.run(*words)
    assert not any(key in failed.value.words for key in KEYS.values())
    return failed.value


def test_a_dry_run_says_what_it_would_do_and_does_nothing(keystore, world, file):
    before = keystore.ks("provider", "list")
    shown = keystore.run("import", "env", file, "--dry-run", "--agent", "never")
    for words in ("OPENAI_API_KEY", "LLM_KEY", "anthropic", "RESEND_API_KEY", world.fakes["openai"].url):
        assert words in shown
    assert not any(key in shown for key in KEYS.values())
    assert file.read_bytes() == text_for(world).encode() and list(file.parent.iterdir()) == [file]
    assert keystore.ks("provider", "list") == before


def test_a_program_goes_on_with_what_the_file_says_now(keystore, world, file, gpt):
    name = f"imported-{uuid.uuid4().hex[:8]}"
    # The vendors of the other two cannot be reached from here.
    made = keystore.ks("import", "env", file, "--agent", name, "--no-verify", "--yes")
    assert made["left"] == [] and {one["provider"] for one in made["credentials"]} == {"openai", "anthropic", "resend"}
    assert {grant["name"] for grant in keystore.ks("agent", "show", name)["providers"]} == {"openai", "anthropic", "resend"}

    # The official reader, and the official client, with nothing but the file.
    values = dotenv_values(file)
    token = values["KS_TOKEN"]
    keystore.tokens.append(token)
    fake = world.fakes["openai"]
    client = openai.OpenAI(api_key=values["OPENAI_API_KEY"], base_url=values["OPENAI_BASE_URL"])
    assert client.chat.completions.create(model=gpt, messages=HELLO).choices[0].message.content
    (received,) = fake.received(gpt)
    assert received.credentials == [(fake.slot, KEYS["openai"])]

    # Only values changed.
    after = file.read_bytes().decode()
    base = f"{keystore.proxy_url}/v1/openai/v1"
    assert f"export OPENAI_API_KEY='{token}' # the team's\r\nLLM_KEY = {token}\n" in after
    assert f'OPENAI_BASE_URL={base}\nGREETING="two\nlines"\nDEBUG=1' in after
    assert "RESEND_API_KEY" not in values or values["RESEND_API_KEY"] == token
    assert not any(key in after for key in KEYS.values())
    backup = file.with_name(".env.before-keystore")
    assert backup.read_bytes() == text_for(world).encode()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (backup, file)] == [0o600, 0o640]
    assert "holds no key" in fails(keystore, "import", "env", file, "--agent", "again", "--yes").words
    backup.unlink()


def test_without_an_agent_the_keys_are_taken_out(keystore, tmp_path):
    path = tmp_path / "app.env"
    path.write_text(f"MISTRAL_API_KEY={KEYS['mistral']}\nA=1\n")
    keystore.run("import", "env", path, "--no-verify", "--yes")
    assert dotenv_values(path) == {"A": "1"}
    path.with_name("app.env.before-keystore").unlink()


def test_what_else_looks_like_a_secret_is_named_and_told_by_the_exit_code(keystore, file):
    file.write_text(file.read_text() + "\nINTERNAL_TOKEN=Zx81Zx81Zx81\nDB=postgres://app:pa55word@db/app\n# AWS: AKIAIOSFODNN7EXAMPLE\n")
    name = f"imported-{uuid.uuid4().hex[:8]}"
    failed = fails(keystore, "import", "env", file, "--agent", name, "--no-verify", "--yes")
    assert failed.code == 3
    assert "INTERNAL_TOKEN" in failed.words and "DB is an address with a password" in failed.words
    assert "Zx81Zx81" not in failed.words and "pa55word" not in failed.words
    keystore.tokens.append(dotenv_values(file)["KS_TOKEN"])
    file.with_name(".env.before-keystore").unlink()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (f"\n# OPENAI_API_KEY={KEYS['openai']}\n", "would stay"),
        (f"\nOTHER={NEXT}\n", "different keys of OpenAI"),
        ("\nKEY='begun\nended\n", "line 9"),
    ],
)
def test_a_key_that_would_be_left_behind_keeps_everything_as_it_is(keystore, world, file, more, words):
    file.write_bytes(text_for(world).encode() + more.encode())
    before = keystore.ks("provider", "list")
    failed = fails(keystore, "import", "env", file, "--agent", "never", "--no-verify", "--yes")
    assert words in failed.words
    assert file.read_bytes() == text_for(world).encode() + more.encode() and list(file.parent.iterdir()) == [file]
    assert keystore.ks("provider", "list") == before


def test_a_key_that_its_vendor_refuses_leaves_nothing_behind(keystore, world, file):
    """The vendor says no to one of them: what was stored before it is deleted again."""
    text = f"RESEND_API_KEY={KEYS['resend']}\nOPENAI_API_KEY={NEXT}\nOPENAI_BASE_URL={world.fakes['openai'].url}/v1\n"
    file.write_text(text.replace("RESEND_API_KEY", "TAVILY_API_KEY").replace(KEYS["resend"], KEYS["tavily"]))
    before, bytes_before = keystore.ks("provider", "list"), file.read_bytes()
    failed = fails(keystore, "import", "env", file, "--agent", "never", "--yes")
    assert "OPENAI_API_KEY" in failed.words
    assert file.read_bytes() == bytes_before and list(file.parent.iterdir()) == [file]
    assert keystore.ks("provider", "list") == before


def test_a_litellm_configuration_becomes_keys_and_agents(keystore, tmp_path):
    config = {
        "model_list": [
            {"model_name": "large", "litellm_params": {"model": "mistral/mistral-large-latest", "api_key": "os.environ/THEIR_MISTRAL", "rpm": 60}},
            {"model_name": "cohere", "litellm_params": {"model": "cohere/command-a-03-2025", "api_key": KEYS["cohere"]}},
            {"model_name": "lost", "litellm_params": {"model": "openai/gpt-5", "api_key": "os.environ/NOT_SET_ANYWHERE"}},
        ],
        "general_settings": {"master_key": "sk-1234"},
    }
    alias = f"team-{uuid.uuid4().hex[:8]}"
    keys = {
        "keys": [
            {"token": "88dc28d0", "key_alias": alias, "models": ["large"], "max_budget": 12.5, "budget_duration": "7d", "rpm_limit": 7, "team_id": "t"},
            {"token": "99dc28d0", "key_alias": f"{alias}-old", "expires": "2020-01-01T00:00:00Z"},
        ],
        "total_count": 2,
    }
    files = {"config.yaml": yaml.safe_dump(config), "keys.json": json.dumps(keys), "their.env": f"THEIR_MISTRAL='{KEYS['mistral']}'\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    words = ["import", "litellm", tmp_path / "config.yaml", "--env-file", tmp_path / "their.env", "--keys", tmp_path / "keys.json"]
    before = keystore.ks("provider", "list")
    plan = keystore.ks(*words, "--dry-run")
    assert keystore.ks("provider", "list") == before and len(plan["credentials"]) == 2

    made = keystore.ks(*words, "--no-verify", "--yes")
    (agent,) = made["agents"]
    keystore.tokens.append(agent["token"])
    assert (agent["budget"]["limit"], agent["budget"]["window"]) == ("12.50", "week")
    shown = keystore.ks("agent", "show", alias)
    assert shown["rpmLimit"] == 7 and shown["allowedModels"] == ["mistral-large-latest"]
    assert [grant["name"] for grant in shown["providers"]] == ["mistral"]
    left = "\n".join(made["notCarriedOver"])
    for words in ("NOT_SET_ANYWHERE", "large: rpm", f"{alias}: team_id", f"{alias}-old: no agent", "general_settings.master_key"):
        assert words in left
    assert (tmp_path / "config.yaml").read_text() == files["config.yaml"]

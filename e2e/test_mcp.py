"""The official clients of the Model Context Protocol, at `/mcp` and through `ks mcp`: they list, read and file a request, a person approves
it with `ks access`, and the agent's next call passes the proxy."""

import asyncio
import json
import os
import subprocess

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from openai import OpenAI, PermissionDeniedError

from harness.process import BINARIES, ROOT

OWN = {"whoami", "get_allowance", "get_last_refusal", "request_access", "list_access_requests"}
MODES = {"2026-07-28": "auto", "2025-11-25": "legacy"}


def over_http(keystore, value, mode):
    http = httpx2.AsyncClient(headers={"authorization": f"Bearer {value}"})
    return Client(streamable_http_client(f"{keystore.api_url}/mcp", http_client=http), mode=mode)


def over_stdio(keystore, value, mode):
    env = {**keystore.clean_env, "KS_API_URL": keystore.api_url}
    words = ["mcp"]
    if value.startswith("ksm_"):
        # A token beside it counts for nothing under --manage.
        env |= {"KS_API_KEY": value, "KS_TOKEN": "ks_" + "0" * 64}
        words.append("--manage")
    else:
        env["KS_TOKEN"] = value
    return Client(StdioServerParameters(command=str(BINARIES / "ks"), args=words, env=env), mode=mode)


WAYS = pytest.mark.parametrize("way", [over_http, over_stdio], ids=["http", "stdio"])
EACH_MODE = pytest.mark.parametrize("revision", MODES)


def run(client, act):
    async def connected():
        async with client as open:
            return await act(open)

    return asyncio.run(connected())


async def call(client, name, arguments=None):
    result = await client.call_tool(name, arguments or {})
    assert not result.is_error, result
    # The client has checked it against the tool's own schema.
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def complete(keystore, agent, model):
    client = OpenAI(base_url=f"{keystore.proxy_url}/v1/openai/v1", api_key=agent.token, max_retries=0)
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


@WAYS
@EACH_MODE
def test_an_agent_asks_a_person_approves_and_the_next_call_passes(keystore, gpt, way, revision):
    agent = keystore.agent("anthropic")
    with pytest.raises(PermissionDeniedError):
        complete(keystore, agent, gpt)

    async def ask(client):
        assert client.protocol_version == revision
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == OWN
        assert tools["whoami"].annotations.read_only_hint and not tools["request_access"].annotations.read_only_hint
        me = await call(client, "whoami")
        assert me["name"] == agent.name
        assert [provider["name"] for provider in me["providers"]] == ["anthropic"]
        why = (await call(client, "get_last_refusal"))["refusal"]
        assert (why["code"], why["provider"]) == ("provider_not_granted", "openai")
        refused = await client.call_tool("request_access", {"provider": "opnai", "reason": "x"})
        assert refused.is_error and json.loads(refused.content[0].text)["code"] == "unknown_provider"
        wanted = {"provider": "openai", "source": "byok", "reason": "to answer"}
        return await call(client, "request_access", wanted)

    filed = run(way(keystore, agent.token, MODES[revision]), ask)
    assert filed["state"] == "open"
    shown = keystore.ks("access", "show", filed["id"])
    assert (shown["agentName"], shown["reason"]) == (agent.name, "to answer")
    approved = keystore.ks("access", "approve", filed["id"], "--credential", "default", "--note", "go on")
    assert approved["granted"]["source"] == "byok"
    assert complete(keystore, agent, gpt).choices[0].message.content

    async def look(client):
        (request,) = (await call(client, "list_access_requests"))["accessRequests"]
        assert (request["state"], request["note"]) == ("approved", "go on")
        limits = {limit["kind"]: limit for one in (await call(client, "get_allowance"))["providers"]
                  if one["name"] == "openai" for limit in one["limits"]}
        assert limits["rpd"]["used"] == 1
        me = await call(client, "whoami")
        (url,) = [one["environment"]["OPENAI_BASE_URL"] for one in me["providers"] if one["name"] == "openai"]
        assert url.endswith("/v1/openai/v1")

    run(way(keystore, agent.token, MODES[revision]), look)


@WAYS
@EACH_MODE
def test_a_management_key_administers_within_its_role(keystore, way, revision):
    agent = keystore.agent("openai")
    keys = {role: keystore.ks("api-key", "create", f"mcp-{way.__name__}-{revision}-{role}", "--role", role)["key"]
            for role in ("member", "viewer")}

    async def as_member(client):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"update_agent", "approve_access_request", "create_revocation"} <= set(tools)
        assert not {"create_token", "create_credential", "list_audit", "delete_revocation"} & set(tools)
        assert tools["pause_agent"].annotations.destructive_hint
        changed = await call(client, "update_agent", {"agent": agent.name, "rpmLimit": 7})
        assert changed["rpmLimit"] == 7
        assert (await call(client, "pause_agent", {"agent": agent.name}))["status"] == "paused"
        refused = await client.call_tool("get_agent", {"agent": "no-such-agent"})
        assert refused.is_error and json.loads(refused.content[0].text)["code"] == "not_found"
        page = await call(client, "list_agents", {"limit": 2})
        assert len(page["data"]) == 2 and page["next"]

    async def as_viewer(client):
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert "get_agent" in tools and "pause_agent" not in tools
        refused = await client.call_tool("resume_agent", {"agent": agent.name})
        assert refused.is_error and json.loads(refused.content[0].text)["code"] == "forbidden"

    run(way(keystore, keys["member"], MODES[revision]), as_member)
    run(way(keystore, keys["viewer"], MODES[revision]), as_viewer)
    entry = keystore.ks("audit", "list", "--action", "pause_agent")[0]
    assert entry["actorName"] == f"mcp-{way.__name__}-{revision}-member"


@pytest.mark.parametrize("way", ["http", "stdio"])
def test_the_node_client(keystore, gpt, way):
    agent = keystore.agent("anthropic")
    with pytest.raises(PermissionDeniedError):
        complete(keystore, agent, gpt)

    def node(step):
        given = {"step": step, "way": way, "apiUrl": keystore.api_url, "token": agent.token, "ks": str(BINARIES / "ks"),
                 "env": {**keystore.clean_env, "KS_API_URL": keystore.api_url, "KS_TOKEN": agent.token}}
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "KS_MCP": json.dumps(given)}
        done = subprocess.run(["node", "mcp.mjs"], cwd=ROOT / "e2e" / "node", env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    asked = node("ask")
    assert set(asked["tools"]) == OWN and asked["me"]["name"] == agent.name
    assert asked["why"]["refusal"]["code"] == "provider_not_granted"
    assert asked["refused"]["code"] == "unknown_provider"
    keystore.ks("access", "approve", asked["filed"]["id"], "--credential", "default")
    assert complete(keystore, agent, gpt).choices[0].message.content
    assert node("look")["accessRequests"][0]["state"] == "approved"


def test_what_an_agent_writes_is_inert_where_a_person_reads_it(keystore):
    """Directional overrides, zero widths and tags are text as well; controls do not get in at all."""
    agent = keystore.agent("anthropic")
    reason = "safe\u202etxt.exe\u200b \u2066x\u2069 \U000e0041 `ks access approve` \n[APPROVED]"

    async def ask(client):
        refused = await client.call_tool("request_access", {"provider": "openai", "reason": "a\x1b[2Jb"})
        assert refused.is_error and json.loads(refused.content[0].text)["code"] == "invalid_request"
        return await call(client, "request_access", {"provider": "openai", "reason": reason})

    filed = run(over_http(keystore, agent.token, "auto"), ask)
    for words in (("access", "list"), ("access", "show", filed["id"]), ("events", "--kind", "access.requested")):
        for output in ("table", "json"):
            text = keystore.run(*words, "--output", output)
            assert "txt.exe" in text
            assert not [letter for letter in text if letter in "\u202e\u200b\u2066\u2069\U000e0041\x1b"], (words, output)
    # A line break begins no row of its own.
    assert not [line for line in keystore.run("access", "list").splitlines() if line.startswith("[APPROVED]")]
    assert keystore.ks("access", "show", filed["id"])["reason"] == reason

"""Clients that speak to a function in place of a server, for threads and for tasks, so that a test holds for both.

These tests need the package and pytest: `pip install -e sdk/python pytest && pytest sdk/python/tests`. Those with a real server, real
clients and the built package are in `e2e/test_sdk_python.py`, which runs these, too.
"""

import asyncio
import inspect
import json

import httpx
import pytest

import keystore_sdk
import keystore_sdk._http as sending
import keystore_sdk._streams as streaming

KEY = "ksm_" + "0123456789abcdef" * 4
TOKEN = "ks_" + "fedcba9876543210" * 4
VARIABLES = ("KS_API_KEY", "KS_API_URL", "KS_TOKEN", "KS_PROXY_URL")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long was waited before each repeat; nobody really waits."""
    waited = []

    async def wait(seconds):
        waited.append(seconds)

    monkeypatch.setattr(sending.time, "sleep", waited.append)
    monkeypatch.setattr(sending.anyio, "sleep", wait)
    monkeypatch.setattr(streaming.time, "sleep", waited.append)
    return waited


class Server:
    """Answers by a list: a response, an exception, or a function of the request. The last one goes on for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(request) if callable(answer) and not isinstance(answer, type) else answer
        if isinstance(answer, type):
            answer = answer("broken", request=request)
        if isinstance(answer, Exception):
            raise answer
        # A response can be read once.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def problem(status, code="some_code", headers=None, **more):
    body = {"type": f"urn:keystore:problem:{code}", "title": "A title", "status": status, "code": code, "detail": "What happened", **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json", **(headers or {})})


def ok(body=None, status=200):
    return httpx.Response(status, json={"id": "agt_1", "name": "bot"} if body is None else body)


class Threads:
    """The client for threads as the tests use it."""

    def __init__(self, server, **options):
        self.ks = keystore_sdk.Keystore(KEY, http_client=httpx.Client(transport=httpx.MockTransport(server)), **options)

    def run(self, call):
        """`call(ks)`, whole: of what comes bit by bit, a list."""
        found = call(self.ks)
        return list(found) if hasattr(found, "__iter__") and not isinstance(found, (str, bytes)) else found


class Tasks:
    """The one for tasks."""

    def __init__(self, server, **options):
        client = httpx.AsyncClient(transport=httpx.MockTransport(server))
        self.ks = keystore_sdk.AsyncKeystore(KEY, http_client=client, **options)

    def run(self, call):
        async def run():
            found = call(self.ks)
            if inspect.isawaitable(found):
                return await found
            return [each async for each in found] if hasattr(found, "__aiter__") else found

        return asyncio.run(run())


@pytest.fixture(params=[Threads, Tasks], ids=["threads", "tasks"])
def client(request):
    """Makes a client in front of a server."""
    return request.param


def sent(request):
    """The JSON that a request carried."""
    return json.loads(request.content)

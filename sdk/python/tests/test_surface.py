"""The whole API is there: each operation of `openapi.json` has the method that `sdk/methods.json` says, for threads and for tasks, and
the method sends what the operation is. Needs the repository; where it is not there, these tests are left out."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from conftest import Server, ok

import keystore_sdk
from keystore_sdk._generated import operations as generated

ROOT = Path(__file__).resolve().parents[3]
if not (ROOT / "openapi.json").exists():
    pytest.skip("needs the repository", allow_module_level=True)

DESCRIPTION = json.loads((ROOT / "openapi.json").read_text())
METHODS = json.loads((ROOT / "sdk" / "methods.json").read_text())
# For Stripe alone, with its signature: nobody else can call it.
WITHOUT_A_METHOD = {"receive_stripe_event"}
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DESCRIPTION["paths"].items()
    for method, operation in item.items()
}


def test_every_operation_has_a_method_or_a_reason():
    assert set(OPERATIONS) - set(METHODS) == WITHOUT_A_METHOD
    assert set(METHODS) <= set(OPERATIONS)
    assert len(set(METHODS.values())) == len(METHODS)


def find(ks, name):
    """The method with this name."""
    for part in METHODS[name].split("."):
        ks = getattr(ks, part)
    return ks


def arguments(method):
    """Some value for each argument that must be there."""
    given = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is parameter.empty:
            kind = str(parameter.annotation)
            given[name] = {"int": 1, "bool": True}.get(kind, [] if kind.startswith("Sequence") else {} if kind.startswith("Mapping") else "x")
    return given


@pytest.mark.parametrize("name", METHODS)
def test_a_method_sends_its_operation(client, name):
    method, path, operation = OPERATIONS[name]
    server = Server(ok({"data": []}))
    made = client(server)
    bound = find(made.ks, name)
    found = bound(**arguments(bound))

    if hasattr(found, "first_page"):
        made.run(lambda _: found.first_page())
    elif hasattr(found, "last_event_id"):
        server.answers = [httpx.Response(401)]
        with pytest.raises(keystore_sdk.AuthenticationError):
            made.run(lambda _: found)
    elif hasattr(found, "read"):
        made.run(lambda _: found.read())
    elif inspect.isawaitable(found):
        made.run(lambda _: found)

    (request,) = server.requests
    assert request.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path)
    takes_key = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    assert ("idempotency-key" in request.headers) == takes_key
    assert ("authorization" in request.headers) == (operation.get("security") != [{}])
    assert bool(request.content) == ("requestBody" in operation)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_what_its_operation_takes(name):
    _, _, operation = OPERATIONS[name]
    expected = {one["name"] for one in operation.get("parameters", []) if one["in"] != "header"}
    if body := operation.get("requestBody"):
        reference = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        expected |= set(DESCRIPTION["components"]["schemas"][reference]["properties"])
    if getattr(generated, name).accept == "text/event-stream":
        expected -= {"limit", "after"}
    takes = {}
    for kind in (keystore_sdk.Keystore, keystore_sdk.AsyncKeystore):
        takes[kind] = set(inspect.signature(find(kind(), name)).parameters) - {"timeout", "idempotency_key", "last_event_id"}
    camel = {re.sub(r"_([a-z])", lambda found: found[1].upper(), one).rstrip("_") for one in takes[keystore_sdk.Keystore]}
    assert camel == expected
    assert takes[keystore_sdk.Keystore] == takes[keystore_sdk.AsyncKeystore]


def test_every_method_says_what_it_does():
    ks = keystore_sdk.Keystore()
    for name in METHODS:
        said = " ".join(inspect.getdoc(find(ks, name)).split())
        assert said.startswith(" ".join(OPERATIONS[name][2]["summary"].split())), name


def test_what_is_generated_is_up_to_date():
    if sys.version_info < (3, 11):
        pytest.skip("the generator needs Python 3.11")
    done = subprocess.run([sys.executable, ROOT / "sdk" / "python" / "generate", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: make gen"

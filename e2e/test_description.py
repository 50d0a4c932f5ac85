"""`openapi.json` by itself: every example fits its schema, and looks like what it stands for."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from harness.process import ROOT

DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
REGISTRY = Registry().with_resource("urn:openapi", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012))
IDS = re.compile(r'"([a-z]{3})"').findall(
    (ROOT / "crates" / "core" / "src" / "ids.rs").read_text().partition("typed_ids! {")[2].partition("\n}")[0]
)


def resolved(part):
    """A part of the document, or what it points at."""
    found = part
    if "$ref" in part:
        found = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    return found


def contents(operation):
    """Every body of an operation: where it is, and its media type object."""
    bodies = {"request": resolved(operation.get("requestBody", {}))}
    bodies |= {status: resolved(answer) for status, answer in operation["responses"].items()}
    for where, body in bodies.items():
        for kind, content in body.get("content", {}).items():
            yield f"{where} {kind}", content


def examples(content):
    if "example" in content:
        yield content["example"]
    yield from (one["value"] for one in content.get("examples", {}).values())


def faults(value, schema):
    # References in the document are relative to all of it.
    text = json.dumps(schema).replace('"#/', '"urn:openapi#/')
    validator = Draft202012Validator(json.loads(text), registry=REGISTRY, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


OPERATIONS = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]


def test_every_example_fits_its_schema():
    seen, wrong = 0, []
    for operation in OPERATIONS:
        for where, content in contents(operation):
            found = list(examples(content))
            assert found, f"{operation['operationId']} {where} has an example"
            for value in found:
                seen += 1
                wrong += [f"{operation['operationId']} {where} {fault}" for fault in faults(value, content["schema"])]
    assert not wrong, "\n".join(wrong)
    assert seen > 10 * len(OPERATIONS)


def test_examples_of_bodies_say_something():
    """No empty object and no empty text, and ids of kinds that there are."""
    for operation in OPERATIONS:
        for where, content in contents(operation):
            for value in examples(content):
                assert value not in ({}, "", None), f"{operation['operationId']} {where}"
                for prefix in re.findall(r'"([a-z]+)_[0-9a-hjkmnp-tv-z]{26}"', json.dumps(value)):
                    assert prefix in IDS, f"{operation['operationId']} {where}: {prefix}_"


def test_every_problem_names_the_codes_that_it_can_carry():
    for operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            if status < "400":
                continue
            content = resolved(answer)["content"]["application/problem+json"]
            codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
            assert sorted(content["examples"]) == sorted(codes)
            for code, example in content["examples"].items():
                assert (example["value"]["code"], str(example["value"]["status"])) == (code, status)


@pytest.mark.parametrize(("value", "ok"), [("agt", False), ({"name": 1}, False), ({"name": "bot"}, True)])
def test_the_check_can_fail(value, ok):
    assert (faults(value, {"$ref": "#/components/schemas/CreateAgent"}) == []) == ok

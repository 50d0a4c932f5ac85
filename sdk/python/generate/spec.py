"""`openapi.json` as the other files want it: operations with their parts, and which objects stand in requests and in answers."""

import re
import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# The package's own rule for names, without the package.
_found = spec_from_file_location("names", Path(__file__).resolve().parents[1] / "src" / "keystore_sdk" / "_names.py")
_names = module_from_spec(_found)
_found.loader.exec_module(_names)
camel_case, snake_case = _names.camel_case, _names.snake_case

REF = "#/components/schemas/"
# Of an operation's own mechanics, not of what it is asked for.
OWN_HEADERS = {"Idempotency-Key", "last-event-id"}


@dataclass
class Operation:
    """One operation that has a method."""

    name: str
    method: str  # of HTTP
    path: str
    resource: str  # with dots between its parts
    verb: str
    summary: str
    path_params: list
    query_params: list
    body: str | None  # the name of its schema
    answers: dict  # media type -> schema
    keyed: bool
    public: bool

    @property
    def json(self):
        return self.answers.get("application/json")

    @property
    def streams(self):
        return "text/event-stream" in self.answers

    @property
    def files(self):
        """Media types that are neither JSON nor a stream."""
        return [kind for kind in self.answers if kind not in ("application/json", "text/event-stream")]


class Spec:
    """The description."""

    def __init__(self, json, methods):
        self.schemas = json["components"]["schemas"]
        self.operations = sorted(self._operations(json, methods), key=lambda one: (one.resource, list(methods).index(one.name)))
        self.in_answers = self._reached(lambda one: list(one.answers.values()))
        self.in_requests = self._reached(lambda one: [{"$ref": REF + one.body}] if one.body else [])

    def _operations(self, json, methods):
        left = set(methods)
        for path, item in json["paths"].items():
            for http_method, operation in item.items():
                name = operation["operationId"]
                if name not in methods:
                    continue
                left.discard(name)
                yield self._operation(path, http_method.upper(), operation, methods[name])
        if left:
            sys.exit(f"sdk/methods.json has operations that openapi.json does not have: {sorted(left)}")

    def _operation(self, path, http_method, operation, method):
        resource, _, verb = method.rpartition(".")
        parameters = operation.get("parameters", [])
        headers = {one["name"] for one in parameters if one["in"] == "header"}
        if headers - OWN_HEADERS:
            sys.exit(f"{operation['operationId']}: no method can send {sorted(headers - OWN_HEADERS)}")
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        answers = {}
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                answers |= {kind: one["schema"] for kind, one in answer.get("content", {}).items()}
        streams = "text/event-stream" in answers
        query = [one for one in parameters if one["in"] == "query"]
        return Operation(
            name=operation["operationId"],
            method=http_method,
            path=path,
            resource=resource,
            verb=verb,
            summary=operation["summary"],
            path_params=[one for one in parameters if one["in"] == "path"],
            # A stream has no pages.
            query_params=[one for one in query if not (streams and one["name"] in ("limit", "after"))],
            body=body["$ref"].removeprefix(REF) if body else None,
            answers=answers,
            keyed="Idempotency-Key" in headers,
            public=operation.get("security") == [{}],
        )

    def _reached(self, schemas_of):
        found = set()

        def walk(part):
            if isinstance(part, dict):
                if (name := part.get("$ref", "").removeprefix(REF)) and name not in found:
                    found.add(name)
                    walk(self.page_item(name) or self.schemas[name])
                for each in part.values():
                    walk(each)
            elif isinstance(part, list):
                for each in part:
                    walk(each)

        for operation in self.operations:
            walk(schemas_of(operation))
        return {name for name in found if not self.page_item(name)}

    def page_item(self, name):
        """The schema of one entry, if this is a page of a list."""
        schema = self.schemas[name]
        if set(schema.get("properties", ())) != {"data", "next"}:
            return None
        if name.startswith("Page_"):
            return {"$ref": REF + name.removeprefix("Page_")}
        return schema["properties"]["data"]["items"]

    def is_open_ended(self, name):
        """Whether a list has always a `next`."""
        return "next" in self.schemas[name].get("required", ())

    def members(self, name):
        """Wire name -> (schema, whether it must be there), for an object."""
        schema = self.schemas[name]
        parts = schema.get("allOf", [schema])
        found = {}
        for part in parts:
            if "$ref" in part:
                found |= self.members(part["$ref"].removeprefix(REF))
                continue
            required = part.get("required", ())
            found |= {wire: (one, wire in required) for wire, one in part.get("properties", {}).items()}
        for wire in found:
            if camel_case(snake_case(wire)) != wire:
                sys.exit(f"{name}: `{wire}` is not found again from its name in snake_case")
        return found

    def is_object(self, name):
        schema = self.schemas[name]
        return "properties" in schema or "allOf" in schema

    def enum(self, name):
        return self.schemas[name].get("enum")


def doc(text, indent, width=118):
    """A doc string."""
    text = text.strip().replace("\\", "\\\\").replace('"""', "'''")
    lines = wrapped(text, width - indent - 6)
    pad = " " * indent
    body = f"\n{pad}".join(lines)
    if body.endswith('"'):
        body += " "
    return f'{pad}"""{body}"""' if len(lines) == 1 else f'{pad}"""{body}\n{pad}"""'


def wrapped(text, width):
    """Lines of at most so many characters, where there are blanks to break at."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def description(schema):
    """What is said of a member, wherever it stands."""
    if "description" in schema:
        return schema["description"]
    return next((one["description"] for one in schema.get("oneOf", ()) if "description" in one), "")


def with_imports(head, body):
    """A file whose head imports only what its body names."""

    def used(line):
        start, word, names = line.partition(" import ")
        if not line.startswith("from ") or not word or "__future__" in start:
            return line
        kept = [name for name in names.split(", ") if re.search(rf"\b{name}\b", body)]
        return f"{start} import {', '.join(kept)}" if kept else None

    return "\n".join(line for line in map(used, head.split("\n")) if line is not None) + body

"""The operations, and the resources with a method for each: once for threads, once for tasks."""

import sys

from kinds import Kinds
from spec import REF, description, snake_case, with_imports, wrapped

OPERATIONS = '''"""The operations of the API. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from .. import types
from .._models import nothing, one
from .._operations import Operation
from .._paging import page_of
from . import encoders

'''

HEAD = '''"""The API for {kind}, by resource. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from .. import params, types
from .._encode import OMIT, Omit
from .._http import {http}
from .._operations import Values
from .._paging import {imports[0]}
from .._streams import {imports[1]}
from . import operations

'''

# What every method takes beside what the API asks for.
OWN = {"idempotency_key", "timeout", "last_event_id"}


def operations(spec):
    lines = []
    for one in spec.operations:
        more = ""
        if one.body:
            more += f", encode=encoders.{one.body}"
        if one.keyed:
            more += ", keyed=True"
        if one.public:
            more += ", public=True"
        if one.streams:
            more += ', accept="text/event-stream"'
        elif one.files and not one.json:
            more += ', accept="*/*"'
        lines.append(f'{one.name} = Operation("{one.name}", "{one.method}", "{one.path}", {_decoder(spec, one)}{more})')
        if one.files and one.json:
            path, decoder = one.path + ".{format}", "nothing"
            lines.append(f'{one.name}_file = Operation("{one.name}", "{one.method}", "{path}", {decoder}, accept="*/*")')
    return OPERATIONS + "\n".join(lines) + "\n"


def _decoder(spec, one):
    if one.streams:
        return "one(types.Request)"
    if not one.json:
        return "nothing"
    name = one.json["$ref"].removeprefix(REF)
    if item := spec.page_item(name):
        return f"page_of(one(types.{item['$ref'].removeprefix(REF)}))"
    return f"one(types.{name})"


def text(spec, side):
    return Writer(spec, side).file()


class Writer:
    """One side of the resources."""

    def __init__(self, spec, side):
        self.spec = spec
        self.tasks = side == "async"
        self.prefix = "Async" if self.tasks else ""
        self.kinds = Kinds(spec, "request", types="types.", params="params.")

    def file(self):
        imports = [
            f"{self.prefix}Pager",
            ", ".join(sorted([f"{self.prefix}Download", f"{self.prefix}EventStream"])),
        ]
        head = HEAD.format(kind="tasks" if self.tasks else "threads", http=f"{self.prefix}Http", imports=imports)
        return with_imports(head, "".join(self._body()))

    def _body(self):
        resources = {}
        for one in self.spec.operations:
            resources.setdefault(one.resource, []).append(one)
        inner = {name: [other for other in resources if other.rpartition(".")[0] == name] for name in resources}
        # Inner ones first: the outer ones make them.
        for name in sorted(resources, key=lambda one: (-one.count("."), one)):
            yield from self._resource(name, resources[name], inner[name])
        yield from self._api([name for name in resources if "." not in name])

    def _class(self, resource):
        return self.prefix + "".join(word.capitalize() for word in resource.replace(".", "_").split("_"))

    def _resource(self, name, operations, inner):
        yield f"\nclass {self._class(name)}:\n"
        yield f'    """`ks.{name}`"""\n\n'
        yield f"    def __init__(self, http: {self.prefix}Http) -> None:\n        self._http = http\n"
        for one in inner:
            yield f"        self.{one.rpartition('.')[2]}: {self._class(one)} = {self._class(one)}(http)\n"
        for one in operations:
            yield from self._method(one)
            if one.files and one.json:
                yield from self._file_method(one)
        yield "\n"

    def _api(self, resources):
        yield f"\nclass {self.prefix}Api:\n"
        yield '    """Every resource of the API."""\n\n'
        yield f"    def __init__(self, http: {self.prefix}Http) -> None:\n"
        for name in resources:
            yield f"        self.{name}: {self._class(name)} = {self._class(name)}(http)\n"

    def _method(self, one):
        arguments, said = self.arguments(one)
        answer, call = self.answer(one)
        waits = self.tasks and call[0] == "send"
        # A list, a file or a stream is asked for later, one page or one attempt at a time.
        values = []
        if one.path_params:
            values.append(_dict("path", ((param["name"], snake_case(param["name"])) for param in one.path_params)))
        if one.query_params:
            values.append(_dict("query", ((param["name"], snake_case(param["name"])) for param in one.query_params)))
        if one.body:
            values.append(_dict("body", ((snake_case(wire), snake_case(wire)) for wire in self.spec.members(one.body))))
        if one.keyed:
            values.append("idempotency_key=idempotency_key")
        values.append("timeout=timeout")
        yield from self._signature(one.verb, arguments, answer, waits)
        yield from self._doc(one.summary, said)
        yield f"        return {'await ' if waits else ''}self._http.{call[0]}(\n"
        yield f"            operations.{one.name},\n"
        yield "            Values(\n"
        for value in values:
            yield f"                {value},\n"
        yield "            ),\n"
        for more in call[1]:
            yield f"            {more},\n"
        yield "        )\n"

    @staticmethod
    def file_verb(one):
        return f"download_{one.verb.removeprefix('get_')}"

    def _file_method(self, one):
        """Where an answer is an object or, with a suffix on its name, a file."""
        (param,) = one.path_params
        name = snake_case(param["name"])
        forms = sorted(kind.rpartition("/")[2] for kind in one.files)
        arguments = [f"{name}: str", "*", f"format: Literal[{', '.join(repr(form) for form in forms)}]".replace("'", '"')]
        arguments.append("timeout: float | None = None")
        said = {name: description(param), "format": "The form of the file."}
        yield from self._signature(self.file_verb(one), arguments, f"{self.prefix}Download", False)
        yield from self._doc(f"{one.summary.partition(':')[0]}, as a file.", said)
        yield "        return self._http.download(\n"
        yield f"            operations.{one.name}_file,\n"
        yield f'            Values(path={{"{param["name"]}": {name}, "format": format}}, timeout=timeout),\n'
        yield "        )\n"

    def answer(self, one):
        """The type, and the call of the client that gives it."""
        if one.streams:
            return f"{self.prefix}EventStream[types.Request]", ("events", ["last_event_id"])
        if one.files and not one.json:
            return f"{self.prefix}Download", ("download", [])
        if not one.json:
            return "None", ("send", [])
        name = one.json["$ref"].removeprefix(REF)
        if item := self.spec.page_item(name):
            more = ["open_ended=True"] if self.spec.is_open_ended(name) else []
            return f"{self.prefix}Pager[types.{item['$ref'].removeprefix(REF)}]", ("pages", more)
        return f"types.{name}", ("send", [])

    def arguments(self, one):
        """As they are written, and what is said of each."""
        positional, must, may, said = [], [], [], {}

        def note(wire, text):
            name = snake_case(wire)
            if name in said or name in OWN:
                sys.exit(f"{one.name}: two arguments would be called `{name}`")
            said[name] = text
            return name

        for param in one.path_params:
            positional.append(f"{note(param['name'], description(param))}: {self.kinds.of(param['schema'])}")
        for wire, (schema, required) in (self.spec.members(one.body) if one.body else {}).items():
            name, kind = note(wire, description(schema)), self.kinds.of(schema)
            if required:
                must.append(f"{name}: {kind}")
            else:
                may.append(f"{name}: {kind} | Omit = OMIT" if kind != "Any" else f"{name}: Any = OMIT")
        for param in one.query_params:
            name, kind = note(param["name"], description(param)), self.kinds.of(param["schema"])
            if param.get("required"):
                must.append(f"{name}: {kind}")
            else:
                may.append(f"{name}: {kind} | None = None")
        if one.streams:
            may.append("last_event_id: str | None = None")
        if one.keyed:
            may.append("idempotency_key: str | None = None")
        may.append("timeout: float | None = None")
        return [*positional, "*", *must, *may], said

    def _signature(self, verb, arguments, answer, waits):
        yield f"\n    {'async ' if waits else ''}def {verb}(\n        self,\n"
        for argument in arguments:
            yield f"        {argument},\n"
        yield f"    ) -> {answer}:\n"

    def _doc(self, summary, said):
        said = {name: text for name, text in said.items() if text}
        lines = wrapped(summary, 100)
        if said:
            lines += ["", "Args:"]
            for name, text in said.items():
                first, *rest = wrapped(f"{name}: {' '.join(text.split())}", 96)
                lines += ["    " + first, *("        " + line for line in rest)]
        pad = " " * 8
        body = "\n".join(f"{pad}{line}" if line else "" for line in lines).lstrip().replace("\\", "\\\\")
        yield f'{pad}"""{body}"""\n' if len(lines) == 1 else f'{pad}"""{body}\n{pad}"""\n'


def _dict(name, pairs):
    """An argument that is a dictionary, on one line where it fits."""
    items = [f'"{key}": {value}' for key, value in pairs]
    line = f"{name}={{{', '.join(items)}}}"
    if len(line) <= 90:
        return line
    pad = " " * 20
    return f"{name}={{\n" + "".join(f"{pad}{item},\n" for item in items) + " " * 16 + "}"

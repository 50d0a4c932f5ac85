"""`params.py`: the objects inside of requests; and what makes JSON of them and of whole requests."""

from kinds import Kinds, in_order
from spec import REF, description, doc, snake_case, with_imports

HEAD = '''"""What requests hold, as dictionaries. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from . import types

'''

ENCODERS = '''"""Makes the JSON of requests. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from .._encode import each, members, named

'''


def objects(spec):
    """Objects of requests, each behind those that it holds."""
    return in_order(spec, {name for name in spec.in_requests if spec.is_object(name)})


def text(spec):
    bodies = {one.body for one in spec.operations}
    held = {name for name in objects(spec) if name not in bodies or _is_held(spec, name)}
    kinds = Kinds(spec, "request", types="types.")
    return with_imports(HEAD, "".join(_dictionary(spec, kinds, name) for name in objects(spec) if name in held))


def _is_held(spec, name):
    """Whether another object of a request holds it."""
    needle = f"'{REF}{name}'"
    return any(needle in str(spec.schemas[other]) for other in objects(spec) if other != name)


def _dictionary(spec, kinds, name):
    members = spec.members(name)
    must = {wire: schema for wire, (schema, required) in members.items() if required}
    may = {wire: schema for wire, (schema, required) in members.items() if not required}
    said = doc(spec.schemas[name]["description"], 4)
    lines = [""]
    if must and may:
        lines += [f"class _{name}Required(TypedDict):", *_members(kinds, must), "", ""]
        lines += [f"class {name}(_{name}Required, total=False):", said, "", *_members(kinds, may)]
    elif may:
        lines += [f"class {name}(TypedDict, total=False):", said, "", *_members(kinds, may)]
    else:
        lines += [f"class {name}(TypedDict):", said, "", *_members(kinds, must)]
    return "\n".join([*lines, ""]) + "\n"


def _members(kinds, members):
    lines = []
    for wire, schema in members.items():
        lines.append(f"    {snake_case(wire)}: {kinds.of(schema)}")
        if said := description(schema):
            lines.append(doc(said, 4))
    return lines


def encoders(spec):
    kinds = Kinds(spec, "request")
    lines = []
    for name in objects(spec):
        inner = [
            f"{snake_case(wire)}={coder}"
            for wire, (schema, _) in spec.members(name).items()
            if (coder := kinds.coder(schema))
        ]
        lines.append(f"{name} = members({', '.join(inner)})")
    return ENCODERS + "\n".join(lines) + "\n"

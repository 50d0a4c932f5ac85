"""`types.py`: the objects of answers."""

from kinds import Kinds, in_order
from spec import description, doc, snake_case, with_imports

HEAD = '''"""What answers hold. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ._models import Model, many, named, one, time

'''


def text(spec):
    parts = []
    for name in sorted(spec.in_answers | spec.in_requests):
        if values := spec.enum(name):
            literal = ", ".join(f'"{value}"' for value in values)
            parts.append(f"{name} = Literal[{literal}]\n{doc(spec.schemas[name]['description'], 0)}\n\n")
    kinds = Kinds(spec, "answer")
    for name in in_order(spec, {name for name in spec.in_answers if spec.is_object(name)}):
        parts.append(_object(spec, kinds, name))
    return with_imports(HEAD, "".join(parts))


def _object(spec, kinds, name):
    members = spec.members(name)
    lines = ["", f"class {name}(Model):", doc(spec.schemas[name]["description"], 4), ""]
    coders = {wire: coder for wire, (schema, _) in members.items() if (coder := kinds.coder(schema))}
    if coders:
        lines.append("    _decode = {")
        lines += [f'        "{wire}": {coder},' for wire, coder in coders.items()]
        lines += ["    }", ""]
    # What must be there first, as people read it; the rest is `None` where it is absent.
    for wire, (schema, required) in sorted(members.items(), key=lambda item: not item[1][1]):
        kind = kinds.of(schema)
        if not required and kind != "Any" and not kind.endswith("None"):
            kind += " | None"
        lines.append(f"    {snake_case(wire)}: {kind}" + ("" if required else " = None"))
        if said := description(schema):
            lines.append(doc(said, 4))
    return "\n".join([*lines, ""]) + "\n"

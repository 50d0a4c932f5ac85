"""Which Python type a schema is, and what decodes or encodes it."""

import sys

from spec import REF

SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


class Kinds:
    """`side` is `answer` or `request`; `prefix` says where the types stand, such as `types.`."""

    def __init__(self, spec, side, types="", params=""):
        self.spec, self.answer, self.types, self.params = spec, side == "answer", types, params

    def of(self, schema):
        """The type as it is written in an annotation."""
        if not set(schema) - {"description", "example", "default"}:
            return "Any"
        if "$ref" in schema:
            return self._named(schema["$ref"].removeprefix(REF))
        if "oneOf" in schema:
            return _either(self.of(one) for one in schema["oneOf"])
        kind = schema["type"]
        if isinstance(kind, list):
            return _either(self.of({**schema, "type": one}) for one in kind)
        if "enum" in schema:
            return f"Literal[{', '.join(repr(one) for one in schema['enum'])}]".replace("'", '"')
        if kind == "array":
            return f"{'list' if self.answer else 'Sequence'}[{self.of(schema['items'])}]"
        if kind == "object":
            inner = schema.get("additionalProperties")
            return f"{'dict' if self.answer else 'Mapping'}[str, {self.of(inner) if inner else 'Any'}]"
        return "None" if kind == "null" else SIMPLE[kind]

    def _named(self, name):
        if name == "Time":
            return "datetime" if self.answer else "datetime | str"
        if self.spec.enum(name):
            return self.types + name
        if self.spec.is_object(name):
            return (self.types if self.answer else self.params) + name
        return self.of(self.spec.schemas[name])

    def coder(self, schema):
        """What decodes (or encodes) it, as an expression; `None` where it stays as it is."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(REF)
            if name == "Time":
                return "time" if self.answer else None
            if not self.spec.is_object(name):
                return None
            return f"one({name})" if self.answer else name
        if "oneOf" in schema:
            found = [coder for one in schema["oneOf"] if (coder := self.coder(one))]
            if len(found) > 1:
                sys.exit(f"nothing says which of these it is: {schema}")
            return found[0] if found else None
        kinds = schema.get("type", ())
        if "array" in kinds and (inner := self.coder(schema["items"])):
            return f"many({inner})" if self.answer else f"each({inner})"
        if "object" in kinds and schema.get("additionalProperties") and (inner := self.coder(schema["additionalProperties"])):
            return f"named({inner})"
        return None


def _either(kinds):
    """A union, each once, `None` last."""
    found = list(dict.fromkeys(part for kind in kinds for part in kind.split(" | ")))
    return " | ".join(sorted(found, key=lambda one: one == "None"))


def in_order(spec, names):
    """Objects, each behind those that it holds."""
    done, order = set(), []

    def visit(name, above):
        if name in above:
            sys.exit(f"objects hold each other: {[*above, name]}")
        if name in done:
            return
        done.add(name)
        for inner in sorted(_held(spec.schemas[name])):
            if inner in names:
                visit(inner, [*above, name])
        order.append(name)

    for name in sorted(names):
        visit(name, [])
    return order


def _held(part):
    if isinstance(part, dict):
        own = {part["$ref"].removeprefix(REF)} if "$ref" in part else set()
        return own.union(*(_held(each) for each in part.values()))
    if isinstance(part, list):
        return set().union(*(_held(each) for each in part))
    return set()

"""What requests are made of: JSON from Python values.

Names become camelCase where the API gives the names. Where they are the user's own (labels, units, a provider's definition) they
stay as they are. A name that this version does not know goes out all the same: whether it is right is for the server to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Final

from ._models import Model
from ._names import camel_case

Encoder = Callable[[Any], Any]


class Omit(Enum):
    """The type of `OMIT`."""

    OMIT = "OMIT"

    def __repr__(self) -> str:
        return "OMIT"


OMIT: Final = Omit.OMIT
"""Leaves a member out. `None` is something else: it says `null`, which in an update goes back to the default."""


def plain(value: Any) -> Any:
    """JSON of a value whose names stay: times in RFC 3339, answers as they came."""
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items() if each is not OMIT}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value


def when(value: datetime) -> str:
    """RFC 3339 in UTC. A time without a zone is refused, because nobody could say which time it is."""
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; for UTC: value.replace(tzinfo=timezone.utc)")
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def members(**inner: Encoder) -> Encoder:
    """An object with names of the API's. `inner`, by name in Python, are those members that hold further such objects."""
    by_wire = {camel_case(name): encode for name, encode in inner.items()}

    def encode(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return plain(value)
        pairs = ((camel_case(name), each) for name, each in value.items() if each is not OMIT)
        return {wire: None if each is None else by_wire.get(wire, plain)(each) for wire, each in pairs}

    return encode


def each(encode: Encoder) -> Encoder:
    """A list of what `encode` makes."""
    return lambda value: [encode(one) for one in value] if isinstance(value, (list, tuple)) else plain(value)


def named(encode: Encoder) -> Encoder:
    """An object whose names are the user's own."""
    return lambda value: (
        {name: encode(one) for name, one in value.items()} if isinstance(value, Mapping) else plain(value)
    )


def query(values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters behind `?`. What is `None` or left out is not there."""
    return {name: _text(value) for name, value in values.items() if value is not None and value is not OMIT}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(plain(value))

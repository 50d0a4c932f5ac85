"""What answers are made of: objects with attributes, made from JSON.

An answer is taken as it comes. A member that this version does not know is there under its name in snake_case, without a type;
a member that is missing is `None` where it may be. Nothing is checked: the server is the one that knows what it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar, TypeVar

from ._names import snake_case

Decoder = Callable[[Any], Any]
M = TypeVar("M", bound="Model")

# A token, a key, a session, a code, a secret of a webhook or of an app for one-time codes.
_SECRET = re.compile(r"\A(?:(ks[a-z]?_|whsec_)[A-Za-z0-9+/=_-]{8,}\Z|(otpauth:))")
# Text under these names is never shown, whatever it looks like; in lists, only under those of the second line.
_SECRET_NAMES = frozenset({"secret", "password", "token", "key", "api_key", "recovery_codes", "codes"})
_SECRET_LISTS = frozenset({"recovery_codes", "codes"})


class Model:
    """An object of an answer. It cannot be changed; `to_dict()` gives the JSON that it was made from."""

    _decode: ClassVar[Mapping[str, Decoder]] = {}
    _json: Mapping[str, Any]

    def __init__(self, json: Mapping[str, Any]) -> None:
        members = self.__dict__
        for wire, value in json.items():
            decode = self._decode.get(wire)
            members[snake_case(wire)] = value if decode is None or value is None else decode(value)
        members["_json"] = json

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the answer, in camelCase. A secret that is in it is in it."""
        return dict(self._json)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is an answer and cannot be changed; use an update of the API")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Model) and self._json == other._json

    # What is compared by its JSON, which may hold lists, has no hash.
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __repr__(self) -> str:
        members = (f"{name}={_shown(name, value)}" for name, value in self.__dict__.items() if name != "_json")
        return f"{type(self).__name__}({', '.join(members)})"


def _shown(name: str, value: object) -> str:
    """A member's value for people and logs: never a secret."""
    if isinstance(value, str):
        if secret := _SECRET.match(value):
            return f"'{secret[1] or secret[2]}…'"
        return "'…'" if name in _SECRET_NAMES else repr(value)
    if isinstance(value, list):
        within = name if name in _SECRET_LISTS else ""
        return "[" + ", ".join(_shown(within, each) for each in value) + "]"
    if isinstance(value, dict):
        # Names of the user's own, or what this version does not know.
        return "{" + ", ".join(f"{key!r}: {_shown(snake_case(key), each)}" for key, each in value.items()) + "}"
    return repr(value)


def time(value: Any) -> Any:
    """A time in UTC. What is none stays text."""
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    except ValueError:
        return value
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def one(model: type[M]) -> Callable[[Any], M]:
    """An object of this kind."""

    def decode(value: Any) -> Any:
        return model(value) if isinstance(value, Mapping) else value

    return decode


def many(decode: Decoder) -> Decoder:
    """A list of what `decode` makes."""
    return lambda value: [decode(each) for each in value] if isinstance(value, list) else value


def named(decode: Decoder) -> Decoder:
    """An object whose names are the user's own and whose values are what `decode` makes."""
    return lambda value: {name: decode(each) for name, each in value.items()} if isinstance(value, dict) else value


def nothing(_: Any) -> None:
    """Where an answer has no body."""

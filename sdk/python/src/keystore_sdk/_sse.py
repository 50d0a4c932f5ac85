"""Server-sent events, from bytes. Lines end at CR, LF or both and nowhere else: JSON may hold other characters that end lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    data: str
    id: str | None


class Parser:
    """Takes a stream in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """The events that end in this piece."""
        text = self._rest + piece
        # A CR at the end may be half of a line's end.
        end = len(text) - 1 if text.endswith(b"\r") else len(text)
        *lines, last = _LINE_END.split(text[:end])
        self._rest = last + text[end:]
        return [event for line in lines if (event := self._line(line.decode("utf-8", "replace")))]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return Event(name, "\n".join(data), self._id) if data else None

"""Answers that are no JSON: files, and streams of events. Nothing is asked for before somebody reads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
import httpx

from ._retries import no_answer, pause
from ._sse import Event, Parser

T = TypeVar("T")

# What the events of the API's one stream are called. Others may come one day, and are none of ours.
_EVENT = "request"

# Seconds after which a connection held. Its first bytes say nothing: the server begins with a comment.
_HELD = 15.0

# What says how long a connection lived.
_clock = time.monotonic


class Download:
    """A file: `read()`, `save()`, or piece by piece as an iterator. A `with` closes it early."""

    def __init__(self, connect: Callable[[], httpx.Response]) -> None:
        self._connect = connect
        self._response: httpx.Response | None = None

    @property
    def response(self) -> httpx.Response:
        """The answer's head, which is asked for when it is first needed."""
        if self._response is None:
            self._response = self._connect()
        return self._response

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        response = self.response
        try:
            yield from response.iter_bytes()
        except httpx.RequestError as error:
            raise no_answer(error, str(response.url)) from error
        finally:
            self.close()

    def lines(self) -> Iterator[str]:
        """Line by line, as NDJSON and CSV have them, without their ends."""
        rest = b""
        for piece in self:
            *lines, rest = (rest + piece).split(b"\n")
            yield from (_line(line) for line in lines)
        if rest:
            yield _line(rest)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it to a file."""
        with open(path, "wb") as file:
            for piece in self:
                file.write(piece)

    def close(self) -> None:
        """Ends it."""
        if self._response is not None:
            self._response.close()

    def __enter__(self) -> Download:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncDownload:
    """A file: `await read()`, `await save()`, or piece by piece as an iterator. An `async with` closes it early."""

    def __init__(self, connect: Callable[[], Awaitable[httpx.Response]]) -> None:
        self._connect = connect
        self._response: httpx.Response | None = None

    async def response(self) -> httpx.Response:
        """The answer's head, which is asked for when it is first needed."""
        if self._response is None:
            self._response = await self._connect()
        return self._response

    async def read(self) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        response = await self.response()
        try:
            async for piece in response.aiter_bytes():
                yield piece
        except httpx.RequestError as error:
            raise no_answer(error, str(response.url)) from error
        finally:
            await self.close()

    async def lines(self) -> AsyncIterator[str]:
        """Line by line, as NDJSON and CSV have them, without their ends."""
        rest = b""
        async for piece in self:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield _line(line)
        if rest:
            yield _line(rest)

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it to a file."""
        async with await anyio.open_file(path, "wb") as file:
            async for piece in self:
                await file.write(piece)

    async def close(self) -> None:
        """Ends it."""
        if self._response is not None:
            await self._response.aclose()

    async def __aenter__(self) -> AsyncDownload:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Position:
    """Where a stream of events is, and how often in a row it broke before it was of any use."""

    def __init__(self, last_event_id: str | None, max_retries: int) -> None:
        self.last_event_id = last_event_id
        self._left = self._max = max_retries
        self._opened = _clock()

    def opened(self) -> None:
        """There is a connection."""
        self._opened = _clock()

    def take(self, events: list[Event]) -> Iterator[Any]:
        """The JSON of events, each when it is asked for."""
        for event in events:
            self._left = self._max
            self.last_event_id = event.id if event.id is not None else self.last_event_id
            if event.name == _EVENT:
                yield json.loads(event.data)

    def broke(self, error: httpx.RequestError | None, url: str) -> float:
        """After its end: seconds to wait until it is opened again."""
        if _clock() - self._opened > _HELD:
            self._left = self._max
        self._left -= 1
        if self._left < 0:
            raise no_answer(error or httpx.ReadError("the stream ends again and again"), url) from error
        return pause(self._max - self._left)


class EventStream(Generic[T]):
    """A stream of events that does not end by itself: `for request in ks.requests.stream(): …`.

    Where it breaks, it is opened again behind the last event, without gaps. Leave it with `break` and `close()`, or use `with`.
    It raises when the key does not hold any more, and when it breaks again and again before an event came.
    """

    def __init__(
        self,
        connect: Callable[[str | None], httpx.Response],
        decode: Callable[[Any], T],
        last_event_id: str | None,
        max_retries: int,
    ) -> None:
        self._connect = connect
        self._decode = decode
        self._position = _Position(last_event_id, max_retries)
        self._response: httpx.Response | None = None
        self._closed = False

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event: give it to `stream` to go on behind it another time."""
        return self._position.last_event_id

    def __iter__(self) -> Iterator[T]:
        while not self._closed:
            self._response = response = self._connect(self._position.last_event_id)
            self._position.opened()
            broken: httpx.RequestError | None = None
            parser = Parser()
            try:
                for piece in response.iter_bytes():
                    yield from map(self._decode, self._position.take(parser.feed(piece)))
            except (httpx.RequestError, httpx.StreamError) as error:
                broken = error if isinstance(error, httpx.RequestError) else None
            finally:
                response.close()
            if not self._closed:
                time.sleep(self._position.broke(broken, str(response.url)))

    def close(self) -> None:
        """Ends it."""
        self._closed = True
        if self._response is not None:
            with suppress(httpx.HTTPError):
                self._response.close()

    def __enter__(self) -> EventStream[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncEventStream(Generic[T]):
    """A stream of events that does not end by itself: `async for request in ks.requests.stream(): …`.

    Where it breaks, it is opened again behind the last event, without gaps. Leave it with `break` and `await close()`, or use
    `async with`. It raises when the key does not hold any more, and when it breaks again and again before an event came.
    """

    def __init__(
        self,
        connect: Callable[[str | None], Awaitable[httpx.Response]],
        decode: Callable[[Any], T],
        last_event_id: str | None,
        max_retries: int,
    ) -> None:
        self._connect = connect
        self._decode = decode
        self._position = _Position(last_event_id, max_retries)
        self._response: httpx.Response | None = None
        self._closed = False

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event: give it to `stream` to go on behind it another time."""
        return self._position.last_event_id

    async def __aiter__(self) -> AsyncIterator[T]:
        while not self._closed:
            self._response = response = await self._connect(self._position.last_event_id)
            self._position.opened()
            broken: httpx.RequestError | None = None
            parser = Parser()
            try:
                async for piece in response.aiter_bytes():
                    for found in self._position.take(parser.feed(piece)):
                        yield self._decode(found)
            except (httpx.RequestError, httpx.StreamError) as error:
                broken = error if isinstance(error, httpx.RequestError) else None
            finally:
                await response.aclose()
            if not self._closed:
                await anyio.sleep(self._position.broke(broken, str(response.url)))

    async def close(self) -> None:
        """Ends it."""
        self._closed = True
        if self._response is not None:
            with suppress(httpx.HTTPError):
                await self._response.aclose()

    async def __aenter__(self) -> AsyncEventStream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _line(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")

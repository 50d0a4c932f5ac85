"""Sends calls, once for threads and once for tasks. What is sent and whether it is sent again is decided elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

import anyio
import httpx

from ._operations import Call, Operation, Values, answer, prepare
from ._paging import AsyncPager, Page, Pager
from ._retries import Attempts
from ._settings import Settings
from ._streams import AsyncDownload, AsyncEventStream, Download, EventStream

T = TypeVar("T")

# Seconds without a byte in a stream of events: the server writes at least a comment four times in it.
STREAM_SILENCE = 60.0


class Http:
    """For threads."""

    def __init__(self, settings: Settings, client: httpx.Client | None) -> None:
        self._settings = settings
        self._given = client
        self._own: httpx.Client | None = None
        self._lock = Lock()

    @property
    def _client(self) -> httpx.Client:
        """Made when it is first needed: an agent's side never needs one."""
        if self._given is not None:
            return self._given
        with self._lock:
            self._own = self._own or httpx.Client()
            return self._own

    def close(self) -> None:
        """Closes the connections, unless the client was given."""
        if self._own is not None:
            self._own.close()

    def send(self, operation: Operation[T], values: Values) -> T:
        """Calls an operation."""
        return answer(operation, self._exchange(prepare(self._settings, operation, values), stream=False))

    def pages(self, operation: Operation[Page[T]], values: Values, *, open_ended: bool = False) -> Pager[T]:
        """A list, which is not asked for yet."""
        after = values.query.get("after")
        return Pager(lambda after: self.send(operation, _behind(values, after)), after, open_ended)

    def download(self, operation: Operation[Any], values: Values) -> Download:
        """An answer that is no JSON, which is not asked for yet."""
        return Download(lambda: self._exchange(prepare(self._settings, operation, values), stream=True))

    def events(self, operation: Operation[T], values: Values, last_event_id: str | None) -> EventStream[T]:
        """A stream of events, which is not opened yet."""

        def connect(last: str | None) -> httpx.Response:
            return self._exchange(prepare(self._settings, operation, _from(self._settings, values, last)), stream=True)

        return EventStream(connect, operation.decode, last_event_id, self._settings.max_retries)

    def _exchange(self, call: Call, *, stream: bool) -> httpx.Response:
        attempts = Attempts(call, self._settings.max_retries)
        while True:
            try:
                response = self._client.send(_request(self._client, call), stream=stream)
                if stream and not response.is_success:
                    response.read()
            except httpx.RequestError as error:
                delay = attempts.failed(error)
            else:
                if response.is_success:
                    return response
                delay = attempts.refused(response)
            time.sleep(delay)


class AsyncHttp:
    """For tasks."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient | None) -> None:
        self._settings = settings
        self._given = client
        self._own: httpx.AsyncClient | None = None
        self._lock = Lock()

    @property
    def _client(self) -> httpx.AsyncClient:
        """Made when it is first needed: an agent's side never needs one."""
        if self._given is not None:
            return self._given
        with self._lock:
            self._own = self._own or httpx.AsyncClient()
            return self._own

    async def close(self) -> None:
        """Closes the connections, unless the client was given."""
        if self._own is not None:
            await self._own.aclose()

    async def send(self, operation: Operation[T], values: Values) -> T:
        """Calls an operation."""
        return answer(operation, await self._exchange(prepare(self._settings, operation, values), stream=False))

    def pages(self, operation: Operation[Page[T]], values: Values, *, open_ended: bool = False) -> AsyncPager[T]:
        """A list, which is not asked for yet."""
        after = values.query.get("after")
        return AsyncPager(lambda after: self.send(operation, _behind(values, after)), after, open_ended)

    def download(self, operation: Operation[Any], values: Values) -> AsyncDownload:
        """An answer that is no JSON, which is not asked for yet."""
        return AsyncDownload(lambda: self._exchange(prepare(self._settings, operation, values), stream=True))

    def events(self, operation: Operation[T], values: Values, last_event_id: str | None) -> AsyncEventStream[T]:
        """A stream of events, which is not opened yet."""

        async def connect(last: str | None) -> httpx.Response:
            return await self._exchange(prepare(self._settings, operation, _from(self._settings, values, last)), stream=True)

        return AsyncEventStream(connect, operation.decode, last_event_id, self._settings.max_retries)

    async def _exchange(self, call: Call, *, stream: bool) -> httpx.Response:
        attempts = Attempts(call, self._settings.max_retries)
        while True:
            try:
                response = await self._client.send(_request(self._client, call), stream=stream)
                if stream and not response.is_success:
                    await response.aread()
            except httpx.RequestError as error:
                delay = attempts.failed(error)
            else:
                if response.is_success:
                    return response
                delay = attempts.refused(response)
            await anyio.sleep(delay)


def _behind(values: Values, after: str | None) -> Values:
    return replace(values, query={**values.query, "after": after})


def _from(settings: Settings, values: Values, last_event_id: str | None) -> Values:
    """A stream behind an event. A limit that is shorter than its pauses would end it again and again."""
    limit = settings.timeout if values.timeout is None else values.timeout
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    return replace(values, headers=headers, timeout=max(limit, STREAM_SILENCE))


def _request(client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    return client.build_request(
        call.method,
        call.url,
        params=call.params or None,
        headers=call.headers,
        content=call.content,
        timeout=call.timeout,
    )

"""Lists that come in pages. Nothing is asked for before somebody looks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Page(Generic[T]):
    """One page of a list."""

    def __init__(self, data: list[T], next: str | None) -> None:
        self.data = data
        self.next = next
        """Give it as `after` for the page behind this one; `None` when this is the last."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Page(data={self.data!r}, next={self.next!r})"


def page_of(item: Callable[[Any], T]) -> Callable[[Any], Page[T]]:
    """Makes a page from its JSON."""

    def decode(value: Any) -> Page[T]:
        members = value if isinstance(value, Mapping) else {}
        return Page([item(each) for each in members.get("data") or ()], members.get("next"))

    return decode


def _is_last(page: Page[Any], after: str | None, open_ended: bool) -> bool:
    """An open-ended list has always a `next`, for those who come again later; for now it ends where that leads no farther."""
    return page.next is None or (open_ended and page.next == after)


class Pager(Generic[T]):
    """A list. Iterating goes through all of it, page by page: `for agent in ks.agents.list(): …`."""

    def __init__(self, fetch: Callable[[str | None], Page[T]], after: str | None, open_ended: bool) -> None:
        self._fetch = fetch
        self._after = after
        self._open_ended = open_ended

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data

    def pages(self) -> Iterator[Page[T]]:
        """Page by page."""
        after = self._after
        while True:
            page = self._fetch(after)
            yield page
            if _is_last(page, after, self._open_ended):
                return
            after = page.next

    def first_page(self) -> Page[T]:
        """The first page alone."""
        return self._fetch(self._after)


class AsyncPager(Generic[T]):
    """A list. Iterating goes through all of it, page by page: `async for agent in ks.agents.list(): …`."""

    def __init__(self, fetch: Callable[[str | None], Awaitable[Page[T]]], after: str | None, open_ended: bool) -> None:
        self._fetch = fetch
        self._after = after
        self._open_ended = open_ended

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for each in page.data:
                yield each

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Page by page."""
        after = self._after
        while True:
            page = await self._fetch(after)
            yield page
            if _is_last(page, after, self._open_ended):
                return
            after = page.next

    async def first_page(self) -> Page[T]:
        """The first page alone."""
        return await self._fetch(self._after)

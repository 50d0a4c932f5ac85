"""Which vendor a URL belongs to, by the catalog. What the catalog says is generated; nothing here opens a connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import ConfigurationError


@dataclass(frozen=True)
class Host:
    """One host of a vendor."""

    alias: str
    """Empty for the base host; else what stands behind `~` in the proxy's path."""
    host: str
    path: str
    """What stands before every path there."""
    pattern: bool = False
    """Whether `host` and `path` are regular expressions, because parts of them are the customer's own."""


@dataclass(frozen=True)
class Provider:
    """One vendor."""

    slug: str
    hosts: tuple[Host, ...]
    queries: tuple[str, ...] = ()
    """Parameters in which it takes a key."""
    paths: tuple[str, ...] = ()
    """What stands before each key at the beginning of a path, a segment for each."""
    keys: tuple[str, ...] = ()
    """The variables in which its SDKs look for a key."""
    base_urls: tuple[tuple[str, str], ...] = ()
    """The variables in which they look for a base URL, and what it must end with."""
    dev_only: bool = False
    """Whether it is there in development alone."""


@dataclass(frozen=True)
class Match:
    """A URL that is a vendor's."""

    provider: Provider
    alias: str
    path: str
    """Behind the vendor's own prefix; empty, or begins with `/`."""

    @property
    def prefix(self) -> str:
        """What the proxy calls the vendor's host."""
        return f"/v1/{self.provider.slug}~{self.alias}" if self.alias else f"/v1/{self.provider.slug}"


class Hosts:
    """The hosts of some vendors, or of the whole catalog, and hosts of the user's own.

    Hosts with parts that are the customer's own (`{resource}.openai.azure.com`) count only for vendors that are named, because the
    proxy calls the host that the credential was stored for, whichever of them a program asks for.
    """

    def __init__(
        self, known: Sequence[Provider], only: Iterable[str] | None = None, own: Mapping[str, str] | None = None
    ) -> None:
        names = None if only is None else list(only)
        self._exact: dict[str, list[tuple[Provider, Host]]] = {}
        self._patterns: list[tuple[re.Pattern[str], Provider, Host]] = []
        for provider in known if names is None else chosen(known, names):
            for host in provider.hosts:
                if not host.pattern:
                    self._exact.setdefault(host.host, []).append((provider, host))
                elif names is not None:
                    self._patterns.append((re.compile(host.host, re.IGNORECASE), provider, host))
        for found in self._exact.values():
            # Of several vendors at one place: the longer path, at its base host, with the shorter name.
            found.sort(key=lambda one: (-len(one[1].path), one[1].alias != "", len(one[0].slug)))
        by_slug = {provider.slug: provider for provider in known}
        for name, slug in (own or {}).items():
            # What the user says counts before the catalog, which need not know the provider: it may be one of the user's own.
            provider = by_slug.get(slug) or Provider(checked_slug(slug), ())
            self._exact[_checked_host(name)] = [(provider, Host("", name, ""))]

    def find(self, host: str, path: str) -> Match | None:
        """The vendor of `https://host/path`, without a port."""
        for provider, candidate in self._exact.get(host, ()):
            if _is_below(candidate.path, path):
                return Match(provider, candidate.alias, path[len(candidate.path) :])
        for pattern, provider, candidate in self._patterns:
            if pattern.fullmatch(host) and (below := re.match(rf"(?:{candidate.path})(?=/|\Z)", path)):
                return Match(provider, candidate.alias, path[below.end() :])
        return None


def chosen(known: Sequence[Provider], names: Iterable[str]) -> list[Provider]:
    """The vendors with these names, in this order."""
    by_slug = {provider.slug: provider for provider in known}
    missing = [name for name in names if name not in by_slug]
    if missing:
        raise ConfigurationError(
            f"the catalog has no provider `{missing[0]}`", remedy="`ks provider list --all` shows the providers"
        )
    return [by_slug[name] for name in names]


def checked_slug(slug: str) -> str:
    """A provider that only the server may know. Its name becomes part of a path."""
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", slug):
        raise ConfigurationError(f"`{slug}` is not the slug of a provider")
    return slug


def _checked_host(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", name):
        raise ConfigurationError(f"`{name}` is not the name of a host", remedy="write it like api.example.com")
    return name.lower()


def _is_below(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

"""Transports of `httpx` that send what goes to a vendor of the catalog through the proxy.

The request that the program made stays as it is: the token is put into a copy, and the copy goes to the proxy. So neither a
redirect nor a log of the program's own requests can carry the token anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_plus

import httpx

from ._catalog import Hosts, Match
from ._generated.catalog import CREDENTIAL_HEADERS


class Router:
    """Which requests go to the proxy, and as what."""

    def __init__(self, proxy_url: str, token: str, hosts: Hosts) -> None:
        self._proxy = httpx.URL(proxy_url)
        self._token = token
        self._hosts = hosts

    def route(self, request: httpx.Request) -> httpx.Request:
        """The request for the proxy; or the same request, where it goes to no vendor."""
        url = request.url
        if url.scheme != "https" or url.port not in (None, 443):
            return request
        # In ASCII, as it goes over the wire: a name in other letters is another host.
        found = self._hosts.find(url.raw_host.decode("ascii"), url.raw_path.partition(b"?")[0].decode("ascii"))
        return request if found is None else self._for_proxy(request, found)

    def _for_proxy(self, request: httpx.Request, found: Match) -> httpx.Request:
        base = self._proxy.raw_path.rstrip(b"/").decode("ascii")
        path = base + found.prefix + _without_keys(found.path, found.provider.paths)
        query = _without_parameters(request.url.query, found.provider.queries)
        raw_path = path.encode("ascii") + (b"?" + query if query else b"")
        own = {b"host": self._proxy.netloc, b"authorization": f"Bearer {self._token}".encode("ascii")}
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if (lower := name.lower()) not in own and lower.decode("latin-1") not in CREDENTIAL_HEADERS
        ]
        return httpx.Request(
            request.method,
            self._proxy.copy_with(raw_path=raw_path),
            headers=[*own.items(), *headers],
            stream=request.stream,
            extensions={name: value for name, value in request.extensions.items() if name != "sni_hostname"},
        )


class KeystoreTransport(httpx.BaseTransport):
    """For `httpx.Client`."""

    def __init__(self, proxy_url: str, token: str, hosts: Hosts, inner: httpx.BaseTransport | None = None) -> None:
        self._router = Router(proxy_url, token, hosts)
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it, through the proxy where it goes to a vendor."""
        return self._inner.handle_request(self._router.route(request))

    def close(self) -> None:
        """Closes the transport that sends."""
        self._inner.close()


class AsyncKeystoreTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient`."""

    def __init__(self, proxy_url: str, token: str, hosts: Hosts, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._router = Router(proxy_url, token, hosts)
        self._inner = inner or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it, through the proxy where it goes to a vendor."""
        return await self._inner.handle_async_request(self._router.route(request))

    async def aclose(self) -> None:
        """Closes the transport that sends."""
        await self._inner.aclose()


def _without_keys(path: str, prefixes: Sequence[str]) -> str:
    """The path without the segments that hold a vendor's key: `/bot123:ABC/getMe` is `/getMe`."""
    path = path or "/"
    for prefix in prefixes:
        if found := re.match(rf"/{re.escape(prefix)}[^/]*", path):
            path = path[found.end() :] or "/"
    return path


def _without_parameters(query: bytes, names: Sequence[str]) -> bytes:
    """The query without the parameters that hold a key; the bytes of the others are not changed."""
    parts = query.split(b"&")
    return b"&".join(part for part in parts if unquote_plus(part.partition(b"=")[0].decode("latin-1")) not in names)

"""Points vendors' official clients at the proxy.

A client is known by its class's name and package; none of the packages is needed here. It is changed in place, so that its own key
is gone from it and parts of it that a program holds already go through the proxy, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ._catalog import Hosts, checked_slug
from ._generated.catalog import PROVIDERS
from .errors import UnsupportedClientError

C = TypeVar("C")


@dataclass(frozen=True)
class _Way:
    """Where a client is pointed."""

    proxy_url: str
    token: str
    provider: str | None

    def of(self, client: object, base_url: str) -> str:
        """The base URL at the proxy for one at a vendor. One that is at the proxy already stays."""
        if base_url.startswith(f"{self.proxy_url}/v1/"):
            return base_url
        parts = urlsplit(base_url)
        path = parts.path.rstrip("/")
        if self.provider is not None:
            return f"{self.proxy_url}/v1/{checked_slug(self.provider)}{path}"
        found = None
        if parts.scheme == "https" and parts.port in (None, 443) and parts.hostname:
            found = Hosts(PROVIDERS).find(parts.hostname, path)
        if found is None:
            raise _not_this(client, f"goes to {parts.hostname}, which is no host of the catalog", "say `provider`")
        return f"{self.proxy_url}{found.prefix}{found.path}"


def wrap(client: C, proxy_url: str, token: str, provider: str | None) -> C:
    """The client, changed."""
    point = _pointer(client)
    if point is None:
        kind = type(client)
        name = client.__name__ if isinstance(client, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"
        raise UnsupportedClientError(
            f"`wrap` does not know `{name}`",
            remedy="it takes clients of openai, anthropic, google-genai and stripe, and the modules stripe and resend; for others give"
            " `ks.transport()` to their httpx client, call `ks.setup_env()` before they are made, or set base URL and key yourself",
        )
    point(client, _Way(proxy_url, token, provider))
    return client


def _pointer(client: object) -> Callable[[Any, _Way], None] | None:
    if isinstance(client, ModuleType):
        return _MODULES.get(client.__name__)
    for kind in type(client).__mro__:
        package = kind.__module__.partition(".")[0]
        if found := _CLASSES.get((package, kind.__name__)):
            return found
    return None


def _openai(client: Any, way: _Way) -> None:
    if type(client).__name__.endswith(("AzureOpenAI", "BedrockOpenAI")):
        raise _not_this(client, "has a way of its own to its vendor", "give it a base URL at the proxy, and the token as its key")
    for name in ("_provider", "workload_identity"):
        if getattr(client, name, None) is not None:
            raise _not_this(client, "gets its key from elsewhere", "make one with an `api_key`, such as `none`")
    client.base_url = way.of(client, str(client.base_url))
    client.api_key = way.token
    # What asks for a key anew, the key for administration, and another address.
    for name in ("_api_key_provider", "admin_api_key", "websocket_base_url"):
        if getattr(client, name, None) is not None:
            setattr(client, name, None)


def _anthropic(client: Any, way: _Way) -> None:
    if type(client).__name__ not in ("Anthropic", "AsyncAnthropic"):
        raise _not_this(client, "has a way of its own to its vendor", "give it a base URL at the proxy, and the token as its key")
    client.base_url = way.of(client, str(client.base_url))
    client.api_key, client.auth_token = way.token, None
    for name in ("credentials", "_token_cache"):
        if getattr(client, name, None) is not None:
            setattr(client, name, None)


def _google(client: Any, way: _Way) -> None:
    inner = client._api_client
    if inner.vertexai:
        raise _not_this(client, "signs in at Vertex AI by itself", "give it a `base_url` at the proxy's `/v1/vertex-ai`")
    options = inner._http_options
    options.base_url = way.of(client, str(options.base_url))
    options.headers = {name: value for name, value in (options.headers or {}).items() if name.lower() != "x-goog-api-key"}
    options.headers["x-goog-api-key"] = way.token
    inner.api_key = way.token
    # Parts that are made when they are first asked for, with the key and the address of that time.
    for part in (client, client.aio):
        for name, value in vars(part).items():
            if type(value).__module__.startswith("google.genai._gaos"):
                setattr(part, name, None)


def _stripe_client(client: Any, way: _Way) -> None:
    options = client._requestor._options
    options.api_key = way.token
    options.base_addresses = _stripe_hosts(way.proxy_url)


def _stripe(module: Any, way: _Way) -> None:
    hosts = _stripe_hosts(way.proxy_url)
    module.api_key = way.token
    module.api_base, module.upload_api_base = hosts["api"], hosts["files"]
    module.connect_api_base, module.meter_events_api_base = hosts["connect"], hosts["meter_events"]


def _stripe_hosts(proxy_url: str) -> dict[str, str]:
    """Every host that Stripe's client may call. What the catalog does not have of them is refused by the proxy, and gets no token."""
    others = {"files": "files", "connect": "connect", "meter_events": "meter-events"}
    return {"api": f"{proxy_url}/v1/stripe", **{name: f"{proxy_url}/v1/stripe~{alias}" for name, alias in others.items()}}


def _resend(module: Any, way: _Way) -> None:
    module.api_key = way.token
    module.api_url = f"{way.proxy_url}/v1/resend"


def _not_this(client: object, what: str, remedy: str) -> UnsupportedClientError:
    return UnsupportedClientError(f"this `{type(client).__name__}` {what}", remedy=remedy)


_CLASSES: dict[tuple[str, str], Callable[[Any, _Way], None]] = {
    ("openai", "OpenAI"): _openai,
    ("openai", "AsyncOpenAI"): _openai,
    ("anthropic", "Anthropic"): _anthropic,
    ("anthropic", "AsyncAnthropic"): _anthropic,
    ("google", "Client"): _google,
    ("stripe", "StripeClient"): _stripe_client,
}
_MODULES: dict[str, Callable[[Any, _Way], None]] = {"stripe": _stripe, "resend": _resend}

"""Where Keystore is and who we are: from arguments, else from the environment, as the `ks` command reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from .errors import ConfigurationError

API_URL = "http://127.0.0.1:8401"
PROXY_URL = "http://127.0.0.1:8400"
TIMEOUT = 60.0
CONNECT_TIMEOUT = 10.0
MAX_RETRIES = 2


@dataclass(frozen=True)
class Settings:
    """What a client was made with."""

    api_url: str
    api_key: str | None = field(repr=False)
    proxy_url: str
    agent_token: str | None = field(repr=False)
    timeout: float
    """Seconds without a byte after which a call is given up."""
    max_retries: int

    @classmethod
    def of(
        cls,
        *,
        api_key: str | None,
        api_url: str | None,
        agent_token: str | None,
        proxy_url: str | None,
        timeout: float,
        max_retries: int,
    ) -> Settings:
        """Arguments first, then `KS_API_KEY`, `KS_API_URL`, `KS_TOKEN` and `KS_PROXY_URL`, then this machine."""
        if max_retries < 0:
            raise ConfigurationError("`max_retries` must not be negative")
        return cls(
            api_url=_url("api_url", api_url or os.environ.get("KS_API_URL") or API_URL),
            api_key=_secret("api_key", api_key or os.environ.get("KS_API_KEY"), "ksm_… or kss_…", ("ksm_", "kss_")),
            proxy_url=_url("proxy_url", proxy_url or os.environ.get("KS_PROXY_URL") or PROXY_URL),
            agent_token=_secret("agent_token", agent_token or os.environ.get("KS_TOKEN"), "ks_…", ("ks_",)),
            timeout=timeout,
            max_retries=max_retries,
        )

    def timeout_of(self, seconds: float | None) -> httpx.Timeout:
        """The limits of one call."""
        total = self.timeout if seconds is None else seconds
        return httpx.Timeout(total, connect=min(total, CONNECT_TIMEOUT))

    def require_api_key(self) -> str:
        """The management key or session."""
        if self.api_key is None:
            raise ConfigurationError(
                "there is no management key",
                remedy="set KS_API_KEY, or give `api_key`; `ks api-key create` makes one",
            )
        return self.api_key

    def require_agent_token(self) -> str:
        """The agent's token."""
        if self.agent_token is None:
            raise ConfigurationError(
                "there is no agent token",
                remedy="set KS_TOKEN, or give `agent_token`; `ks token create` makes one",
            )
        return self.agent_token


def _url(name: str, value: str) -> str:
    """A base URL without a slash at its end."""
    value = value.strip().rstrip("/")
    if not _is_base(value):
        raise ConfigurationError(f"`{name}` must be a URL such as http://127.0.0.1:8401, without anything behind it")
    return value


def _is_base(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    extra = parts.query or parts.fragment or parts.username is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and not extra


def _secret(name: str, value: str | None, form: str, prefixes: tuple[str, ...]) -> str | None:
    """A key of the kind that belongs there: an agent's token opens nothing at the API, and a management key is not for agents."""
    if not value:
        return None
    value = value.strip()
    if not value.startswith(prefixes) or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"`{name}` is not of the form {form}")
    return value

"""`Keystore` and `AsyncKeystore`: the API for people and scripts, and the agent's side, in one object."""

from __future__ import annotations

from types import TracebackType

import httpx

from ._agent import Agent
from ._generated.async_resources import AsyncApi
from ._generated.resources import Api
from ._http import AsyncHttp, Http
from ._settings import MAX_RETRIES, TIMEOUT, Settings


class Keystore(Api, Agent):
    """Keystore for threads. Everything of the API is `ks.<resource>.<verb>()`.

    Args:
        api_key: A management key (`ksm_…`) or a session (`kss_…`); else `KS_API_KEY`.
        api_url: Where the API is; else `KS_API_URL`, else this machine.
        agent_token: An agent's token (`ks_…`), for `wrap`, `setup_env` and `transport`; else `KS_TOKEN`.
        proxy_url: Where the proxy is; else `KS_PROXY_URL`, else this machine.
        timeout: Seconds without a byte after which a call is given up.
        max_retries: How often a call is sent again that may be.
        http_client: A client of `httpx` of your own, with its proxies and certificates; it is yours to close.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        api_url: str | None = None,
        agent_token: str | None = None,
        proxy_url: str | None = None,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._settings = Settings.of(
            api_key=api_key,
            api_url=api_url,
            agent_token=agent_token,
            proxy_url=proxy_url,
            timeout=timeout,
            max_retries=max_retries,
        )
        self._http = Http(self._settings, http_client)
        super().__init__(self._http)

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def __enter__(self) -> Keystore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Keystore(api_url={self._settings.api_url!r}, proxy_url={self._settings.proxy_url!r})"


class AsyncKeystore(AsyncApi, Agent):
    """Keystore for tasks. Everything of the API is `await ks.<resource>.<verb>()`.

    Args:
        api_key: A management key (`ksm_…`) or a session (`kss_…`); else `KS_API_KEY`.
        api_url: Where the API is; else `KS_API_URL`, else this machine.
        agent_token: An agent's token (`ks_…`), for `wrap`, `setup_env` and `transport`; else `KS_TOKEN`.
        proxy_url: Where the proxy is; else `KS_PROXY_URL`, else this machine.
        timeout: Seconds without a byte after which a call is given up.
        max_retries: How often a call is sent again that may be.
        http_client: A client of `httpx` of your own, with its proxies and certificates; it is yours to close.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        api_url: str | None = None,
        agent_token: str | None = None,
        proxy_url: str | None = None,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._settings = Settings.of(
            api_key=api_key,
            api_url=api_url,
            agent_token=agent_token,
            proxy_url=proxy_url,
            timeout=timeout,
            max_retries=max_retries,
        )
        self._http = AsyncHttp(self._settings, http_client)
        super().__init__(self._http)

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()

    async def __aenter__(self) -> AsyncKeystore:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncKeystore(api_url={self._settings.api_url!r}, proxy_url={self._settings.proxy_url!r})"

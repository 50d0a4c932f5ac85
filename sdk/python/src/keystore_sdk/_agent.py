"""The agent's side: programs that call vendors with an agent's token, through the proxy, and know no vendor's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import httpx

from ._catalog import Hosts
from ._environment import Undo, setup
from ._generated.catalog import PROVIDERS
from ._settings import Settings
from ._transport import AsyncKeystoreTransport, KeystoreTransport
from ._wrap import wrap

C = TypeVar("C")


class Agent:
    """What `Keystore` and `AsyncKeystore` have in common. Needs an agent's token, and no management key."""

    _settings: Settings

    def wrap(self, client: C, *, provider: str | None = None) -> C:
        """Points a vendor's official client at the proxy, with the agent's token in the place of its key.

        Takes clients of `openai`, `anthropic`, `google-genai` and `stripe`, for threads or tasks, and the modules `stripe` and
        `resend`. The client itself is changed, and given back: its own key is gone from it.

        Args:
            client: The client.
            provider: The slug of the provider that a client of OpenAI or Anthropic speaks to, where its base URL does not say it: for
                one of your own, or one that you host.

        Raises:
            UnsupportedClientError: For every other client, and for one that speaks to a host that the catalog does not know.
        """
        return wrap(client, self._settings.proxy_url, self._settings.require_agent_token(), provider)

    def setup_env(self, providers: Iterable[str] | None = None) -> Undo:
        """Sets the variables in which vendors' SDKs look for a base URL and a key, as `ks run` does for a program.

        Keys of other vendors are taken out of the environment, and so are `KS_API_KEY` and `KS_API_URL`. A client reads its
        variables when it is made, so call this before. Where an SDK reads no base URL from the environment, its key stays unset.

        Args:
            providers: Slugs of providers; every provider of the catalog when absent.

        Returns:
            What puts everything back as it was: call it, or use it in a `with`.
        """
        return setup(PROVIDERS, providers, self._settings.proxy_url, self._settings.require_agent_token())

    def transport(
        self,
        inner: httpx.BaseTransport | None = None,
        *,
        providers: Iterable[str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> KeystoreTransport:
        """A transport of `httpx` that sends what goes to a vendor of the catalog through the proxy.

        `httpx.Client(transport=ks.transport())`. The token goes to the proxy and to no other host; other requests pass as they are.

        Args:
            inner: What sends; a transport of its own when absent.
            providers: Slugs of the providers that go through the proxy; every provider of the catalog when absent. Hosts of which
                a part is the customer's own (`{resource}.openai.azure.com`) go there for providers that are named here.
            hosts: Hosts of your own, and the slug of the provider behind each: `{"llm.example.com": "my-llm"}`.
        """
        known = Hosts(PROVIDERS, providers, hosts)
        return KeystoreTransport(self._settings.proxy_url, self._settings.require_agent_token(), known, inner)

    def async_transport(
        self,
        inner: httpx.AsyncBaseTransport | None = None,
        *,
        providers: Iterable[str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> AsyncKeystoreTransport:
        """The same for `httpx.AsyncClient`.

        Args:
            inner: What sends; a transport of its own when absent.
            providers: Slugs of the providers that go through the proxy; every provider of the catalog when absent.
            hosts: Hosts of your own, and the slug of the provider behind each.
        """
        known = Hosts(PROVIDERS, providers, hosts)
        return AsyncKeystoreTransport(self._settings.proxy_url, self._settings.require_agent_token(), known, inner)

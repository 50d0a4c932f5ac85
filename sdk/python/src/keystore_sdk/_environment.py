"""The variables of vendors' SDKs, by the rules of `ks run`.

For every provider that can be used, the base URL is set to the proxy and the key to the token. Where an SDK reads no base URL from
the environment, its key stays unset, because it would send the token to the vendor. Every other key variable of the catalog is taken
away, and so are the ways to the control plane, where no agent belongs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

from ._catalog import Provider, chosen

_OF_THE_CONTROL_PLANE = ("KS_API_KEY", "KS_API_URL")

# What speaks to the sandbox: it answers as OpenAI and as Anthropic do.
_STAND_INS = (("OPENAI_BASE_URL", "/v1", "OPENAI_API_KEY"), ("ANTHROPIC_BASE_URL", "", "ANTHROPIC_API_KEY"))


class Undo:
    """Puts variables back as they were, once: call it, or leave its `with`."""

    def __init__(self, before: Mapping[str, str | None]) -> None:
        self._before: dict[str, str | None] = dict(before)

    def __call__(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self()


def setup(known: Sequence[Provider], slugs: Iterable[str] | None, proxy_url: str, token: str) -> Undo:
    """Changes the environment of this process."""
    granted = [one for one in known if not one.dev_only] if slugs is None else chosen(known, slugs)
    wanted = variables(granted, proxy_url, token)
    gone = {name for provider in known for name in provider.keys} | set(_OF_THE_CONTROL_PLANE)
    changed = [*wanted, *(name for name in gone if name in os.environ and name not in wanted)]
    undo = Undo({name: os.environ.get(name) for name in changed})
    for name in changed:
        if name in wanted:
            os.environ[name] = wanted[name]
        else:
            del os.environ[name]
    return undo


def variables(granted: Sequence[Provider], proxy_url: str, token: str) -> dict[str, str]:
    """What to set. Where two read the same variable, the first has it; what stands in for others comes last."""
    found: dict[str, str] = {}
    for provider in sorted(granted, key=lambda one: one.dev_only):
        if not provider.base_urls or any(name in found for name, _ in provider.base_urls):
            continue
        found |= {name: f"{proxy_url}/v1/{provider.slug}{path}" for name, path in provider.base_urls}
        found |= {name: token for name in provider.keys if name not in found}
    for provider in granted:
        for base_url, path, key in _STAND_INS:
            if provider.dev_only and base_url not in found and key not in found:
                found |= {base_url: f"{proxy_url}/v1/{provider.slug}{path}", key: token}
    return found | {"KS_TOKEN": token, "KS_PROXY_URL": proxy_url}

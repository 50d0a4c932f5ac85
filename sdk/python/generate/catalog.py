"""`_generated/catalog.py`: where the vendors are, where their keys go, and the variables of their SDKs."""

import re
import tomllib
from urllib.parse import urlsplit

HEAD = '''"""The vendors of the catalog. Written by `sdk/python/generate` from `catalog/`; not to be edited."""

from __future__ import annotations

from .._catalog import Host, Provider

# Headers in which some vendor takes a key. None of them goes to the proxy with anything in it.
CREDENTIAL_HEADERS = frozenset(
    {{
{headers}
    }}
)

PROVIDERS: tuple[Provider, ...] = (
'''

# What a parameter is, where the file says nothing: one label of a host name.
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def text(folder):
    providers = [(path.stem, tomllib.loads(path.read_text())) for path in sorted(folder.glob("*.toml"), key=lambda one: one.stem)]
    headers = {"authorization"}
    rows = []
    for slug, provider in providers:
        slots = [*provider.get("inject", []), *provider.get("token_slots", [])]
        headers |= {slot["header"].lower() for slot in slots if "header" in slot}
        rows.append(_row(slug, provider, slots))
    named = "\n".join(f'        "{name}",' for name in sorted(headers))
    return HEAD.format(headers=named) + "\n".join(rows) + "\n)\n"


def _row(slug, provider, slots):
    params = {name: one.get("pattern", LABEL) for name, one in provider.get("params", {}).items()}
    hosts = [("", provider.get("base_url")), *provider.get("hosts", {}).items()]
    parts = [f'"{slug}"', _tuple(_host(alias, url, params) for alias, url in hosts if url)]
    queries = sorted({slot["query"] for slot in slots if "query" in slot})
    paths = [slot["path"].removeprefix("/").partition("{")[0] for slot in provider.get("inject", []) if "path" in slot]
    env = provider.get("env", {})
    if queries:
        parts.append(f"queries={_strings(queries)}")
    if paths:
        parts.append(f"paths={_strings(paths)}")
    if keys := env.get("key"):
        parts.append(f"keys={_strings(keys)}")
    if urls := env.get("base_url"):
        pairs = (f'("{name}", "{path}")' for name, path in sorted(urls.items()))
        parts.append(f"base_urls={_tuple(pairs)}")
    if provider.get("dev_only"):
        parts.append("dev_only=True")
    return f"    Provider({', '.join(parts)}),"


def _host(alias, url, params):
    parts = urlsplit(url)
    if "{" not in url:
        return f'Host("{alias}", "{parts.netloc}", "{parts.path.rstrip("/")}")'
    host, path = _pattern(parts.netloc, params), _pattern(parts.path.rstrip("/"), params)
    return f"Host(\"{alias}\", r'{host}', r'{path}', pattern=True)"


def _pattern(text, params):
    pieces = re.split(r"\{(\w+)\}", text)
    return "".join(f"(?:{params.get(one, LABEL)})" if at % 2 else re.escape(one) for at, one in enumerate(pieces))


def _strings(values):
    return _tuple(f'"{value}"' for value in values)


def _tuple(parts):
    parts = list(parts)
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

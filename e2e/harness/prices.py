"""What calls must cost, from the catalog's files and the counts that the fake reports. Nothing of Keystore computes here."""

import tomllib
from decimal import Decimal

from .process import ROOT


def entry(provider, model):
    """What the price file says of a model, by id or alias."""
    with (ROOT / "catalog" / "prices" / f"{provider}.toml").open("rb") as file:
        models = tomllib.load(file)["models"]
    entry = next(entry for entry in models if model in [entry["id"], *entry.get("aliases", [])])
    assert "tiers" not in entry and "effective_from" not in entry, "take a model with one plain price"
    return entry


def per_million(provider, model):
    """Dollars for a million tokens of each kind."""
    return {kind: Decimal(price) for kind, price in entry(provider, model)["tokens"].items()}


def per_unit(provider, model):
    """Dollars for one unit of each kind."""
    return {kind: Decimal(price) for kind, price in entry(provider, model)["units"].items()}


def cost(provider, model, *, input_tokens, output_tokens, cached_tokens=0):
    """Dollars, exact. `input_tokens` includes the cached ones."""
    price = per_million(provider, model)
    dollars = (
        (input_tokens - cached_tokens) * price["input_uncached"]
        + cached_tokens * price.get("cache_read", price["input_uncached"])
        + output_tokens * price["output_text"]
    )
    return dollars / 1_000_000


def input_tokens(*texts):
    """The fake's own rule: 8, and one for each started four bytes of text."""
    return 8 + -(-sum(len(text.encode()) for text in texts) // 4)

"""What requests hold, as dictionaries. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from . import types


class _AgreementRequired(TypedDict):
    date: str
    """When it was signed (`YYYY-MM-DD`)."""


class Agreement(_AgreementRequired, total=False):
    """An agreement with a vendor about the data that a credential's calls carry."""

    link: str | None
    """Where it is."""


class PriceTier(TypedDict):
    """Prices of requests whose input is long."""

    above_input_tokens: int
    """More input tokens than this, cached ones included."""
    units: Mapping[str, str]
    """Dollars for a million units, by the name of the unit."""


class _CostPriceRequired(TypedDict):
    units: Mapping[str, str]
    """Dollars for a million units, by the name of the unit as usage shows it. What is not named has the price of
    the list.
    """


class CostPrice(_CostPriceRequired, total=False):
    """What the operator pays."""

    context_window: int | None
    """The most tokens of input and output together, where the list does not say: without it or `maxOutputTokens` a
    model that makes text is not sold.
    """
    max_output_tokens: int | None
    """The most tokens of output, where the list does not say."""
    tiers: Sequence[PriceTier]
    """Prices of long input, ascending."""


class Markup(TypedDict, total=False):
    """What is put on a price: first a share, then an amount."""

    per_million: str | None
    """Dollars for a million units."""
    percent: str | None
    """Per cent with at most two decimals, -100 to 10,000."""
    unit: str | None
    """Only on this unit, by its name in usage; on all when absent."""


class _SellPriceRequired(TypedDict):
    units: Mapping[str, str]
    """Dollars for a million units, by the name of the unit. What is not named is sold at cost with its markup."""


class SellPrice(_SellPriceRequired, total=False):
    """What customers pay."""

    tiers: Sequence[PriceTier]
    """Prices of long input, ascending."""


class PriceRule(TypedDict, total=False):
    """A rule of the price book. Exactly one of `cost`, `markup` and `sell` is given. Of several rules of a kind
    the nearest counts: one for the organization before one for all, then one for the model, for names like it,
    for the provider; then the one in force since later.
    """

    cost: CostPrice | None
    """What the operator pays the vendor, where the list says otherwise or nothing."""
    effective_from: datetime | str | None
    """In force from then; since ever when absent."""
    effective_to: datetime | str | None
    """In force until then; until further notice when absent."""
    markup: Markup | None
    """What is put on what the operator pays."""
    model: str | None
    """Only this model, `*` at the end standing for the rest of a name; for operations without a model the row of
    the list, or the operation's name.
    """
    org: str | None
    """Only for this organization (id)."""
    provider: str | None
    """Only this provider (slug); all when absent."""
    sell: SellPrice | None
    """What customers pay, whatever the operator does."""


class FallbackInput(TypedDict):
    """The pool in place of a credential that cannot serve, up to a cap."""

    budget_cents_monthly: int
    """The most US cents in a calendar month that are spent so, at least 1."""
    source: types.Source
    """`marketplace`."""


class _GrantInputRequired(TypedDict):
    name: str
    """The provider's slug."""
    source: types.Source
    """Whose credential."""


class GrantInput(_GrantInputRequired, total=False):
    """A provider that an agent may use, as a request names it."""

    credential: str | None
    """The credential (id or name). When absent: the only one of the provider, else the one named `default`."""
    fallback: FallbackInput | None
    """What serves while the agent's own credential is missing, disabled, expired or refused. Without it, nothing
    does.
    """
    scopes: Sequence[str]
    """`provider:<slug>:<read|write|*>`; empty is everything but credential-minting operations."""


class _PartyRequired(TypedDict):
    name: str
    """The name, 1 to 200 characters."""


class Party(_PartyRequired, total=False):
    """Who sells or buys."""

    address: Sequence[str]
    """The lines of the address, at most 8."""
    tax_id: str | None
    """The number under which it is known for taxes."""


class _SetAbuseRuleRequired(TypedDict):
    action: types.AbuseAction
    """`alert`: an event; `pause`: the agent is paused as well, until a person resumes it; `off`: no rule here,
    whatever is set above.
    """


class SetAbuseRule(_SetAbuseRuleRequired, total=False):
    """A rule, whole: what is absent has its default."""

    threshold: str | None
    """How much is too much: dollars above 0, or 1 to 1,000,000 requests."""
    window_seconds: int | None
    """Within so many seconds, 10 to 3,600."""


class _TaxRequired(TypedDict):
    name: str
    """The name, 1 to 100 characters."""
    per_mille: int
    """The rate in thousandths of the taxed amount, 0 to 1,000: 190 is 19 percent."""


class Tax(_TaxRequired, total=False):
    """A tax that an organization is billed."""

    providers: Sequence[str]
    """On lines of these providers (slugs) only; on every line where there is none."""


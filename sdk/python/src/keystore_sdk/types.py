"""What answers hold. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ._models import Model, many, named, one, time

AbuseAction = Literal["off", "alert", "pause"]
"""What happens when a rule against abuse finds too much: nothing here, an event, or an event and a pause of the
agent.
"""

AbuseKind = Literal["refusals", "spend_rate", "identical_requests"]
"""What a rule against abuse looks at: refusals, dollars, or the same request again and again."""

Access = Literal["read", "write"]
"""Whether an operation reads or writes."""

AccessState = Literal["open", "approved", "denied", "expired"]
"""How far a request is."""

AgentStatus = Literal["active", "paused", "revoked"]
"""What an agent's requests meet."""

AutoTopUpState = Literal["off", "on", "no_card", "paused", "stopped", "by_invoice"]
"""Where things stand with credit that is topped up by itself."""

Billing = Literal["metered", "per_call", "external"]
"""How the vendor bills an operation."""

BudgetAction = Literal["deny", "alert"]
"""What happens at a budget's limit: calls are refused, or only its thresholds are announced."""

BudgetMode = Literal["strict", "estimate"]
"""How a budget is kept: `strict` never overshoots, `estimate` may be cut off."""

BudgetScope = Literal["org", "project", "agent", "provider", "model", "endUser"]
"""What a budget is narrowed to most."""

CredentialStatus = Literal["untested", "active", "invalid", "disabled"]
"""What is known of a credential's validity."""

DeliveryStatus = Literal["pending", "delivered", "dead"]
"""Where a delivery stands."""

DisabledBecause = Literal["failing", "gone", "lost"]
"""Why a webhook is disabled by itself."""

Driver = Literal["openai", "openrouter", "manual"]
"""Who makes and revokes the keys of a pooled credential; `manual` is the operator."""

Ending = Literal["complete", "upstream_error", "client_gone", "deadline", "not_sent", "crash", "revoked", "over_budget", "failed_over"]
"""How an attempt at an upstream ended."""

GenerationState = Literal["active", "retiring", "retired", "destroyed"]
"""What a generation is still used for."""

JobStep = Literal["rewrap", "verify"]
"""What is done to the keys."""

Payer = Literal["card", "operator"]
"""Who pays."""

Posting = Literal["top_up", "promo_grant", "refund", "pay_back", "payment", "crash_ruling", "cost_adjustment", "reversal"]
"""A business that the operator posts."""

RevocationScope = Literal["org", "project", "provider", "agent", "token"]
"""What a revocation stops."""

Role = Literal["owner", "admin", "member", "billing", "viewer"]
"""What a member or a management key may do; the table of rights stands in the server."""

SetBy = Literal["org", "project", "agent"]
"""Where a rule is set. What is set nearer to an agent counts."""

Source = Literal["byok", "marketplace"]
"""Whose credential serves a call: the customer's own, or the operator's pool."""

Step = Literal["mint", "verify", "promote", "overlap", "drain", "revoke", "sweep", "done", "undo", "undone"]
"""How far the rotation of a key is."""

TestVerdict = Literal["valid", "invalid", "unknown"]
"""What a test found."""

TokenStatus = Literal["active", "expired", "revoked"]
"""Whether a token holds."""

Unit = Literal["usd", "calls", "emails", "usd_moved"]
"""What a budget counts: dollars that calls cost, calls, e-mails by recipient, or dollars that calls move."""

Via = Literal["session", "api_key"]
"""How a caller proved who it is."""

WaitsFor = Literal["key", "revocation"]
"""What a rotation waits for that only the operator can do."""

WebhookStatus = Literal["active", "disabled"]
"""Whether events are sent to a webhook."""

Window = Literal["day", "week", "month", "total"]
"""How long a limit lasts before it starts anew; `total` never does."""


class AbuseRule(Model):
    """A rule in force."""

    action: AbuseAction
    """What happens when the rule finds so much."""
    set_by: SetBy
    """Where it is set."""
    threshold: str
    """How much is too much: dollars, or a number of requests."""
    window_seconds: int
    """Within so many seconds."""


class AbuseRules(Model):
    """The rules in force in a place: of each kind the one that is set there, else the one above; `null` where none
    is set.
    """

    _decode = {
        "identicalRequests": one(AbuseRule),
        "refusals": one(AbuseRule),
        "spendRate": one(AbuseRule),
    }

    identical_requests: AbuseRule | None = None
    """So many requests have the same method, path and body."""
    refusals: AbuseRule | None = None
    """So many requests are refused for what the agent does."""
    spend_rate: AbuseRule | None = None
    """Calls cost so many dollars."""


class GrantedAccess(Model):
    """What was granted of a request."""

    models: list[str]
    """The models."""
    scopes: list[str]
    """The scopes; empty is everything that a grant can allow."""
    budget_cents_monthly: int | None = None
    """The month's budget, in US cents; absent where it stays as it was."""
    source: Source | None = None
    """Whose credential; absent where no provider was granted."""


class AccessRequest(Model):
    """What an agent asked for, and what became of it. `reason` and what is wanted are the agent's own words: data,
    whatever they say.
    """

    _decode = {
        "createdAt": time,
        "decidedAt": time,
        "expiresAt": time,
        "granted": one(GrantedAccess),
    }

    agent_id: str
    """Who asks."""
    agent_name: str
    """Its name."""
    created_at: datetime
    """When it was filed."""
    expires_at: datetime
    """From this time on nobody decides it any more."""
    id: str
    """The id."""
    models: list[str]
    """The models that it wants beside those that it may use."""
    project_id: str
    """The agent's project."""
    reason: str
    """Why, in the agent's own words."""
    scopes: list[str]
    """The scopes that it wants; empty is everything that a grant can allow."""
    state: AccessState
    """How far it is."""
    token_id: str
    """The token that it asked with."""
    budget_cents_monthly: int | None = None
    """The month's budget that it wants, in US cents."""
    decided_at: datetime | None = None
    """When it was decided."""
    decided_by: str | None = None
    """Who decided it: the id of a person or a management key. Agents are not told."""
    granted: GrantedAccess | None = None
    """What was granted."""
    note: str | None = None
    """What they said."""
    provider: str | None = None
    """The provider that it wants to use."""
    source: Source | None = None
    """Whose credential it wants; absent where it leaves that open."""


class Passkey(Model):
    """A passkey of the caller."""

    _decode = {
        "createdAt": time,
        "lastUsedAt": time,
    }

    backed_up: bool
    """Whether it is on several devices, as it says."""
    created_at: datetime
    """When it was registered."""
    id: str
    """The id."""
    name: str
    """What its owner calls it."""
    last_used_at: datetime | None = None
    """When it was last used."""


class AddedPasskey(Model):
    """The answer to it."""

    _decode = {
        "passkey": one(Passkey),
    }

    passkey: Passkey
    """The passkey."""
    recovery_codes: list[str]
    """Recovery codes, shown once, where this is the first factor; otherwise none, and those before hold."""


class BudgetState(Model):
    """Where a budget stands in its present window."""

    _decode = {
        "resetsAt": time,
    }

    held: str
    """Held by running calls, in US dollars."""
    id: str
    """The budget."""
    limit: str
    """Its limit in US dollars."""
    spent: str
    """Settled in this window, in US dollars."""
    resets_at: datetime | None = None
    """When the window ends; absent for a total."""


class FallbackInput(Model):
    """The pool in place of a credential that cannot serve, up to a cap."""

    budget_cents_monthly: int
    """The most US cents in a calendar month that are spent so, at least 1."""
    source: Source
    """`marketplace`."""


class Grant(Model):
    """A provider that an agent may use."""

    _decode = {
        "fallback": one(FallbackInput),
    }

    name: str
    """The provider's slug."""
    scopes: list[str]
    """`provider:<slug>:<read|write|*>`; empty is everything but credential-minting operations."""
    source: Source
    """Whose credential."""
    credential_id: str | None = None
    """The credential; absent until one is stored."""
    fallback: FallbackInput | None = None
    """What serves while the agent's own credential cannot."""


class Agent(Model):
    """An agent: the identity that carries grants and limits."""

    _decode = {
        "budget": one(BudgetState),
        "createdAt": time,
        "expiresAt": time,
        "providers": many(one(Grant)),
        "updatedAt": time,
    }

    allowed_ips: list[str]
    """Addresses it may be used from; empty is every address."""
    allowed_models: list[str]
    """Models it may use; empty is every model."""
    created_at: datetime
    """When it was made."""
    end_users: bool
    """Every request must name its end user."""
    id: str
    """The id."""
    labels: list[str]
    """Labels."""
    name: str
    """The name."""
    project_id: str
    """The project."""
    providers: list[Grant]
    """What it may use."""
    status: AgentStatus
    """What its requests meet."""
    updated_at: datetime
    """When it was last changed."""
    budget: BudgetState | None = None
    """Where the month's budget stands; absent without one, and in lists."""
    budget_cents_monthly: int | None = None
    """US cents in a calendar month; `null` is no limit."""
    expires_at: datetime | None = None
    """When it ends by itself."""
    max_concurrency: int | None = None
    """Calls at the same time, per provider; `null` is no limit."""
    paused_by: AbuseKind | None = None
    """The rule against abuse that paused it; absent where a person did."""
    rpd_limit: int | None = None
    """Requests in a UTC day, per provider; `null` is the deployment's default."""
    rpm_limit: int | None = None
    """Requests in any minute, per provider; `null` is the deployment's default."""
    tpm_limit: int | None = None
    """Tokens in any minute, per provider; `null` is no limit."""


class Agreement(Model):
    """An agreement with a vendor about the data that a credential's calls carry."""

    date: str
    """When it was signed (`YYYY-MM-DD`)."""
    link: str | None = None
    """Where it is."""


class ApiKey(Model):
    """A management key, without its value."""

    _decode = {
        "createdAt": time,
        "expiresAt": time,
        "lastUsedAt": time,
        "revokedAt": time,
    }

    created_at: datetime
    """When it was made."""
    id: str
    """The id."""
    name: str
    """The name."""
    role: Role
    """What it may do."""
    expires_at: datetime | None = None
    """When it ends by itself."""
    last_used_at: datetime | None = None
    """When it was last used, to the minute or so."""
    project_id: str | None = None
    """The project it is bound to; absent for the whole organization."""
    revoked_at: datetime | None = None
    """When it was revoked."""


class AuditCheckpoint(Model):
    """A signed statement about the log."""

    _decode = {
        "at": time,
    }

    at: datetime
    """When it was signed."""
    note: str
    """The C2SP signed note."""
    size: int
    """Records of the whole deployment's log."""


class AuditEntry(Model):
    """One change."""

    _decode = {
        "at": time,
    }

    action: str
    """The operation, as it is named in this description."""
    actor: str
    """Who: the id of a person, a management key or an agent; `system` for the server itself, `anonymous` for who
    did not prove who they are.
    """
    after: Any
    """What it is now; `null` for what is gone. Never a secret."""
    at: datetime
    """When."""
    before: Any
    """What it was; `null` for what is new. Never a secret."""
    seq: int
    """Its place in the organization's log: 1, 2, 3, … without gaps."""
    subject: str
    """What was changed: an id."""
    actor_name: str | None = None
    """Their address, or the key's name, while they exist."""
    address: str | None = None
    """The address that the request came from."""
    project_id: str | None = None
    """The project it belongs to, if it belongs to one."""
    request_id: str | None = None
    """The request's id, as in its `x-request-id`."""


class AuditKey(Model):
    """What checkpoints are checked with."""

    key: str
    """The verifier key of C2SP signed notes: name, id and Ed25519 key. Keep a copy of it where nobody of the
    server can change it.
    """


class ProvenRecord(Model):
    """A record of the log with the proof that it is in it."""

    index: int
    """Its index in the whole deployment's log, from 0."""
    leaf: str
    """Its bytes in base64: canonical CBOR, whose SHA-256 after a zero byte is the leaf."""
    proof: list[str]
    """The hashes from the leaf to the root, in base64 (RFC 6962, 2.1.1)."""
    record: Any
    """What the bytes say."""
    payload: str | None = None
    """Of a change: what was and what is, with its salt, whose SHA-256 the leaf holds. Absent once it was erased."""


class AuditProof(Model):
    """The proof that a call or a change is in the log."""

    _decode = {
        "records": many(one(ProvenRecord)),
    }

    checkpoint: str
    """The signed note that the proofs lead to."""
    format: str
    """`keystore-audit-proof/v1`."""
    records: list[ProvenRecord]
    """Its records."""


class AuditVerified(Model):
    """What was found."""

    ok: bool
    """Whether nothing is wrong."""
    records: int
    """Records that were looked at."""
    size: int
    """Records of the whole deployment that the checkpoint covers."""
    first_bad_index: int | None = None
    """The first record that is wrong."""
    problem: str | None = None
    """What is wrong with it."""


class AutoTopUp(Model):
    """How credit is topped up by itself."""

    _decode = {
        "notBefore": time,
    }

    by: Payer
    """Who pays."""
    card_saved: bool
    """Whether a card is saved."""
    failures: int
    """How many payments in a row were refused."""
    state: AutoTopUpState
    """Where things stand."""
    this_month: str
    """What was topped up by itself this month, or is about to be."""
    amount: str | None = None
    """By so much."""
    below: str | None = None
    """When less than this is left."""
    monthly: str | None = None
    """At most so much in a UTC month."""
    not_before: datetime | None = None
    """When the next is tried after one that was refused."""
    open: str | None = None
    """The payment that is open."""


class Promo(Model):
    """Credit that was given away."""

    _decode = {
        "expiresAt": time,
    }

    amount: str
    """How much it was."""
    id: str
    """The transaction that gave it."""
    left: str
    """How much of it is left."""
    expires_at: datetime | None = None
    """When the rest ends."""


class Balance(Model):
    """`GET /v1/billing/balance`: what an organization may still spend at the marketplace, and why."""

    _decode = {
        "promos": many(one(Promo)),
    }

    available: str
    """What calls may still cost: what was granted and the limit, less what was charged and is held."""
    charged: str
    """What calls were charged, ever."""
    granted: str
    """All that was ever paid in, given or given back, less what was taken out or expired."""
    held: str
    """What calls that run now may cost beside that."""
    limit: str
    """How far spending may go beyond that, to be paid by invoice; zero where everything is paid before."""
    promos: list[Promo]
    """What is left of credit that was given away, in the order in which it is used."""
    receivable: str
    """What is owed by invoices that are not paid."""


class BaseUrlVar(Model):
    """A variable that holds a base URL."""

    name: str
    """The variable."""
    path: str
    """What its value ends with, after `{proxy}/v1/<slug>`."""


class Raise(Model):
    """`POST /v1/budgets/{id}/raise`: another limit for the time being. It ends by itself."""

    _decode = {
        "until": time,
    }

    limit: str
    """The limit until then, in the unit."""
    until: datetime
    """When the budget's own limit is back."""


class Budget(Model):
    """A budget and where it stands in its present window."""

    _decode = {
        "createdAt": time,
        "raise": one(Raise),
        "resetsAt": time,
        "updatedAt": time,
    }

    action: BudgetAction
    """What happens at the limit."""
    created_at: datetime
    """When it was made."""
    held: str
    """Held by running calls."""
    id: str
    """The id."""
    limit: str
    """The limit, in the unit."""
    mode: BudgetMode
    """How it holds."""
    scope: BudgetScope
    """What it is narrowed to most."""
    spent: str
    """Used in this window; of a budget that counts each end user by itself, by the one that was asked for."""
    thresholds: list[int]
    """Percentages of the limit that are announced."""
    unit: Unit
    """What is counted."""
    updated_at: datetime
    """When it was last changed."""
    window: Window
    """How long the limit lasts."""
    agent_id: str | None = None
    """The agent it is narrowed to."""
    end_user: str | None = None
    """The end user it is narrowed to; `*` is each by itself."""
    model: str | None = None
    """The model it is narrowed to."""
    project_id: str | None = None
    """The project it is narrowed to."""
    provider: str | None = None
    """The provider it is narrowed to."""
    raise_: Raise | None = None
    """Another limit for the time being."""
    resets_at: datetime | None = None
    """When the window ends; absent for a total."""
    source: Source | None = None
    """The kind of credentials it is narrowed to."""


class CheckedBudget(Model):
    """A budget that a call would count against."""

    _decode = {
        "budget": one(Budget),
    }

    affords: bool
    """Whether the budget affords that."""
    budget: Budget
    """The budget, and where it stands."""
    needed: str
    """What the call would hold, in the unit."""


class BudgetCheck(Model):
    """Whether a call would be admitted, and what says so."""

    _decode = {
        "budgets": many(one(CheckedBudget)),
    }

    admitted: bool
    """Every budget that applies and denies would afford it."""
    budgets: list[CheckedBudget]
    """Every budget that applies."""
    cost: str | None = None
    """What it may cost at most, in dollars; absent when it has no price."""
    reason: str | None = None
    """Why it would not be admitted, in a sentence."""


class BudgetHold(Model):
    """What a running call holds against a budget. It ends with its call, however that ends."""

    _decode = {
        "since": time,
    }

    agent_id: str
    """The agent that called."""
    amount: str
    """What is held, in the unit of the budget."""
    id: str
    """The id."""
    provider: str
    """The provider."""
    request_id: str
    """The request that it is held for."""
    since: datetime
    """Since when."""
    model: str | None = None
    """The model that the request named."""


class BudgetWindow(Model):
    """What was used of a budget in one window."""

    _decode = {
        "start": time,
    }

    spent: str
    """Used in it, in the unit."""
    start: datetime
    """When it began."""


class PriceTier(Model):
    """Prices of requests whose input is long."""

    above_input_tokens: int
    """More input tokens than this, cached ones included."""
    units: dict[str, str]
    """Dollars for a million units, by the name of the unit."""


class CostPrice(Model):
    """What the operator pays."""

    _decode = {
        "tiers": many(one(PriceTier)),
    }

    units: dict[str, str]
    """Dollars for a million units, by the name of the unit as usage shows it. What is not named has the price of
    the list.
    """
    context_window: int | None = None
    """The most tokens of input and output together, where the list does not say: without it or `maxOutputTokens` a
    model that makes text is not sold.
    """
    max_output_tokens: int | None = None
    """The most tokens of output, where the list does not say."""
    tiers: list[PriceTier] | None = None
    """Prices of long input, ascending."""


class CreatedApiKey(Model):
    """The answer to `POST /v1/api-keys`."""

    _decode = {
        "apiKey": one(ApiKey),
    }

    api_key: ApiKey
    """The key."""
    key: str | None = None
    """The `ksm_` value, shown once; absent when the same request came before."""
    remedy: str | None = None
    """What to do where the value was shown and is lost."""
    secret_shown: bool | None = None
    """Whether the value was shown by an earlier answer to the same request."""


class CreatedToken(Model):
    """The answer to making or rotating a token."""

    _decode = {
        "agent": one(Agent),
        "expiresAt": time,
    }

    agent: Agent
    """The agent."""
    id: str
    """The token's id."""
    expires_at: datetime | None = None
    """When the token ends by itself."""
    remedy: str | None = None
    """What to do where the value was shown and is lost."""
    secret_shown: bool | None = None
    """Whether the value was shown by an earlier answer to the same request."""
    token: str | None = None
    """The `ks_` value, shown once; absent when the same request came before: then rotate."""


class Webhook(Model):
    """An address that events are told to."""

    _decode = {
        "createdAt": time,
        "failingSince": time,
        "previousSecretUntil": time,
        "updatedAt": time,
    }

    created_at: datetime
    """When it was made."""
    description: str
    """What it is for."""
    events: list[str]
    """What it is told of: kinds of events, groups such as `agent.*`, or `*`."""
    id: str
    """The id."""
    status: WebhookStatus
    """Whether events are sent to it."""
    updated_at: datetime
    """When it was last changed."""
    url: str
    """The address."""
    disabled_because: DisabledBecause | None = None
    """Why it is disabled, where nobody did it."""
    failing_since: datetime | None = None
    """Since when it takes nothing; absent where it does."""
    name: str | None = None
    """A name, unique in the organization."""
    previous_secret_until: datetime | None = None
    """Until when the secret before this one signs, too."""
    secret: str | None = None
    """The `whsec_` secret that messages are signed with: in the answer that makes it alone."""


class CreatedWebhook(Model):
    """The answer to `POST /v1/webhooks` and `POST /v1/webhooks/{webhook}/rotate-secret`."""

    _decode = {
        "endpoint": one(Webhook),
    }

    endpoint: Webhook
    """The webhook, with its secret, which is shown once; without it when the same request came before."""
    remedy: str | None = None
    """What to do where the secret was shown and is lost."""
    secret_shown: bool | None = None
    """Whether the secret was shown by an earlier answer to the same request."""


class UpstreamLimit(Model):
    """A limit of a vendor, as its answers tell it."""

    _decode = {
        "observedAt": time,
        "resetsAt": time,
    }

    observed_at: datetime
    """When the vendor said so."""
    subject: str
    """What is limited, in the vendor's words: `requests`, `tokens`, `input-tokens`, `requests-day`, …; `retry` for
    the end of a pause that the vendor asked for.
    """
    limit: int | None = None
    """How much there is in a window."""
    remaining: int | None = None
    """How much was left."""
    resets_at: datetime | None = None
    """When there is all of it again."""


class Credential(Model):
    """A credential, without its value."""

    _decode = {
        "agreements": named(one(Agreement)),
        "createdAt": time,
        "expiresAt": time,
        "lastUsedAt": time,
        "rotateAfter": time,
        "testedAt": time,
        "updatedAt": time,
        "upstreamLimits": many(one(UpstreamLimit)),
    }

    agreements: dict[str, Agreement]
    """Agreements."""
    created_at: datetime
    """When it was stored."""
    id: str
    """The id."""
    labels: list[str]
    """Labels."""
    name: str
    """The name."""
    params: dict[str, str]
    """What was given for the provider's URLs."""
    project_id: str
    """The project."""
    provider: str
    """The provider's slug."""
    source: Source
    """Whose it is."""
    status: CredentialStatus
    """What is known of its validity."""
    updated_at: datetime
    """When it was last changed."""
    version: int
    """The version in use, from 1."""
    base_url: str | None = None
    """Its base URL, where it has one of its own."""
    expires_at: datetime | None = None
    """When the vendor ends the key."""
    last_used_at: datetime | None = None
    """When it was last used, to the minute or so."""
    reseal_needed: bool | None = None
    """Whether its provider's hosts or its place in requests have changed since it was sealed. What it was sealed
    for is in force until `POST /v1/credentials/{id}/reseal`.
    """
    rotate_after: datetime | None = None
    """When it should be rotated."""
    tested_at: datetime | None = None
    """When it was last tested."""
    upstream_limits: list[UpstreamLimit] | None = None
    """What the vendor's answers said of its limits, as far as this server has seen."""


class CredentialTest(Model):
    """The answer to `POST /v1/credentials/{id}/test`. A refused credential is an answer, not an error."""

    _decode = {
        "credential": one(Credential),
    }

    credential: Credential
    """The credential as it stands now."""
    detail: str
    """What was found, in words that never hold the value."""
    verdict: TestVerdict
    """What was found."""
    latency_ms: int | None = None
    """How long the vendor took, in milliseconds."""
    upstream_status: int | None = None
    """The vendor's status, where it answered."""


class Customer(Model):
    """An organization as the operator's books know it."""

    balances: dict[str, str]
    """Its accounts, debit positive, credit negative. `revenue` less `cogs` is the margin."""
    charged: str
    """What calls were charged, ever."""
    granted: str
    """All that was ever paid in, given or given back, less what was taken out or expired."""
    limit: str
    """How far spending may go beyond that."""
    name: str
    """Its name."""
    org_id: str
    """The organization."""


class CustomerKey(Model):
    """The key that the organization holds itself."""

    key: str
    """Its name."""
    usable: bool
    """Whether it can be used now."""
    problem: str | None = None
    """What its KMS says when not."""
    remedy: str | None = None
    """What helps."""


class DeletedProject(Model):
    """The answer to deleting a project: what went with it."""

    agents: int
    """Agents."""
    api_keys: int
    """Management keys."""
    budgets: int
    """Budgets."""
    credentials: int
    """Credentials."""
    tokens: int
    """Their tokens."""


class Delivery(Model):
    """An event on its way to a webhook."""

    _decode = {
        "createdAt": time,
        "nextAt": time,
        "triedAt": time,
    }

    attempts: int
    """How often it was tried since it was made, or redelivered."""
    created_at: datetime
    """When it was made, or redelivered."""
    event: str
    """What happened."""
    event_id: str
    """The event: what `webhook-id` says, in every attempt."""
    id: str
    """The id."""
    status: DeliveryStatus
    """Where it stands."""
    webhook_id: str
    """The webhook."""
    answer: str | None = None
    """How the last answer began."""
    answer_status: int | None = None
    """The status of the last answer."""
    error: str | None = None
    """Why it was not taken."""
    next_at: datetime | None = None
    """When it is tried next; absent at its end. Later where the webhook as a whole fails."""
    tried_at: datetime | None = None
    """When it was last tried."""


class EndedSessions(Model):
    """The answer to it."""

    ended: int
    """How many ended."""


class Env(Model):
    """The variables that the vendor's SDKs read."""

    _decode = {
        "baseUrl": many(one(BaseUrlVar)),
    }

    base_url: list[BaseUrlVar]
    """Variables that hold the base URL."""
    key: list[str]
    """Variables that hold the key."""


class Event(Model):
    """Something that happened."""

    _decode = {
        "at": time,
    }

    at: datetime
    """When it was noticed."""
    data: Any
    """The facts; for budgets `threshold` (in percent), `spent`, `limit`, `unit` and `windowStart`; for keys
    `provider` and `name`, with the `host` that fails, the `version` that is refused, or `dueAt` and
    `withinDays`; for abuse `agent`, `rule`, `action`, what was `found` and the `threshold` (dollars or
    requests), and `windowSeconds`; for a key in an answer `agent`, `provider`, the `form` of the key, the
    `request`, and whether it was `takenOut`; for access `agent`, `agentId` and `provider`, with what is wanted
    and the agent's `reason`, or the `state`, what was `granted` and the `note`; for invoices `month`, `total`
    and `due`.
    """
    id: str
    """The id; ids ascend with time."""
    kind: str
    """What happened; `docs/operations.md` says what every kind means."""
    subject: str
    """The id of what it happened to."""
    project_id: str | None = None
    """The project that it belongs to, if it belongs to one."""


class Exposure(Model):
    """What may be lost with a customer."""

    at_risk: str
    """What may be lost: what it will have used beyond what was paid when the running calls cost what they hold."""
    billed: str
    """What it owes by invoices; part of `used`."""
    held: str
    """What its running calls hold."""
    limit: str
    """How far its spending may go beyond what was paid."""
    name: str
    """Its name; empty where it has ended."""
    org_id: str
    """The customer."""
    overdue: str
    """What of that is overdue."""
    used: str
    """What it has used beyond what was paid, billed or not."""


class Exposures(Model):
    """What may be lost."""

    _decode = {
        "data": many(one(Exposure)),
    }

    at_risk: str
    """What may be lost with all."""
    billed: str
    """What all owe by invoices."""
    data: list[Exposure]
    """By customer, those with the most at risk first."""
    held: str
    """What running calls of all hold."""
    overdue: str
    """What of it is overdue."""
    used: str
    """What all have used beyond what they paid."""


class Factors(Model):
    """`GET /v1/auth/factors`: the second factors of the caller."""

    _decode = {
        "passkeys": many(one(Passkey)),
        "totpSince": time,
    }

    passkeys: list[Passkey]
    """Passkeys."""
    recovery_codes_left: int
    """How many recovery codes are left."""
    required: bool
    """Whether an organization of the caller requires a second factor."""
    totp_since: datetime | None = None
    """Since when one-time codes are asked for; absent where they are not."""


class Field(Model):
    """A field of a secret."""

    label: str
    """Its name for people."""
    name: str
    """Its name."""
    required: bool
    """Whether it must be given."""
    secret: bool
    """Whether it is secret."""


class Flags(Model):
    """Marks on a charge; what is false is absent."""

    estimated: bool | None = None
    """The vendor reported no usage; it was estimated."""
    external: bool | None = None
    """The vendor bills it in another way."""
    over_hold: bool | None = None
    """The vendor reported more than was held."""
    unpriced: bool | None = None
    """There was no price."""


class Generation(Model):
    """A generation of the organization's key-encryption key."""

    _decode = {
        "createdAt": time,
        "verifiedAt": time,
    }

    created_at: datetime
    """When it was made."""
    credential_versions: int
    """How many credential versions are sealed under it."""
    generation: int
    """Its number, from 1."""
    imported: bool
    """Whether a customer made the key."""
    state: GenerationState
    """What it is still used for."""
    wraps: int
    """How often it may have wrapped a key: never less than it has."""
    customer_key: str | None = None
    """The organization's own key that wraps it."""
    verified_at: datetime | None = None
    """When it was last seen that nothing is sealed under it and that everything opens."""


class HashedAuditValue(Model):
    """How it stands there."""

    hash: str
    """HMAC-SHA256 under a key of the organization, the first 16 bytes in hexadecimal."""


class Host(Model):
    """A further host."""

    alias: str
    """The name after `~`."""
    url: str
    """Where it is."""


class Invitation(Model):
    """An open invitation."""

    _decode = {
        "createdAt": time,
        "expiresAt": time,
    }

    created_at: datetime
    """When it was made."""
    email: str
    """Who is invited."""
    expires_at: datetime
    """When it ends."""
    id: str
    """The id."""
    role: Role
    """The role they will have."""
    invited_by: str | None = None
    """The person who answers for it."""


class InvoiceLine(Model):
    """A line of an invoice."""

    amount: str
    """The same in whole cents."""
    billed_by: str
    """`operator`, or `provider` for what was used with a key of the customer's own: it costs nothing here."""
    calls: int
    """In how many calls."""
    exact: str
    """What it costs exactly."""
    item: str
    """What was used: a unit of usage; `held` where nobody knows; the kind of a correction."""
    model: str
    """The model; empty where none was named."""
    project: str
    """Its name when the month closed."""
    provider: str
    """The provider's slug; empty for a correction."""
    units: int
    """How much of it."""
    project_id: str | None = None
    """The project; absent for a correction."""


class InvoiceTax(Model):
    """A tax on an invoice."""

    amount: str
    """The tax."""
    base: str
    """What is taxed."""
    name: str
    """The name."""
    per_mille: int
    """The rate in thousandths."""


class Party(Model):
    """Who sells or buys."""

    name: str
    """The name, 1 to 200 characters."""
    address: list[str] | None = None
    """The lines of the address, at most 8."""
    tax_id: str | None = None
    """The number under which it is known for taxes."""


class Invoice(Model):
    """An invoice."""

    _decode = {
        "buyer": one(Party),
        "lines": many(one(InvoiceLine)),
        "seller": one(Party),
        "taxes": many(one(InvoiceTax)),
    }

    buyer: Party
    """Who is billed."""
    currency: str
    """`USD`."""
    due: str
    """What was left to be paid."""
    from_credit: str
    """What of it credit has paid; negative where something from before is due with it."""
    issued_on: str
    """The date of the invoice."""
    lines: list[InvoiceLine]
    """The lines."""
    month: str
    """The UTC month that is billed."""
    number: str
    """The number, without gaps in each year."""
    org_id: str
    """The organization that is billed."""
    rounding: str
    """The lines in cents less the exact ones."""
    seller: Party
    """Who bills."""
    subtotal: str
    """The sum of the lines."""
    tax: str
    """The sum of the taxes."""
    taxes: list[InvoiceTax]
    """The taxes."""
    total: str
    """What the month costs."""


class InvoiceSummary(Model):
    """An invoice in a list."""

    _decode = {
        "createdAt": time,
    }

    created_at: datetime
    """When it was made."""
    due: str
    """What was left to be paid."""
    month: str
    """The UTC month that is billed."""
    number: str
    """The number."""
    org_id: str
    """The organization that is billed."""
    total: str
    """What the month costs."""


class KekImport(Model):
    """A public key for one import."""

    _decode = {
        "expiresAt": time,
    }

    algorithm: str
    """How to wrap a key of 32 bytes under it: RSAES-OAEP, with SHA-256 for the hash and for MGF1."""
    expires_at: datetime
    """Until when it waits."""
    id: str
    """Its id."""
    public_key: str
    """The public key in PEM: RSA of 3,072 bits."""


class KekJob(Model):
    """What is being done to the keys, or was done last."""

    _decode = {
        "endedAt": time,
        "startedAt": time,
    }

    done: int
    """How many credential versions were looked at in this step."""
    failed: int
    """How many of them do not open."""
    started_at: datetime
    """When it began."""
    step: JobStep
    """What is done."""
    total: int
    """How many there were when it began."""
    ended_at: datetime | None = None
    """When it was over."""
    problem: str | None = None
    """What went wrong last."""


class KekStatus(Model):
    """`GET /v1/kek`, and the answer to every change: the organization's keys."""

    _decode = {
        "customerKey": one(CustomerKey),
        "generations": many(one(Generation)),
        "job": one(KekJob),
    }

    generations: list[Generation]
    """The generations, the oldest first."""
    max_age_days: int
    """After so many days there is another generation by itself."""
    max_wraps: int
    """After so many wraps there is another generation by itself."""
    customer_key: CustomerKey | None = None
    """The key that the organization holds itself, if it does."""
    job: KekJob | None = None
    """What is being done, or was done last."""


class KeyPlan(Model):
    """How the key of a pooled credential is renewed."""

    _decode = {
        "dueAt": time,
    }

    credential: str
    """The credential."""
    driver: Driver
    """Who makes and revokes its keys."""
    overlap_seconds: int
    """How long both keys serve, in seconds."""
    account: str | None = None
    """Where the vendor keeps the keys."""
    admin: str | None = None
    """The credential that the vendor's API for keys takes."""
    due_at: datetime | None = None
    """When the next rotation begins by itself."""
    every_days: int | None = None
    """How often a rotation begins by itself, in days."""
    vendor_key: str | None = None
    """The vendor's id of the key that is in use."""


class LabelRule(Model):
    """A label and what it allows."""

    agreements: list[str]
    """Kinds of agreements that must be on record with the credential."""
    built_in: bool
    """Whether it holds without anybody having set it."""
    customer_key: bool
    """Whether the credential must be under a key that the organization holds itself."""
    hosts: list[str]
    """The hosts that may be called; empty is all."""
    label: str
    """The label."""
    providers: list[str]
    """The providers that may be called; empty is all."""
    sources: list[Source]
    """Whose credentials may serve; empty is anybody's."""


class Limits(Model):
    """Ceilings over all agents and providers; `null` does not limit."""

    max_concurrency: int | None = None
    """Calls at the same time."""
    rpd_limit: int | None = None
    """Requests in a UTC day."""
    rpm_limit: int | None = None
    """Requests in any minute."""
    tpm_limit: int | None = None
    """Tokens of input and output in any minute."""


class TypicalCall(Model):
    """What a call costs about."""

    cost: str
    """What it costs, in dollars."""
    model: str
    """The model, or the row of the price list."""


class Listing(Model):
    """A provider that is sold."""

    _decode = {
        "typicalCall": one(TypicalCall),
    }

    available: bool
    """Whether the pool has a key that serves the organization."""
    category: str
    """What kind of provider it is."""
    enabled: bool
    """Whether the organization has enabled it."""
    models: int
    """How many models, or other things, have a price."""
    name: str
    """Its name for people."""
    provider: str
    """The provider's slug."""
    typical_call: TypicalCall | None = None
    """What a typical call costs: of a model of middling price 1,000 tokens of input and 500 of output, else one of
    the cheapest thing that is sold.
    """


class ListingPrice(Model):
    """What an organization pays for a model."""

    model: str
    """The model, or the row of the price list."""
    units: dict[str, str]
    """Dollars for a million units, by the name of the unit as usage shows it."""


class ListingDetail(Model):
    """A provider that is sold, with its prices."""

    _decode = {
        "typicalCall": one(TypicalCall),
        "prices": many(one(ListingPrice)),
    }

    available: bool
    """Whether the pool has a key that serves the organization."""
    category: str
    """What kind of provider it is."""
    enabled: bool
    """Whether the organization has enabled it."""
    models: int
    """How many models, or other things, have a price."""
    name: str
    """Its name for people."""
    provider: str
    """The provider's slug."""
    price_version: int
    """The version of the price book."""
    prices: list[ListingPrice]
    """What the organization pays, by model."""
    typical_call: TypicalCall | None = None
    """What a typical call costs: of a model of middling price 1,000 tokens of input and 500 of output, else one of
    the cheapest thing that is sold.
    """


class Markup(Model):
    """What is put on a price: first a share, then an amount."""

    per_million: str | None = None
    """Dollars for a million units."""
    percent: str | None = None
    """Per cent with at most two decimals, -100 to 10,000."""
    unit: str | None = None
    """Only on this unit, by its name in usage; on all when absent."""


class OrgRef(Model):
    """An organization by its names."""

    id: str
    """The id."""
    name: str
    """The name."""
    slug: str
    """The name in URLs."""


class User(Model):
    """A person."""

    email: str
    """The address."""
    email_verified: bool
    """Whether they confirmed their address. Where the server sends mails, who did not can look and change nothing."""
    id: str
    """The id."""
    name: str
    """The name."""


class Me(Model):
    """`GET /v1/auth/me`: who the caller is, and where the data plane is."""

    _decode = {
        "expiresAt": time,
        "org": one(OrgRef),
        "user": one(User),
    }

    org: OrgRef
    """The organization that the caller speaks for."""
    proxy_url: str
    """The data plane's address, without a trailing slash."""
    role: Role
    """The role."""
    via: Via
    """How it signed in."""
    api_key_id: str | None = None
    """The management key; absent for a session."""
    api_key_name: str | None = None
    """The management key's name."""
    expires_at: datetime | None = None
    """When the session or key ends."""
    project_id: str | None = None
    """The project that a management key is bound to."""
    second_factor_missing: bool | None = None
    """Whether the organization requires a second factor that this session lacks: until one is set up, everything
    else is refused.
    """
    user: User | None = None
    """The person; absent for a management key."""


class Member(Model):
    """A member."""

    _decode = {
        "createdAt": time,
    }

    created_at: datetime
    """Since when."""
    email: str
    """Their address."""
    name: str
    """Their name."""
    role: Role
    """What they may do."""
    user_id: str
    """The person."""


class MemberChange(Model):
    """The answer to taking rights away: what the person had handed out goes with them."""

    _decode = {
        "member": one(Member),
        "revokedApiKeys": many(one(ApiKey)),
        "withdrawnInvitations": many(one(Invitation)),
    }

    member: Member
    """The member, as they are now or were last."""
    revoked_api_keys: list[ApiKey]
    """Management keys that were revoked, because they could do more than the person who answers for them."""
    withdrawn_invitations: list[Invitation]
    """Invitations that were withdrawn for the same reason."""


class Membership(Model):
    """An organization and what the caller is in it."""

    id: str
    """The organization's id."""
    name: str
    """Its name."""
    role: Role
    """The role in it."""
    slug: str
    """Its name in URLs."""


class MigrationEffect(Model):
    """What a move would do."""

    calls: int
    """Calls of these agents in the last 30 days."""
    cost: str
    """What they cost."""
    notes: list[str]
    """What is otherwise there, in words: limits, who bills, whose quota."""
    unpriced: list[str]
    """Models that they used and that have no price there."""
    cost_there: str | None = None
    """What the same tokens would have cost there; absent where a model that they used has no price there."""


class MovedAgent(Model):
    """An agent that moved, or would."""

    id: str
    """The agent."""
    name: str
    """Its name."""
    from_credential_id: str | None = None
    """The credential before, of `byok`."""
    obstacles: list[str] | None = None
    """What keeps it from moving; of a dry run alone."""
    to_credential_id: str | None = None
    """The credential after, of `byok`."""


class Migration(Model):
    """A move of grants, or what one would do."""

    _decode = {
        "agents": many(one(MovedAgent)),
        "at": time,
        "effect": one(MigrationEffect),
        "undoneAt": time,
    }

    agents: list[MovedAgent]
    """The agents that moved, each with where it was."""
    provider: str
    """The provider's slug."""
    to: Source
    """Where to."""
    at: datetime | None = None
    """When it was made."""
    effect: MigrationEffect | None = None
    """What the last 30 days would have cost there; of a dry run alone."""
    id: str | None = None
    """Its id; absent of a dry run."""
    undone_at: datetime | None = None
    """When it was undone."""


class Operation(Model):
    """An operation that is known by name."""

    billing: Billing
    """How it is billed."""
    closed: bool
    """Whether it makes or shows credentials: closed to every agent."""
    methods: list[str]
    """Its methods; empty is every method."""
    name: str
    """Its name."""
    path: str
    """Its path pattern."""
    access: Access | None = None
    """Whether it reads or writes; absent goes by the method."""


class Operator(Model):
    """`POST /v1/operator`: the organization in which the operator acts, with a key for it."""

    org_id: str
    """The organization."""
    api_key: str | None = None
    """A management key of it, shown this once; absent where the organization was there already."""


class Org(Model):
    """An organization."""

    _decode = {
        "createdAt": time,
        "updatedAt": time,
    }

    created_at: datetime
    """When it was made."""
    event_mails: bool
    """Whether its events are mailed to its owners and admins."""
    id: str
    """The id."""
    name: str
    """The name."""
    second_factor_required: bool
    """Whether its members need a second factor: who has none can only set one up."""
    slug: str
    """The name in URLs, unique in the deployment."""
    time_zone: str
    """The IANA time zone whose days, weeks and months its budgets follow."""
    updated_at: datetime
    """When it was last changed."""


class Param(Model):
    """A part of a URL that is given with the credential and is not secret."""

    description: str
    """What to give."""
    name: str
    """Its name."""
    pattern: str
    """A regular expression that the whole value must match."""


class PasskeyCreation(Model):
    """The answer to `POST /v1/auth/passkeys/begin`: what `navigator.credentials.create` is asked for."""

    algorithms: list[int]
    """The algorithms that are taken, the best first (COSE)."""
    challenge: str
    """The challenge; it holds for five minutes."""
    exclude: list[str]
    """The ids of passkeys that there are already."""
    origin: str
    """The origin of the page that must ask."""
    rp_id: str
    """The domain that the passkey is for."""
    user_display_name: str
    """Their name."""
    user_id: str
    """The person, as the authenticator keeps them."""
    user_name: str
    """Their address."""


class PasskeyRequest(Model):
    """The answer to it: what `navigator.credentials.get` is asked for."""

    allow: list[str]
    """The ids that are asked for; none for a sign-in with a passkey alone, where the authenticator knows whose it
    is.
    """
    challenge: str
    """The challenge; it holds for five minutes."""
    origin: str
    """The origin of the page that must ask."""
    rp_id: str
    """The domain that the passkey is for."""
    user_verification: bool
    """Whether it must be verified who is there."""


class Payment(Model):
    """A payment that began by itself and is open."""

    _decode = {
        "createdAt": time,
    }

    amount: str
    """How much it is."""
    asks: int
    """How often the card was asked for it."""
    by: Payer
    """Where it comes from."""
    created_at: datetime
    """When it began."""
    id: str
    """The payment."""
    org_id: str
    """Who pays."""
    session: str | None = None
    """Stripe's name for it, once it has one."""


class PoolHealth(Model):
    """How a key does."""

    _decode = {
        "usableAt": time,
    }

    in_flight: int
    """Calls that run on it."""
    left_permille: int
    """How much of the vendor's limit is left, in thousandths, as far as it is known."""
    state: str
    """`idle` (not called since the start), `usable`, `cooling` (at the vendor's limit), `key_refused` or
    `draining`.
    """
    usable_at: datetime | None = None
    """When it is used again, of one that cools."""


class PoolCredential(Model):
    """A key in a pool."""

    _decode = {
        "createdAt": time,
        "expiresAt": time,
        "health": one(PoolHealth),
    }

    created_at: datetime
    """When it was added."""
    health: PoolHealth
    """How it does on this node."""
    id: str
    """The credential."""
    name: str
    """Its name."""
    provider: str
    """The provider's slug."""
    state: str
    """`pending`, `verified`, `active`, `draining` or `revoked`."""
    status: CredentialStatus
    """What is known of whether the vendor takes it."""
    version: int
    """The version in use."""
    weight: int
    """Its share of the calls."""
    dedicated_to: str | None = None
    """The one organization that it serves."""
    expires_at: datetime | None = None
    """When the vendor ends the key."""
    max_concurrency: int | None = None
    """Calls at the same time, where that is limited."""


class PoolRule(Model):
    """The rule of a pool: when a vendor holds so many calls of a customer to break its rules for use, the operator
    is told, or the customer is paused there.
    """

    action: str
    """`off`, `alert` or `pause`."""
    provider: str
    """The provider's slug."""
    threshold: int
    """So many answers within the window are too many."""
    window_seconds: int
    """How long the window is."""


class PoolRules(Model):
    """The rules of the pools."""

    _decode = {
        "data": many(one(PoolRule)),
    }

    data: list[PoolRule]
    """By provider. A pool that is not there has none."""


class PoolTenant(Model):
    """What the operator says of a customer inside a pool."""

    org_id: str
    """The customer."""
    provider: str
    """The provider's slug."""
    weight: int
    """Its share of the grants while the pool is busy, against the other customers that wait."""
    max_concurrency: int | None = None
    """The most calls that it has running there at the same time."""
    paused_by: str | None = None
    """Who has paused it: `operator` or `rule`. Absent where it is served."""


class PoolTenants(Model):
    """What was said of customers."""

    _decode = {
        "data": many(one(PoolTenant)),
    }

    data: list[PoolTenant]
    """By provider and organization. Who is not there has weight 1, no cap, and is not paused."""


class PoolUse(Model):
    """A sum. What was not grouped by is absent."""

    _decode = {
        "from": time,
    }

    failed_over: int
    """Calls that went on with another key."""
    granted: int
    """Calls that got a key."""
    most_used_permille: int
    """The largest share of the vendor's own limit that was used, in thousandths, as far as the vendor said it."""
    refused: int
    """Calls that got none: the pool was full, or had no key that works."""
    waited: int
    """Those of them that waited for it."""
    waited_ms: int
    """How long these waited, together, in milliseconds."""
    credential_id: str | None = None
    """The pooled credential; absent also for calls that got none."""
    from_: datetime | None = None
    """When the hour or the UTC day began."""
    org_id: str | None = None
    """The customer."""
    provider: str | None = None
    """The provider's slug."""


class PoolUseReport(Model):
    """How the pools were used."""

    _decode = {
        "rows": many(one(PoolUse)),
        "since": time,
        "total": one(PoolUse),
        "until": time,
    }

    rows: list[PoolUse]
    """The sums."""
    since: datetime
    """From the hour of this time on."""
    total: PoolUse
    """All of them together."""
    until: datetime
    """Up to the hour of this time, itself included."""


class Price(Model):
    """Prices of a model."""

    _decode = {
        "setAt": time,
    }

    model: str
    """The model."""
    provider: str
    """The provider (slug)."""
    units: dict[str, str]
    """Dollars for a million units, by the name of the unit as usage shows it."""
    context_window: int | None = None
    """The most tokens of input and output together, where that is known."""
    max_output_tokens: int | None = None
    """The most tokens of output, where that is known."""
    set_at: datetime | None = None
    """When the organization set it; absent for a price of the list alone."""


class SellPrice(Model):
    """What customers pay."""

    _decode = {
        "tiers": many(one(PriceTier)),
    }

    units: dict[str, str]
    """Dollars for a million units, by the name of the unit. What is not named is sold at cost with its markup."""
    tiers: list[PriceTier] | None = None
    """Prices of long input, ascending."""


class PriceRule(Model):
    """A rule of the price book. Exactly one of `cost`, `markup` and `sell` is given. Of several rules of a kind
    the nearest counts: one for the organization before one for all, then one for the model, for names like it,
    for the provider; then the one in force since later.
    """

    _decode = {
        "cost": one(CostPrice),
        "effectiveFrom": time,
        "effectiveTo": time,
        "markup": one(Markup),
        "sell": one(SellPrice),
    }

    cost: CostPrice | None = None
    """What the operator pays the vendor, where the list says otherwise or nothing."""
    effective_from: datetime | None = None
    """In force from then; since ever when absent."""
    effective_to: datetime | None = None
    """In force until then; until further notice when absent."""
    markup: Markup | None = None
    """What is put on what the operator pays."""
    model: str | None = None
    """Only this model, `*` at the end standing for the rest of a name; for operations without a model the row of
    the list, or the operation's name.
    """
    org: str | None = None
    """Only for this organization (id)."""
    provider: str | None = None
    """Only this provider (slug); all when absent."""
    sell: SellPrice | None = None
    """What customers pay, whatever the operator does."""


class SetListing(Model):
    """`POST /v1/operator/listings`: whether customers see a provider and can enable it. Who has enabled it keeps
    it.
    """

    provider: str
    """The provider's slug."""
    published: bool
    """Whether it is published; else it is hidden."""


class PriceBook(Model):
    """The price book."""

    _decode = {
        "listings": many(one(SetListing)),
        "rules": many(one(PriceRule)),
    }

    listings: list[SetListing]
    """What is sold."""
    rules: list[PriceRule]
    """The rules, oldest first; the number of a rule is its place, from 0."""
    version: int
    """The version in force; 0 while nobody has written."""


class PriceChange(Model):
    """What a change of the price book does."""

    _decode = {
        "added": many(one(PriceRule)),
        "removed": many(one(PriceRule)),
    }

    added: list[PriceRule]
    """The rules that came."""
    removed: list[PriceRule]
    """The rules that went."""
    version: int
    """The version that is in force now, or would be."""


class Project(Model):
    """A project: what holds credentials, agents and budgets."""

    _decode = {
        "createdAt": time,
        "updatedAt": time,
    }

    created_at: datetime
    """When it was made."""
    id: str
    """The id."""
    labels: list[str]
    """Labels, such as `phi`."""
    name: str
    """The name."""
    slug: str
    """The name in URLs and commands, unique in the organization."""
    updated_at: datetime
    """When it was last changed."""


class Provider(Model):
    """All that is known of a provider."""

    _decode = {
        "env": one(Env),
        "fields": many(one(Field)),
        "hosts": many(one(Host)),
        "operations": many(one(Operation)),
        "params": many(one(Param)),
    }

    category: str
    """The category."""
    env: Env
    """The variables that the vendor's SDKs read."""
    fields: list[Field]
    """The fields of a credential's secret; the main one is `key`."""
    hosts: list[Host]
    """Further hosts, reached as `/v1/<slug>~<alias>/…`."""
    name: str
    """The name for people."""
    operations: list[Operation]
    """The operations that are known by name."""
    params: list[Param]
    """What a credential has to give besides secrets."""
    priced_models: int
    """How many models have a price."""
    self_hosted: bool
    """Whether a credential may name a base URL of its own."""
    slug: str
    """The name in paths, scopes and commands."""
    testable: bool
    """Whether a credential can be tested."""
    unverified: list[str]
    """Parts of this description that were not confirmed with the vendor."""
    auth: list[str] | None = None
    """How the credential is put into requests: kinds and places, never values."""
    base_url: str | None = None
    """The base URL, perhaps with `{param}`; absent where it must be given with the credential."""
    custom: bool | None = None
    """Whether the organization defined it for itself."""
    definition: dict[str, Any] | None = None
    """The definition of a custom one."""
    docs_url: str | None = None
    """The vendor's documentation."""
    prices: dict[str, Any] | None = None
    """The prices of a custom one."""


class ProviderSummary(Model):
    """A provider in a list."""

    category: str
    """The category."""
    name: str
    """The name for people."""
    slug: str
    """The name in paths, scopes and commands."""
    custom: bool | None = None
    """Whether the organization defined it for itself."""
    docs_url: str | None = None
    """The vendor's documentation."""


class ReconciledDay(Model):
    """A day of it."""

    billed: str
    """What the vendor bills."""
    day: str
    """The UTC day."""
    drift: str
    """The difference."""
    metered: str
    """What its calls were thought to cost."""
    transaction_id: str | None = None
    """The transaction of the operator's books that holds the difference, once it is posted. A day is posted once."""


class Reconciliation(Model):
    """What came of it."""

    _decode = {
        "days": many(one(ReconciledDay)),
    }

    billed: str
    """What the vendor bills for all of them."""
    days: list[ReconciledDay]
    """Day by day."""
    drift: str
    """How much more the vendor bills; negative where it bills less."""
    metered: str
    """What it was thought to cost."""
    provider: str
    """The provider's slug."""


class RecoveryCodes(Model):
    """Recovery codes, shown once: each is good once in place of the second factor. None where those before hold
    on.
    """

    recovery_codes: list[str]
    """The codes."""


class Refreshed(Model):
    """The answer to `POST /v1/auth/refresh`: a new value for the same session; the old one ends at once."""

    _decode = {
        "expiresAt": time,
    }

    expires_at: datetime
    """When it ends."""
    token: str
    """The new value."""


class RequestHold(Model):
    """A budget that a call was held against."""

    _decode = {
        "windowStart": time,
    }

    amount: str
    """What was held, in the unit: the most that the call could use."""
    budget_id: str
    """The budget, or its counter for one end user."""
    unit: Unit
    """What it counts."""
    window_start: datetime
    """When the window began in which it counts."""


class Steps(Model):
    """When a call came to its steps, in microseconds. Each but the first counts from its admission; 0 for a step
    that it did not come to.
    """

    answered_us: int
    """The head of the vendor's answer was there."""
    checked_us: int
    """From the head of the request to its admission: token, grant, rates, the wait for a place at a pool, the
    body, its price. Of a second attempt 0.
    """
    recorded_us: int
    """The intent was durable."""
    sending_us: int
    """The credential was opened and in its place, a connection was there, and what permits the call still stood."""


class Request(Model):
    """One proxied request, or one refusal."""

    _decode = {
        "at": time,
        "endedAt": time,
        "flags": one(Flags),
        "held": many(one(RequestHold)),
        "steps": one(Steps),
    }

    agent_id: str
    """The agent."""
    at: datetime
    """When it was admitted or refused."""
    cost: str
    """What it cost, in US dollars."""
    count: int
    """How many like requests this row stands for; more than 1 only for coalesced refusals."""
    ended_at: datetime
    """When it ended."""
    first_byte_us: int
    """From admission to the first byte of the answer's body, in microseconds; 0 when there was none."""
    flags: Flags
    """Marks on the charge."""
    id: str
    """The id, as in `x-keystore-request-id`."""
    project_id: str
    """The project."""
    provider: str
    """The provider."""
    request_bytes: int
    """Bytes of the request's body."""
    response_bytes: int
    """Bytes of the answer's body."""
    status: int
    """The upstream's status, or that of our refusal where nothing was attempted; 0 when no answer came."""
    token_id: str
    """The token."""
    total_us: int
    """From admission to the end, in microseconds."""
    usage: dict[str, int]
    """Units by bucket, such as `input_uncached`; what is 0 is absent."""
    agent_name: str | None = None
    """The agent's name, while it exists."""
    attempt_id: str | None = None
    """The attempt at the upstream; absent for a refusal."""
    code: str | None = None
    """The code of our own refusal or error, where the client was given one."""
    credential_id: str | None = None
    """The credential."""
    credential_version: int | None = None
    """Its version."""
    end_user: str | None = None
    """For whom it was made, where the agent must say so."""
    ending: Ending | None = None
    """How the attempt ended; absent for a refusal."""
    held: list[RequestHold] | None = None
    """What was held against which budgets while it ran; absent for a refusal, and without a budget."""
    method: str | None = None
    """The HTTP method."""
    model: str | None = None
    """The model that was asked for."""
    operation: str | None = None
    """The operation's name."""
    path: str | None = None
    """The upstream path, without its query."""
    served_model: str | None = None
    """The model that the vendor says it served."""
    source: Source | None = None
    """Whose credential."""
    steps: Steps | None = None
    """When it came to its steps; absent for a refusal, after a crash, and for calls that were recorded before this
    was.
    """


class Revocation(Model):
    """Something that is stopped until it is lifted."""

    _decode = {
        "createdAt": time,
    }

    created_at: datetime
    """Since when."""
    id: str
    """The id that it is lifted by."""
    scope: RevocationScope
    """What kind of thing is stopped: `org`, `project` or `provider`."""
    subject: str
    """Its id, or the slug of the provider."""
    reason: str | None = None
    """Why."""


class Revoked(Model):
    """The answer to `POST /v1/revocations`. When it is given, no request that arrives later is forwarded."""

    propagated: bool
    """Every call that was under way and concerned has ended, too. If not, the rest of them end within a second."""
    scope: RevocationScope
    """What kind of thing was stopped."""
    streams_cut: int
    """How many calls that were under way were cut, up to this answer."""
    subject: str
    """Its id, or the slug of the provider."""
    waited_ms: int
    """How long that was waited for, in milliseconds."""
    id: str | None = None
    """The id that it is lifted by; absent for an agent and a token, which are revoked for good."""


class Rotation(Model):
    """A rotation."""

    _decode = {
        "createdAt": time,
        "endedAt": time,
        "retryAt": time,
        "since": time,
    }

    created_at: datetime
    """When it began."""
    driver: Driver
    """Who makes and revokes the keys."""
    failures: int
    """How often something failed in this step."""
    id: str
    """Its id."""
    key_name: str
    """The name of the new key at the vendor, which no other key there has."""
    old: str
    """The credential whose key goes."""
    provider: str
    """The provider's slug."""
    since: datetime
    """When the step began."""
    step: Step
    """How far it is."""
    ended_at: datetime | None = None
    """When it was over."""
    new: str | None = None
    """The credential that takes its place, once there is one."""
    new_key: str | None = None
    """The vendor's id of the new key."""
    old_key: str | None = None
    """The vendor's id of the old key."""
    problem: str | None = None
    """What failed last."""
    retry_at: datetime | None = None
    """When it is tried again, of one that failed."""
    waits_for: WaitsFor | None = None
    """What the operator has to do for it to go on."""


class Sale(Model):
    """A sum. What was not grouped by is absent."""

    calls: int
    """Calls."""
    failed_over: int
    """Calls that went on with another key."""
    margin: str
    """The difference."""
    sold: str
    """What customers were charged."""
    vendor_cost: str
    """What it costs the operator, by the prices in the book."""
    credential_id: str | None = None
    """The pooled credential."""
    day: str | None = None
    """The UTC day."""
    org_id: str | None = None
    """The customer."""
    provider: str | None = None
    """The provider's slug."""


class SalesReport(Model):
    """What was sold."""

    _decode = {
        "rows": many(one(Sale)),
        "total": one(Sale),
    }

    rows: list[Sale]
    """The sums."""
    since: str
    """From this UTC day on."""
    total: Sale
    """All of them together."""
    until: str
    """Up to this UTC day, itself included."""


class Session(Model):
    """A session of the caller. Its value is shown nowhere."""

    _decode = {
        "createdAt": time,
        "expiresAt": time,
        "lastUsedAt": time,
    }

    created_at: datetime
    """When it began."""
    current: bool
    """Whether it is the one that asks."""
    expires_at: datetime
    """When it ends unless it is used."""
    id: str
    """The id."""
    last_used_at: datetime
    """When it was last used, to the minute or so."""
    org_id: str
    """The organization that it speaks for."""
    address: str | None = None
    """The address from which it began."""
    client: str | None = None
    """The program in which it began, as that named itself, shortened. Whoever signs in chooses it: it proves
    nothing.
    """


class Shredded(Model):
    """What was shredded, and what that does not reach."""

    credential_versions: int
    """How many credential versions cannot be opened any more."""
    generations: int
    """How many generations were destroyed."""
    statement: str
    """What is true of backups."""


class SignedIn(Model):
    """The answer to signing in."""

    _decode = {
        "expiresAt": time,
        "orgs": many(one(Membership)),
        "user": one(User),
    }

    expires_at: datetime
    """When the session ends unless it is refreshed."""
    org_id: str
    """The organization that the session speaks for."""
    orgs: list[Membership]
    """Every organization that the person belongs to."""
    token: str
    """The session, shown once."""
    user: User
    """The person."""


class SignedUp(Model):
    """The answer to signing up."""

    _decode = {
        "expiresAt": time,
        "org": one(OrgRef),
        "user": one(User),
    }

    expires_at: datetime
    """When the session ends unless it is refreshed."""
    org: OrgRef
    """The organization that was made."""
    token: str
    """The session, shown once."""
    user: User
    """The person."""


class Tax(Model):
    """A tax that an organization is billed."""

    name: str
    """The name, 1 to 100 characters."""
    per_mille: int
    """The rate in thousandths of the taxed amount, 0 to 1,000: 190 is 19 percent."""
    providers: list[str] | None = None
    """On lines of these providers (slugs) only; on every line where there is none."""


class Terms(Model):
    """How an organization pays."""

    _decode = {
        "party": one(Party),
        "taxes": many(one(Tax)),
    }

    limit: str
    """How far spending may go beyond what was paid."""
    org_id: str
    """The organization."""
    party: Party
    """Who it is on invoices."""
    taxes: list[Tax]
    """The taxes that it is billed."""


class Token(Model):
    """A token, without its value."""

    _decode = {
        "createdAt": time,
        "expiresAt": time,
        "lastUsedAt": time,
        "revokedAt": time,
    }

    agent_id: str
    """The agent."""
    agent_name: str
    """The agent's name."""
    created_at: datetime
    """When it was made."""
    id: str
    """The id."""
    name: str
    """The name."""
    status: TokenStatus
    """Whether it holds."""
    expires_at: datetime | None = None
    """When it ends by itself."""
    last_used_at: datetime | None = None
    """When it was last used, to the minute or so."""
    revoked_at: datetime | None = None
    """When it was revoked."""


class TopUp(Model):
    """A top-up that is begun."""

    amount: str
    """How much it is."""
    id: str
    """The payment."""
    url: str
    """The page on which it can be paid."""


class Totals(Model):
    """Sums."""

    cache_read_tokens: int
    """Input tokens read from a cache."""
    cache_write_tokens: int
    """Input tokens written to a cache."""
    calls: int
    """Calls that reached a provider."""
    cost: str
    """The cost in US dollars."""
    errors: int
    """Of these, how many ended in an error."""
    input_tokens: int
    """Input tokens that met no cache."""
    output_tokens: int
    """Output tokens without reasoning."""
    reasoning_tokens: int
    """Output tokens spent on reasoning."""
    refused: int
    """Requests that were refused."""
    held: str | None = None
    """What calls that run now may cost beside that, in US dollars; where no budget limits it, about."""


class TotpEnrolment(Model):
    """The answer to `POST /v1/auth/totp`: what the app is told. It counts once a code confirmed it."""

    secret: str
    """The key in base32, shown once."""
    uri: str
    """The same for a picture that the app reads."""


class Transaction(Model):
    """A transaction of the ledger."""

    _decode = {
        "at": time,
    }

    amount: str
    """How the customer's account changes, in US dollars: negative for what it was charged."""
    at: datetime
    """When it counts."""
    id: str
    """The id; that of a call is made from its attempt."""
    kind: str
    """`usage`, `crash` (a call whose cost is not known: its hold), `crash_ruling`, `top_up`, `promo_grant`,
    `promo_expiry`, `refund`, `pay_back`, `invoice`, `payment`, `cost_adjustment` or `reversal`.
    """
    memo: str
    """A remark."""
    subject: str
    """What it belongs to: a request, a payment, the number of an invoice."""
    entries: dict[str, str] | None = None
    """The entries by account, debit positive, credit negative; only the operator sees them."""
    org_id: str | None = None
    """The organization; only the operator sees it."""
    regards: str | None = None
    """The transaction that it rules on, undoes or pays back."""


class UsageData(Model):
    """What a call used."""

    agent_id: str
    """The agent."""
    cost: str
    """What it cost, in dollars."""
    credential_source: Source
    """Whose credential."""
    project_id: str
    """The project."""
    provider: str
    """The provider (slug)."""
    request_id: str
    """The request."""
    usage: dict[str, int]
    """Units by name."""
    end_user: str | None = None
    """The end user."""
    model: str | None = None
    """The model that was asked for."""


class UsageEvent(Model):
    """What a call used, as a CloudEvent (<https://github.com/cloudevents/spec>, version 1.0), for meters such as
    OpenMeter or Lago.
    """

    _decode = {
        "data": one(UsageData),
        "time": time,
    }

    data: UsageData
    """What it used."""
    datacontenttype: str
    """`application/json`."""
    id: str
    """The attempt: the same call always has the same id."""
    source: str
    """The organization, as a path."""
    specversion: str
    """`1.0`."""
    subject: str
    """Whom to bill: the end user, where the agent names it; else the project."""
    time: datetime
    """When the call ended."""
    type: str
    """`keystore.usage`."""


class UsageRow(Model):
    """One group. What it is grouped by is there; the rest is absent."""

    cache_read_tokens: int
    """Input tokens read from a cache."""
    cache_write_tokens: int
    """Input tokens written to a cache."""
    calls: int
    """Calls that reached a provider."""
    cost: str
    """The cost in US dollars."""
    errors: int
    """Of these, how many ended in an error."""
    input_tokens: int
    """Input tokens that met no cache."""
    output_tokens: int
    """Output tokens without reasoning."""
    reasoning_tokens: int
    """Output tokens spent on reasoning."""
    refused: int
    """Requests that were refused."""
    held: str | None = None
    """What calls that run now may cost beside that, in US dollars; where no budget limits it, about."""
    agent_id: str | None = None
    """The agent."""
    agent_name: str | None = None
    """The agent's name, while it exists."""
    day: str | None = None
    """The UTC day (`YYYY-MM-DD`)."""
    model: str | None = None
    """The model."""
    project_id: str | None = None
    """The project."""
    provider: str | None = None
    """The provider."""
    source: Source | None = None
    """Whose credential."""


class UsageReport(Model):
    """The answer to `GET /v1/usage`."""

    _decode = {
        "data": many(one(UsageRow)),
        "since": time,
        "total": one(Totals),
        "until": time,
    }

    data: list[UsageRow]
    """One row a group, by falling cost; by day where days are asked for."""
    since: datetime
    """From this time on."""
    total: Totals
    """The sum of all rows."""
    until: datetime
    """Up to this time."""


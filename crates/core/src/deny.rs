//! Why a request is refused. Decisions carry facts; the one place that turns them into an HTTP answer is `proxy::refuse`.

use crate::abuse;
use crate::ids::BudgetId;
use crate::policy::{Access, Demand, PausedBy, Source, Unit};
use crate::time::Micros;

/// What was wrong with a request's form: the strict front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// No `Host`, more than one, or one that is not an authority.
    Host,
    /// The request target is not origin-form, or its authority is not ours.
    Target,
    /// The path holds something ambiguous: `//`, a dot segment, an encoded slash, backslash or dot, a control character, a
    /// bad percent sequence, raw non-ASCII.
    Path,
    /// The path does not have the form `/v1/<provider>/…`.
    Route,
    /// A header name or value is not allowed.
    Header,
    /// `Transfer-Encoding` other than `chunked` alone, or together with `Content-Length`.
    Framing,
    /// An upgrade that the operation does not support.
    Upgrade,
    /// The body ended early or broke its framing.
    Body,
    /// The body of a metered operation is not said to be JSON, is not the JSON object it must be, names a member twice, or holds
    /// something that vendors read in different ways.
    Json,
    /// The client signed the pieces of its body one by one (AWS's `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`).
    SignedChunks,
    /// A form (`multipart/form-data`) of a metered operation is not in the plain form, or names a field twice.
    Form,
    /// The name of a model is longer than any is, or holds a control character.
    Model,
}

/// Which rate limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKind {
    /// Requests per minute.
    Rpm,
    /// Requests per UTC day.
    Rpd,
    /// Tokens per minute.
    Tpm,
    /// Calls that run at the same time.
    Concurrency,
}

/// Whose rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// Those of the agent at the provider.
    Agent,
    /// Those of all of the project.
    Project,
    /// Those of all of the organization.
    Org,
}

impl RateKind {
    /// The value of `limitType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Rpd => "rpd",
            Self::Tpm => "tpm",
            Self::Concurrency => "concurrency",
        }
    }
}

impl RateScope {
    /// The value of `limitScope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Project => "project",
            Self::Org => "org",
        }
    }
}

/// A rate limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// Which limit.
    pub kind: RateKind,
    /// Whose.
    pub scope: RateScope,
    /// Requests or tokens allowed in the window, or calls at the same time.
    pub limit: u32,
    /// The first time at which a request may be admitted again; `None` when the limit is 0, which never admits, and where calls that
    /// run must end first.
    pub resets_at: Option<Micros>,
}

/// A budget that does not afford a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetExceeded {
    /// The budget.
    pub budget: BudgetId,
    /// What it counts; the amounts are in this unit.
    pub unit: Unit,
    /// Its limit in this window.
    pub limit: i64,
    /// What is settled in this window.
    pub spent: i64,
    /// What running calls hold.
    pub held: i64,
    /// What this call would have had to hold.
    pub needed: i64,
    /// When the window ends; `None` for a total budget.
    pub resets_at: Option<Micros>,
}

/// A refusal, with the facts that its answer states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deny {
    /// The request's form.
    Malformed(Malformed),
    /// A method that is not served.
    MethodNotAllowed,
    /// A target of more than 8 KiB.
    UriTooLong,
    /// A valid `Host` that is not one of ours.
    Misdirected,
    /// More than 64 headers or 32 KiB of them.
    HeadersTooLarge,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// No token, several, or one that is unknown, expired or revoked. All alike.
    InvalidToken,
    /// The agent is paused: by a person, or by a rule against abuse.
    AgentPaused(Option<abuse::Kind>),
    /// The organization has stopped all of its agents.
    OrgSuspended,
    /// The organization has stopped the agents of the project.
    ProjectSuspended,
    /// The organization has stopped all calls to the provider.
    ProviderSuspended {
        /// The provider.
        provider: String,
    },
    /// The caller's address is outside the agent's `allowedIps`.
    AddressNotAllowed,
    /// No provider has this slug.
    UnknownProvider {
        /// What stood in the path.
        slug: String,
    },
    /// The agent has no grant for the provider.
    ProviderNotGranted {
        /// The provider.
        provider: String,
    },
    /// The provider's credential policy has no such host.
    UnknownHost {
        /// The provider.
        provider: String,
        /// What stood after `~`.
        alias: String,
    },
    /// The grant's scopes do not cover the operation.
    ScopeDenied {
        /// The provider.
        provider: String,
        /// What the operation needs.
        access: Access,
    },
    /// The operation makes credentials, or is closed for another reason that no grant opens.
    OperationDenied {
        /// The provider.
        provider: String,
        /// The operation's name.
        operation: String,
    },
    /// The model is not in the agent's `allowedModels`.
    ModelNotAllowed {
        /// What the body named.
        model: String,
    },
    /// The grant's credential does not exist (any more).
    CredentialMissing {
        /// The provider.
        provider: String,
    },
    /// The grant's credential has reached the end that was set for it.
    CredentialExpired {
        /// The provider.
        provider: String,
        /// The credential's name.
        credential: String,
    },
    /// A rate limit.
    RateLimited(RateLimited),
    /// The host failed so often that calls with this credential are held back.
    CircuitOpen {
        /// The provider.
        provider: String,
        /// The host, without its port.
        host: String,
        /// When the next call is let through.
        resets_at: Micros,
    },
    /// The agent must say for which end user a request is, and this one does not say it in the form that is taken.
    EndUserMissing,
    /// A budget.
    BudgetExceeded(BudgetExceeded),
    /// The organization's credit at the marketplace; all amounts are of dollars.
    InsufficientCredit(BudgetExceeded),
    /// The organization has not enabled the provider at the marketplace (any more).
    NotEnabled {
        /// The provider.
        provider: String,
    },
    /// A label of the project, the agent or the credential does not allow the call.
    LabelForbids {
        /// The label.
        label: String,
        /// The provider.
        provider: String,
        /// Whose credential would have served.
        source: Source,
    },
    /// The operator, or a rule of the operator's, has paused the organization at the pool.
    PoolPaused {
        /// The provider.
        provider: String,
        /// Who did it.
        by: PausedBy,
    },
    /// A label demands of the credential what it has not.
    LabelDemands {
        /// The label.
        label: String,
        /// The provider.
        provider: String,
        /// What is demanded.
        demand: Demand,
    },
    /// The pool has no credential that may serve the call.
    NoPoolCredential {
        /// The provider.
        provider: String,
    },
    /// All credentials of the pool are busy, or at the vendor's limit.
    PoolBusy {
        /// The provider.
        provider: String,
        /// When there is room again, as far as it is known.
        resets_at: Micros,
    },
    /// Under a budget, an operation or model without a price.
    UnpricedOperation {
        /// The provider.
        provider: String,
        /// The model, or the operation's name.
        what: String,
        /// It is a model, and a price that the organization sets for it would let it pass.
        can_be_priced: bool,
        /// Whose credential would have served.
        source: Source,
    },
    /// Under a budget of the money that calls move, one that does not say how much it moves.
    UnknownAmount {
        /// The budget.
        budget: BudgetId,
        /// The operation's name.
        what: String,
    },
    /// A body larger than is taken.
    BodyTooLarge {
        /// The most that is taken, in bytes.
        limit_bytes: u64,
    },
    /// A request body with a `Content-Encoding` on a metered operation.
    UnsupportedEncoding,
    /// The key-encryption keys cannot be unwrapped.
    Sealed,
    /// The key that the organization itself holds cannot be used.
    CustomerKey,
    /// The journal cannot be written.
    AuditUnavailable,
    /// The authority over tokens cannot be confirmed.
    AuthStale,
}

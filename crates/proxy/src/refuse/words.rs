//! What refusals say: what happened, why, and what to do. The remedy is a command where one helps. No secret, no token and
//! nothing of another organization ever stands in these words.

use std::borrow::Cow;

use keystore_core::Deny;
use keystore_core::abuse::Kind;
use keystore_core::deny::{BudgetExceeded, Malformed, RateKind, RateLimited, RateScope};
use keystore_core::policy::{Access, Demand, PausedBy, Source, Unit};

use super::{ProxyError, Refusal, RefusalContext};

/// The words of one refusal.
pub(super) struct Words {
    /// What and why, one or two sentences, with the remedy at the end.
    pub(super) message: String,
    /// What to do.
    pub(super) remedy: Cow<'static, str>,
}

fn words(what: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Words {
    let remedy = remedy.into();
    let mut message: String = what.into();
    message.push(' ');
    message.push_str(&remedy);
    Words { message, remedy }
}

/// The words for `refusal`.
pub(super) fn of(refusal: &Refusal, context: &RefusalContext<'_>) -> Words {
    match refusal {
        Refusal::Failed(error) => failure(error),
        Refusal::Deny(deny) => denial(deny, context.agent.unwrap_or("<agent>")),
    }
}

/// The words for an answer that was cut by what `deny` says. Its client is known to have held a valid token.
pub(super) fn of_cut(deny: &Deny, agent: &str) -> Words {
    let words = match deny {
        Deny::InvalidToken => words(
            "The token or its agent was revoked, or has expired.",
            "Make a new one with `ks token create`.",
        ),
        _ => denial(deny, agent),
    };
    Words {
        message: format!("The answer was cut. {}", words.message),
        ..words
    }
}

fn failure(error: &ProxyError) -> Words {
    match error {
        ProxyError::CredentialInvalid { provider, credential } => words(
            format!(
                "{provider} does not accept the stored credential `{credential}`: it was revoked, has expired or lacks a permission."
            ),
            format!(
                "Store a working key with `ks provider rotate {provider}`; `ks provider test {provider}` checks it."
            ),
        ),
        ProxyError::Upstream { provider, reason } => words(
            format!("{provider} gave no valid answer: {reason}."),
            format!("Try again; if it goes on, `ks provider test {provider}` asks it by itself."),
        ),
        ProxyError::UpstreamTimeout { provider } => words(
            format!("{provider} did not answer in time; the call may have been carried out."),
            "Try again, with a shorter request or as a stream if the provider offers one.",
        ),
        ProxyError::Internal => words(
            "The request failed through a fault of Keystore, not of the request.",
            "Try again; give the request id to whoever runs this Keystore if it goes on.",
        ),
    }
}

/// A table: each refusal has its own words, or it does not compile.
fn denial(deny: &Deny, agent: &str) -> Words {
    match deny {
        Deny::Malformed(malformed) => form(*malformed),
        Deny::MethodNotAllowed => words(
            "This method is not served.",
            "Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.",
        ),
        Deny::UriTooLong => words(
            "Path and query are longer than 8 KiB.",
            "Send long values in the body.",
        ),
        Deny::Misdirected => words(
            "This Keystore does not answer to the name in `Host`.",
            "Use one of its own names, or add this one to `proxy.hosts`.",
        ),
        Deny::HeadersTooLarge => words(
            "The request has more than 64 headers, or more than 32 KiB of them.",
            "Send fewer or shorter ones.",
        ),
        Deny::ExpectationFailed => words(
            "`Expect` names something other than 100-continue.",
            "Leave the header out.",
        ),
        Deny::BodyTooLarge { limit_bytes } => words(
            format!("The body is larger than the {limit_bytes} bytes that this operation takes."),
            "Split the request, or upload the data as a file where the provider has files.",
        ),
        Deny::UnsupportedEncoding => words(
            "The request body has a `Content-Encoding`, which a metered operation does not take: what cannot be read cannot be priced.",
            "Send the body as plain JSON.",
        ),
        Deny::InvalidToken => words(
            "The token is missing, or it is not valid: exactly one `ks_` token is needed, in `Authorization: Bearer` or where this provider's own SDK puts its key.",
            "Make a new one with `ks token create`, or list tokens with `ks token list`.",
        ),
        Deny::RateLimited(limited) => rate(limited, agent),
        Deny::BudgetExceeded(exceeded) => budget(exceeded),
        Deny::InsufficientCredit(exceeded) => credit(exceeded),
        Deny::PoolBusy { provider, resets_at } => words(
            format!(
                "Every pooled credential of {provider} is busy or at the provider's limit; there is room again at about {resets_at}."
            ),
            "Try again then, or use a credential of your own for steady load.",
        ),
        Deny::PoolPaused { provider, by } => words(
            match by {
                PausedBy::Operator => {
                    format!("The operator has paused your access to the marketplace's {provider}.")
                }
                PausedBy::Rule => format!(
                    "Your access to the marketplace's {provider} is paused: the vendor held too many requests to break its rules for use."
                ),
            },
            format!("Ask the operator, or use a credential of your own: `ks migrate {provider} --to byok`."),
        ),
        Deny::NoPoolCredential { provider } => words(
            format!("The marketplace has no working credential of {provider} at the moment."),
            format!("Try again later, or use a credential of your own: `ks migrate {provider} --to byok`."),
        ),
        Deny::CircuitOpen {
            provider,
            host,
            resets_at,
        } => words(
            format!(
                "{host} of {provider} failed again and again, so calls are held back; the next is let through at {resets_at}."
            ),
            format!("Wait until then; `ks provider test {provider}` asks it by itself."),
        ),
        Deny::Sealed => words(
            "Keystore is sealed: it cannot unwrap its keys, so no credential can be opened.",
            "Whoever runs this Keystore finds the cause with `ks doctor`.",
        ),
        Deny::CustomerKey => words(
            "The organization's own key cannot be used, so none of its credentials can be opened.",
            "Whoever holds the key enables it at its KMS; `ks kek status` says what the KMS answers.",
        ),
        Deny::AuditUnavailable => words(
            "The journal cannot be written, and no call is forwarded without a record of it.",
            "Whoever runs this Keystore finds the cause with `ks doctor`; a full disk is the usual one.",
        ),
        Deny::AuthStale => words(
            "This node cannot confirm that the token still holds.",
            "Try again in a few seconds; if it goes on, `ks doctor` checks the server.",
        ),
        Deny::AgentPaused(rule) => words(
            match rule {
                None => format!("The agent `{agent}` is paused."),
                Some(rule) => format!(
                    "The agent `{agent}` is paused by a rule against abuse: {}.",
                    broken(*rule)
                ),
            },
            format!("Resume it with `ks agent resume {agent}`."),
        ),
        Deny::OrgSuspended => words(
            "The organization has stopped all of its agents.",
            "An owner or admin lets them go on with `ks kill org --undo`; `ks kill list` says since when, and why.",
        ),
        Deny::ProjectSuspended => words(
            format!("The project of the agent `{agent}` is stopped."),
            "An owner or admin lets it go on with `ks kill project <project> --undo`; `ks kill list` says since when, and why.",
        ),
        Deny::ProviderSuspended { provider } => words(
            format!("The organization has stopped all calls to {provider}."),
            format!(
                "An owner or admin lets them go on with `ks kill provider {provider} --undo`; `ks kill list` says since when, and why."
            ),
        ),
        Deny::AddressNotAllowed => words(
            format!("The agent `{agent}` may not be used from this address."),
            format!(
                "`ks agent show {agent}` lists its addresses; `ks agent update {agent} --allow-ip <cidr>` sets all of them."
            ),
        ),
        Deny::UnknownProvider { slug } => words(
            format!("There is no provider `{slug}`."),
            "`ks provider list --all` lists every provider; the path is /v1/<provider>/<the provider's own path>.",
        ),
        Deny::UnknownHost { provider, alias } => words(
            format!("The credential for {provider} has no host named `{alias}`."),
            format!("`ks provider show {provider}` lists its hosts."),
        ),
        Deny::ProviderNotGranted { provider } => words(
            format!("The agent `{agent}` may not use {provider}."),
            format!("Grant it with `ks agent update {agent} --provider {provider}:byok`."),
        ),
        Deny::OperationDenied { provider, operation } => words(
            format!("`{operation}` of {provider} is closed to agents: it makes or reveals credentials."),
            "Carry it out in the provider's own console.",
        ),
        Deny::ModelNotAllowed { model } => words(
            format!("The agent `{agent}` may not use the model `{}`.", shown(model)),
            format!(
                "`ks agent show {agent}` lists its models; `ks agent update {agent} --model <model>` sets all of them."
            ),
        ),
        Deny::EndUserMissing => words(
            format!(
                "Every request of the agent `{agent}` must say for which end user it is, and this one does not."
            ),
            "Send the header `x-keystore-end-user` once, with 1 to 128 printable ASCII characters.",
        ),
        Deny::CredentialMissing { provider } => words(
            format!("No credential for {provider} is stored for this grant."),
            format!(
                "Store one with `ks provider add {provider}`, then grant it with `ks agent update {agent} --provider {provider}`."
            ),
        ),
        Deny::CredentialExpired { provider, credential } => words(
            format!("The credential `{credential}` of {provider} reached the end that was set for it."),
            format!("Put a new one in its place with `ks provider rotate {provider}/{credential}`."),
        ),
        Deny::NotEnabled { provider } => words(
            format!("The organization has not enabled {provider} at the marketplace, or has disabled it."),
            format!("Enable it with `ks marketplace enable {provider}`."),
        ),
        Deny::UnknownAmount { budget, what } => words(
            format!(
                "`{}` does not say how much money it moves, and a budget limits that.",
                shown(what)
            ),
            format!(
                "Name the amount (and `currency`) in the form, use an operation that does, or lift the limit: `ks budget show {budget}`."
            ),
        ),
        Deny::ScopeDenied { provider, access } => out_of_scope(provider, *access, agent),
        Deny::LabelForbids {
            label,
            provider,
            source,
        } => forbidden_by(label, provider, *source),
        Deny::LabelDemands {
            label,
            provider,
            demand,
        } => demanded_by(label, provider, demand),
        Deny::UnpricedOperation {
            provider,
            what,
            can_be_priced,
            source: Source::Byok,
        } => unpriced(provider, &shown(what), *can_be_priced, agent),
        Deny::UnpricedOperation {
            provider,
            what,
            source: Source::Marketplace,
            ..
        } => words(
            format!(
                "`{}` of {provider} is not sold at the marketplace: it has no price there.",
                shown(what)
            ),
            format!(
                "`ks marketplace show {provider}` lists what is sold; with a credential of your own it can be called: `ks migrate {provider} --to byok`."
            ),
        ),
    }
}

/// What a rule against abuse found.
const fn broken(rule: Kind) -> &'static str {
    match rule {
        Kind::Refusals => "too many of its requests were refused",
        Kind::SpendRate => "its calls cost too much in too short a time",
        Kind::IdenticalRequests => "it sent the same request over and over",
    }
}

fn out_of_scope(provider: &str, access: Access, agent: &str) -> Words {
    let verb = match access {
        Access::Read => "read",
        Access::Write => "write",
    };
    words(
        format!(
            "This operation of {provider} needs the right to {verb}, which the scopes of the agent `{agent}` do not give."
        ),
        format!(
            "Give it with `ks agent update {agent} --provider {provider} --scope provider:{provider}:{verb}`, beside every scope that it is to keep."
        ),
    )
}

fn forbidden_by(label: &str, provider: &str, source: Source) -> Words {
    match source {
        Source::Marketplace => words(
            format!(
                "The label `{label}` does not allow pooled credentials, and this call to {provider} would use one."
            ),
            format!("Use a credential of your own: `ks migrate {provider} --to byok`."),
        ),
        Source::Byok => words(
            format!("The label `{label}` does not allow this call to {provider}."),
            "`ks label list` shows what each label allows.",
        ),
    }
}

fn demanded_by(label: &str, provider: &str, demand: &Demand) -> Words {
    match demand {
        Demand::CustomerKey => words(
            format!(
                "The label `{label}` demands a key that the organization holds itself, and the credential of {provider} is not under \
                 one."
            ),
            "An owner names one: `ks kek customer-key <key>`.",
        ),
        Demand::Agreement(kind) => words(
            format!(
                "The label `{label}` demands a `{kind}` with the vendor, and none is on record with the credential of {provider}."
            ),
            format!("Once there is one: `ks provider update {provider} --agreement {kind}=<date>`."),
        ),
    }
}

fn unpriced(provider: &str, what: &str, can_be_priced: bool, agent: &str) -> Words {
    words(
        format!("`{what}` of {provider} has no known price, and a budget applies to this call."),
        match can_be_priced {
            true => format!(
                "Price it with `ks price set {provider}/{what} --input <dollars> --output-text <dollars> --context-window <tokens>` (by a \
                 million), or use a model that has a price."
            ),
            false => {
                format!(
                    "Use a priced model, or lift the budget with `ks agent update {agent} --budget none`."
                )
            }
        },
    )
}

/// A name that came with the request, short enough for a sentence.
fn shown(text: &str) -> Cow<'_, str> {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn rate(limited: &RateLimited, agent: &str) -> Words {
    let limit = limited.limit;
    let (limit, option) = match limited.kind {
        RateKind::Rpm => (format!("{limit} requests a minute"), "--rpm-limit"),
        RateKind::Rpd => (format!("{limit} requests a UTC day"), "--rpd-limit"),
        RateKind::Tpm => (format!("{limit} tokens a minute"), "--tpm-limit"),
        RateKind::Concurrency => (format!("{limit} calls at the same time"), "--max-concurrency"),
    };
    let (whose, command) = match limited.scope {
        RateScope::Agent => (
            format!("agent `{agent}` with this provider"),
            format!("ks agent update {agent}"),
        ),
        RateScope::Project => ("project".to_owned(), "ks project limits <project>".to_owned()),
        RateScope::Org => ("organization".to_owned(), "ks org limits".to_owned()),
    };
    match (limited.resets_at, limited.limit) {
        (_, 0) => words(
            format!("The {whose} is blocked: its limit is {limit}."),
            format!("Raise it with `{command} {option} <n>`."),
        ),
        (None, _) => words(
            format!(
                "The {whose} has reached its limit of {limit}; the next is admitted when one of them ends."
            ),
            format!("Make fewer at a time, or raise the limit with `{command} {option} <n>`."),
        ),
        (Some(at), _) => words(
            format!("The {whose} has reached its limit of {limit}; there is room again at {at}."),
            format!("Wait, or raise the limit with `{command} {option} <n>`."),
        ),
    }
}

fn budget(exceeded: &BudgetExceeded) -> Words {
    let BudgetExceeded {
        budget,
        unit,
        resets_at,
        ..
    } = exceeded;
    let amount = |amount| match unit.is_money() {
        true => format!("${}", unit.show(amount)),
        false => format!("{amount} {}", unit.as_str()),
    };
    let [limit, spent, held, needed] =
        [exceeded.limit, exceeded.spent, exceeded.held, exceeded.needed].map(amount);
    let call = match unit {
        Unit::Usd => format!("may cost up to {needed}"),
        Unit::UsdMoved => format!("may move up to {needed}"),
        Unit::Calls | Unit::Emails => format!("counts as {needed}"),
    };
    let reset = resets_at.map_or_else(
        || "It does not reset.".to_owned(),
        |at| format!("It resets at {at}."),
    );
    words(
        format!(
            "This call {call}, which the budget of {limit} does not afford: {spent} is spent and {held} is held by running calls. {reset}"
        ),
        format!("Raise it with `ks budget raise {budget} --limit <amount> --for 24h`, or ask for less."),
    )
}

fn credit(exceeded: &BudgetExceeded) -> Words {
    let [limit, spent, held, needed] = [exceeded.limit, exceeded.spent, exceeded.held, exceeded.needed]
        .map(|amount| exceeded.unit.show(amount));
    words(
        format!(
            "This call may cost up to ${needed}, which the organization's credit at the marketplace does not afford: of ${limit}, \
             ${spent} is spent and ${held} is held by running calls."
        ),
        "Ask whoever runs this Keystore for more credit, ask for less, or use a credential of your own.",
    )
}

fn form(malformed: Malformed) -> Words {
    let (what, remedy) = match malformed {
        Malformed::Host => (
            "`Host` is missing, repeated, or not a host with an optional port.",
            "Send exactly one.",
        ),
        Malformed::Target => (
            "The request target is not a path, or it names another host than `Host` does.",
            "Send the path alone, as in `GET /v1/openai/v1/models`.",
        ),
        Malformed::Path => (
            "The path or query can be read in two ways: an empty or dot segment, an encoded slash, backslash or dot, a control or non-ASCII character, or a broken percent sequence.",
            "Percent-encode data in the path, and resolve dot segments before sending.",
        ),
        Malformed::Route => (
            "The path does not have the form /v1/<provider>/<the provider's own path>.",
            "Set the SDK's base URL to {proxy}/v1/<provider>, followed by the version prefix of the provider, such as /v1.",
        ),
        Malformed::Header => (
            "A header has a value outside of printable ASCII, or `TE` names something other than trailers.",
            "Encode the value, or leave the header out.",
        ),
        Malformed::Framing => (
            "The length of the body is not stated in one clear way.",
            "Send either one decimal `Content-Length` or `Transfer-Encoding: chunked`.",
        ),
        Malformed::Upgrade => (
            "Connections are not upgraded here.",
            "Send the request without `Upgrade`.",
        ),
        Malformed::Body => (
            "The body ended early or broke its framing.",
            "Send the request again.",
        ),
        Malformed::Json => (
            "The body is not one JSON object with every member named once, which a metered operation needs.",
            "Correct the body; send it with `content-type: application/json`, in UTF-8, and numbers and flags as such.",
        ),
        Malformed::SignedChunks => (
            "The body is signed piece by piece with the client's own key, which cannot be done anew here.",
            "Send it with `x-amz-content-sha256: UNSIGNED-PAYLOAD` or its hash; in boto3: `Config(s3={\"payload_signing_enabled\": False})`.",
        ),
        Malformed::Form => (
            "The form is not in the plain form of multipart/form-data, or names a field twice, which a metered operation cannot have.",
            "Send every field once, its name in quotes and without escapes, and `boundary` as the only parameter of the `content-type`.",
        ),
        Malformed::Model => (
            "The name of the model is longer than 256 bytes, or holds a control character.",
            "Send the model's name as the vendor writes it.",
        ),
    };
    words(what, remedy)
}

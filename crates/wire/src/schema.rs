//! The words of `core`'s enumerations as OpenAPI sees them. Never constructed: `core` knows no OpenAPI, so its enumerations
//! are described here, and a test holds the two lists together.

use utoipa::ToSchema;

macro_rules! described {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? } as $case:literal;)*) => {$(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[cfg_attr(test, derive(serde::Serialize))]
        #[schema(rename_all = $case)]
        #[cfg_attr(test, serde(rename_all = $case))]
        #[cfg_attr(not(test), expect(dead_code, reason = "only its schema is used"))]
        pub(crate) enum $name { $($variant),* }
    )*};
}

described! {
    /// Whose credential serves a call: the customer's own, or the operator's pool.
    Source { Byok, Marketplace } as "lowercase";
    /// What an agent's requests meet.
    AgentStatus { Active, Paused, Revoked } as "lowercase";
    /// Whether an operation reads or writes.
    Access { Read, Write } as "lowercase";
    /// How a budget is kept: `strict` never overshoots, `estimate` may be cut off.
    BudgetMode { Strict, Estimate } as "snake_case";
    /// What happens at a budget's limit: calls are refused, or only its thresholds are announced.
    BudgetAction { Deny, Alert } as "snake_case";
    /// What a budget counts: dollars that calls cost, calls, e-mails by recipient, or dollars that calls move.
    Unit { Usd, Calls, Emails, UsdMoved } as "snake_case";
    /// What a rule against abuse looks at: refusals, dollars, or the same request again and again.
    AbuseKind { Refusals, SpendRate, IdenticalRequests } as "snake_case";
    /// What happens when a rule against abuse finds too much: nothing here, an event, or an event and a pause of the agent.
    AbuseAction { Off, Alert, Pause } as "snake_case";
    /// How long a limit lasts before it starts anew; `total` never does.
    Window { Day, Week, Month, Total } as "lowercase";
    /// How an attempt at an upstream ended.
    Ending { Complete, UpstreamError, ClientGone, Deadline, NotSent, Crash, Revoked, OverBudget, FailedOver } as "snake_case";
    /// Who makes and revokes the keys of a pooled credential; `manual` is the operator.
    Driver { Openai, Openrouter, Manual } as "snake_case";
    /// How far the rotation of a key is.
    Step { Mint, Verify, Promote, Overlap, Drain, Revoke, Sweep, Done, Undo, Undone } as "snake_case";
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystore_core::{abuse, policy, record, rotation, window};

    fn assert_same<A: serde::Serialize, B: serde::Serialize>(pairs: &[(A, B)]) {
        for (described, real) in pairs {
            assert_eq!(
                serde_json::to_value(described).unwrap(),
                serde_json::to_value(real).unwrap()
            );
        }
    }

    #[test]
    fn the_described_words_are_the_real_words() {
        assert_same(&[
            (Source::Byok, policy::Source::Byok),
            (Source::Marketplace, policy::Source::Marketplace),
        ]);
        assert_same(&[
            (AgentStatus::Active, policy::AgentStatus::Active),
            (AgentStatus::Paused, policy::AgentStatus::Paused),
            (AgentStatus::Revoked, policy::AgentStatus::Revoked),
        ]);
        assert_same(&[
            (Access::Read, policy::Access::Read),
            (Access::Write, policy::Access::Write),
        ]);
        assert_same(&[
            (BudgetMode::Strict, policy::BudgetMode::Strict),
            (BudgetMode::Estimate, policy::BudgetMode::Estimate),
        ]);
        assert_same(&[
            (BudgetAction::Deny, policy::BudgetAction::Deny),
            (BudgetAction::Alert, policy::BudgetAction::Alert),
        ]);
        assert_same(&[
            (Unit::Usd, policy::Unit::Usd),
            (Unit::Calls, policy::Unit::Calls),
            (Unit::Emails, policy::Unit::Emails),
            (Unit::UsdMoved, policy::Unit::UsdMoved),
        ]);
        assert_same(&[
            (AbuseKind::Refusals, abuse::Kind::Refusals),
            (AbuseKind::SpendRate, abuse::Kind::SpendRate),
            (AbuseKind::IdenticalRequests, abuse::Kind::IdenticalRequests),
        ]);
        assert_same(&[
            (AbuseAction::Off, abuse::Action::Off),
            (AbuseAction::Alert, abuse::Action::Alert),
            (AbuseAction::Pause, abuse::Action::Pause),
        ]);
        assert_same(&[
            (Window::Day, window::Window::Day),
            (Window::Week, window::Window::Week),
            (Window::Month, window::Window::Month),
            (Window::Total, window::Window::Total),
        ]);
        assert_same(&[
            (Ending::Complete, record::Ending::Complete),
            (Ending::UpstreamError, record::Ending::UpstreamError),
            (Ending::ClientGone, record::Ending::ClientGone),
            (Ending::Deadline, record::Ending::Deadline),
            (Ending::NotSent, record::Ending::NotSent),
            (Ending::Crash, record::Ending::Crash),
            (Ending::Revoked, record::Ending::Revoked),
            (Ending::OverBudget, record::Ending::OverBudget),
            (Ending::FailedOver, record::Ending::FailedOver),
        ]);
        assert_same(&[
            (Driver::Openai, rotation::Driver::OpenAi),
            (Driver::Openrouter, rotation::Driver::OpenRouter),
            (Driver::Manual, rotation::Driver::Manual),
        ]);
        assert_same(&[
            (Step::Mint, rotation::Step::Mint),
            (Step::Verify, rotation::Step::Verify),
            (Step::Promote, rotation::Step::Promote),
            (Step::Overlap, rotation::Step::Overlap),
            (Step::Drain, rotation::Step::Drain),
            (Step::Revoke, rotation::Step::Revoke),
            (Step::Sweep, rotation::Step::Sweep),
            (Step::Done, rotation::Step::Done),
            (Step::Undo, rotation::Step::Undo),
            (Step::Undone, rotation::Step::Undone),
        ]);
    }
}

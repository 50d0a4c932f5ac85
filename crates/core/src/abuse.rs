//! Rules that watch an agent: when it is refused again and again, spends fast, or asks for one thing over and over, somebody is told,
//! or it is paused.
//!
//! A rule says how much of something within which window is too much. It is set for an organization, for a project, or for an agent,
//! and what is set nearest to the agent counts ([`Rules::under`]). [`Watch`] counts what an agent does; it is handed the time,
//! neither locks nor stores, and is only asked where a rule is in force. Windows are counted by boot time, to a sixteenth of their length
//! and never beyond it: a rule that finds too much is right, and what began a moment too early to be seen in one window is seen in the next.

mod watch;

use std::time::Duration;

use crate::deny::Deny;
use crate::policy::Unit;
use crate::words::words;

pub use watch::{MOST_DIFFERENT, Signs, Watch};

/// The shortest and the longest window of a rule, in seconds.
pub const WINDOW_SECONDS: std::ops::RangeInclusive<u32> = 10..=3_600;

/// The same of a rule of a pool: vendors look back further than a minute.
pub const POOL_WINDOW_SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;

/// The rule of a pool where only the action is said: five signs of abuse in a day.
pub const fn pool_rule(action: Action) -> Rule {
    Rule {
        threshold: 5,
        window_seconds: 86_400,
        action,
    }
}

/// The largest number of things that a rule may wait for.
pub const MAX_COUNT: i64 = 1_000_000;

/// How long a rule that only tells is silent after it told.
pub const SILENCE: Duration = Duration::from_secs(3_600);

words! {
    /// What a rule looks at.
    Kind {
        /// Requests that are refused for what the agent does; see [`blames_agent`].
        Refusals = 0 "refusals",
        /// What calls cost.
        SpendRate = 1 "spend_rate",
        /// Requests of the same method, path and body.
        IdenticalRequests = 2 "identical_requests",
    }
}

words! {
    /// What happens when a rule finds too much.
    Action {
        /// Nothing: the rule is switched off here, whatever is set above.
        Off = 0 "off",
        /// An event.
        Alert = 1 "alert",
        /// An event, and the agent is paused until a person resumes it.
        Pause = 2 "pause",
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refusals, Self::SpendRate, Self::IdenticalRequests];

    /// What its amounts are in: dollars, or requests.
    pub const fn unit(self) -> Unit {
        match self {
            Self::SpendRate => Unit::Usd,
            Self::Refusals | Self::IdenticalRequests => Unit::Calls,
        }
    }

    /// Whether its amounts are nano-dollars; else they are numbers of requests.
    pub const fn is_money(self) -> bool {
        self.unit().is_money()
    }

    /// A rule of this kind where only the action is said: 60 refusals a minute, ten dollars in ten minutes, 30 identical requests a minute.
    pub const fn with(self, action: Action) -> Rule {
        let (threshold, window_seconds) = match self {
            Self::Refusals => (60, 60),
            Self::SpendRate => (10_000_000_000, 600),
            Self::IdenticalRequests => (30, 60),
        };
        Rule {
            threshold,
            window_seconds,
            action,
        }
    }

    /// An amount as people write it: dollars with decimals, or a whole number.
    pub fn show(self, amount: i64) -> String {
        self.unit().show(amount)
    }

    /// The threshold that people write so; `None` where it is none: less than nothing or nothing, or too many requests.
    pub fn read(self, text: &str) -> Option<i64> {
        let amount = self.unit().read(text)?;
        let fits = amount > 0 && (self.is_money() || amount <= MAX_COUNT);
        fits.then_some(amount)
    }
}

/// How much is too much, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Rule {
    /// So much within the window is too much: nano-dollars, or a number of requests. At least 1.
    #[n(0)]
    pub threshold: i64,
    /// How long the window is; see [`WINDOW_SECONDS`].
    #[n(1)]
    pub window_seconds: u32,
    /// What happens.
    #[n(2)]
    pub action: Action,
}

impl Rule {
    /// The window.
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds as u64)
    }
}

/// The rules that are set in one place, at most one of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Rules {
    /// Of refusals.
    #[n(0)]
    pub refusals: Option<Rule>,
    /// Of the spend rate.
    #[n(1)]
    pub spend_rate: Option<Rule>,
    /// Of identical requests.
    #[n(2)]
    pub identical_requests: Option<Rule>,
}

impl Rules {
    /// The rule of a kind.
    pub const fn get(&self, kind: Kind) -> Option<Rule> {
        match kind {
            Kind::Refusals => self.refusals,
            Kind::SpendRate => self.spend_rate,
            Kind::IdenticalRequests => self.identical_requests,
        }
    }

    /// Where the rule of a kind stands.
    pub const fn slot(&mut self, kind: Kind) -> &mut Option<Rule> {
        match kind {
            Kind::Refusals => &mut self.refusals,
            Kind::SpendRate => &mut self.spend_rate,
            Kind::IdenticalRequests => &mut self.identical_requests,
        }
    }

    /// These where they are set, else those of the place above.
    #[must_use]
    pub fn under(self, above: Self) -> Self {
        Self {
            refusals: self.refusals.or(above.refusals),
            spend_rate: self.spend_rate.or(above.spend_rate),
            identical_requests: self.identical_requests.or(above.identical_requests),
        }
    }

    /// Those that are not switched off.
    #[must_use]
    pub fn in_force(self) -> Self {
        let on = |rule: &Rule| rule.action != Action::Off;
        Self {
            refusals: self.refusals.filter(on),
            spend_rate: self.spend_rate.filter(on),
            identical_requests: self.identical_requests.filter(on),
        }
    }

    /// Whether none is set.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule found too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which rule.
    pub kind: Kind,
    /// As it was then.
    pub rule: Rule,
    /// How much there was within the window.
    pub amount: i64,
}

/// Whether a refusal says something of what the agent does. Those that are ours, or that nobody but a person can end, say nothing: a
/// full disk, a key that expired or a kill switch must not pause the agents that run into them.
pub const fn blames_agent(deny: &Deny) -> bool {
    !matches!(
        deny,
        Deny::InvalidToken
            | Deny::AgentPaused(_)
            | Deny::OrgSuspended
            | Deny::ProjectSuspended
            | Deny::ProviderSuspended { .. }
            | Deny::CredentialMissing { .. }
            | Deny::CredentialExpired { .. }
            | Deny::CircuitOpen { .. }
            | Deny::PoolPaused { .. }
            | Deny::Sealed
            | Deny::CustomerKey
            | Deny::AuditUnavailable
            | Deny::AuthStale
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_nearest_counts() {
        let org = Rules {
            refusals: Some(Kind::Refusals.with(Action::Alert)),
            spend_rate: Some(Kind::SpendRate.with(Action::Pause)),
            identical_requests: None,
        };
        let project = Rules {
            refusals: Some(Kind::Refusals.with(Action::Off)),
            ..Rules::default()
        };
        let agent = Rules {
            identical_requests: Some(Kind::IdenticalRequests.with(Action::Pause)),
            ..Rules::default()
        };
        let all = agent.under(project.under(org)).in_force();
        assert_eq!(all.refusals, None, "the project switched it off");
        assert_eq!(all.spend_rate, org.spend_rate);
        assert_eq!(all.identical_requests, agent.identical_requests);
        assert_eq!(Rules::default().under(org).in_force(), org);
        assert!(project.in_force().is_none() && !project.is_none());
    }

    #[test]
    fn amounts_are_dollars_or_whole_numbers_above_nothing() {
        assert_eq!(Kind::SpendRate.read("2.50"), Some(2_500_000_000));
        assert_eq!(Kind::SpendRate.show(2_500_000_000), "2.50");
        assert_eq!(Kind::Refusals.read("60"), Some(60));
        assert_eq!(Kind::Refusals.show(60), "60");
        for (kind, text) in [
            (Kind::SpendRate, "0"),
            (Kind::SpendRate, "-1"),
            (Kind::SpendRate, "much"),
            (Kind::Refusals, "0"),
            (Kind::Refusals, "1.5"),
            (Kind::IdenticalRequests, "1000001"),
        ] {
            assert_eq!(kind.read(text), None, "{text}");
        }
        for kind in Kind::ALL {
            let rule = kind.with(Action::Alert);
            assert_eq!(kind.read(&kind.show(rule.threshold)), Some(rule.threshold));
            assert!(WINDOW_SECONDS.contains(&rule.window_seconds));
        }
    }

    #[test]
    fn the_stored_form_goes_round() {
        let mut rules = Rules::default();
        for (kind, action) in Kind::ALL
            .into_iter()
            .zip([Action::Off, Action::Alert, Action::Pause])
        {
            *rules.slot(kind) = Some(kind.with(action));
            assert_eq!(rules.get(kind), Some(kind.with(action)));
        }
        let bytes = minicbor::to_vec(rules).unwrap();
        assert_eq!(minicbor::decode::<Rules>(&bytes).unwrap(), rules);
    }

    #[test]
    fn an_agent_is_not_blamed_for_what_is_ours_or_a_persons() {
        for deny in [
            Deny::AuditUnavailable,
            Deny::Sealed,
            Deny::CustomerKey,
            Deny::OrgSuspended,
            Deny::AgentPaused(None),
        ] {
            assert!(!blames_agent(&deny), "{deny:?}");
        }
        for deny in [
            Deny::AddressNotAllowed,
            Deny::UnsupportedEncoding,
            Deny::EndUserMissing,
        ] {
            assert!(blames_agent(&deny), "{deny:?}");
        }
    }
}

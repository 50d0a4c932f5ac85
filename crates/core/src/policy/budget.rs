//! What a budget limits: whose calls, in which unit, how much, and what happens at the limit.

use super::Source;
use crate::ids::{AgentId, BudgetId, OrgId, ProjectId};
use crate::money::NanoUsd;
use crate::time::Micros;
use crate::window::Window;
use crate::words::words;

/// The most bytes of an end user's name.
pub const MAX_END_USER: usize = 128;

words! {
    /// How a budget holds.
    #[derive(Default)]
    BudgetMode {
        /// The hold is an upper bound: no overshoot.
        #[default]
        Strict = 0 "strict",
        /// The hold is an estimate that grows with the answer; a stream is cut when the budget affords no more.
        Estimate = 1 "estimate",
    }
}

words! {
    /// What happens when a budget is used up.
    #[derive(Default)]
    BudgetAction {
        /// Calls that it does not afford are refused.
        #[default]
        Deny = 0 "deny",
        /// Nothing but the events of its thresholds.
        Alert = 1 "alert",
    }
}

words! {
    /// What a budget counts.
    #[derive(Default)]
    Unit {
        /// What calls cost, in nano-dollars.
        #[default]
        Usd = 0 "usd",
        /// Calls that were sent.
        Calls = 1 "calls",
        /// E-mails, one for each recipient.
        Emails = 2 "emails",
        /// Money that calls move (payments, refunds, payouts), in nano-dollars.
        UsdMoved = 3 "usd_moved",
    }
}

impl Unit {
    /// Whether amounts are nano-dollars; else they are numbers of things.
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Usd | Self::UsdMoved)
    }

    /// An amount as people write it: dollars with decimals, or a whole number.
    pub fn show(self, amount: i64) -> String {
        match self.is_money() {
            true => NanoUsd(amount).to_string(),
            false => amount.to_string(),
        }
    }

    /// The amount that people write so; `None` where it is none, or negative.
    pub fn read(self, text: &str) -> Option<i64> {
        let amount = match self.is_money() {
            true => text.parse::<NanoUsd>().ok()?.0,
            false => text.parse().ok()?,
        };
        (amount >= 0).then_some(amount)
    }
}

/// Another limit for the time being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Raise {
    /// The limit until then, in the budget's unit.
    #[n(0)]
    pub limit: i64,
    /// When the budget's own limit is back.
    #[n(1)]
    pub until: Micros,
}

/// What a budget allows and for whom. Stored and authenticated as `AgentPolicy` is. Each of `project`, `agent`, `provider`,
/// `model`, `end_user` and `source` that is set narrows what counts against it; with none of them it is the organization's.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct BudgetPolicy {
    /// The budget.
    #[n(0)]
    pub budget: BudgetId,
    /// Its organization.
    #[n(1)]
    pub org: OrgId,
    /// Only this project's calls.
    #[n(2)]
    pub project: Option<ProjectId>,
    /// Only this agent's calls.
    #[n(3)]
    pub agent: Option<AgentId>,
    /// Only calls of this provider (its slug).
    #[n(4)]
    pub provider: Option<String>,
    /// Only calls of this model; `*` at the end stands for the rest of a name.
    #[n(5)]
    pub model: Option<String>,
    /// Only calls for this end user; `*` is each end user by itself.
    #[n(6)]
    pub end_user: Option<String>,
    /// What may be used in a window: nano-dollars, or a number of things.
    #[n(7)]
    pub limit: i64,
    /// How long the limit lasts.
    #[n(8)]
    pub window: Window,
    /// How it holds.
    #[n(9)]
    pub mode: BudgetMode,
    /// What happens at the limit.
    #[n(10)]
    #[cbor(default)]
    pub action: BudgetAction,
    /// Percentages of the limit that are announced when they are reached, ascending.
    #[n(11)]
    #[cbor(default)]
    pub thresholds: Vec<u8>,
    /// Another limit for the time being.
    #[n(12)]
    pub raise: Option<Raise>,
    /// Only calls with credentials of this kind.
    #[n(13)]
    pub source: Option<Source>,
    /// What it counts.
    #[n(14)]
    #[cbor(default)]
    pub unit: Unit,
}

/// What budgets may be narrowed by, of one call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The provider's slug.
    pub provider: &'a str,
    /// Whose credential serves it.
    pub source: Source,
    /// The names of every model that may serve it: as they were asked for, and as their prices are listed.
    pub models: &'a [&'a str],
    /// For whom it is made.
    pub end_user: Option<&'a str>,
}

/// Which of its counters a budget counts a call in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each<'a> {
    /// It has only one.
    All,
    /// That of an end user.
    EndUser(&'a str),
}

impl BudgetPolicy {
    /// A strict budget of dollars (`limit` is in nano-dollars) over all calls of the organization, which refuses what it does not
    /// afford and announces nothing.
    pub const fn new(budget: BudgetId, org: OrgId, limit: i64, window: Window) -> Self {
        Self {
            budget,
            org,
            project: None,
            agent: None,
            provider: None,
            model: None,
            end_user: None,
            limit,
            window,
            mode: BudgetMode::Strict,
            action: BudgetAction::Deny,
            thresholds: Vec::new(),
            raise: None,
            source: None,
            unit: Unit::Usd,
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// The limit in force at `now`.
    pub fn limit_at(&self, now: Micros) -> i64 {
        self.raise
            .filter(|raise| now < raise.until)
            .map_or(self.limit, |raise| raise.limit)
    }

    /// Whether calls that the budget does not afford are refused.
    pub const fn denies(&self) -> bool {
        matches!(self.action, BudgetAction::Deny)
    }

    /// Where a call of the budget's organization, project and agent counts; `None` where it does not.
    pub fn counts<'a>(&self, call: &Call<'a>) -> Option<Each<'a>> {
        let narrowed =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let covers_model = |wanted: &str| match wanted.strip_suffix('*') {
            Some(beginning) => call.models.iter().any(|model| model.starts_with(beginning)),
            None => call.models.contains(&wanted),
        };
        let applies = narrowed(&self.provider, call.provider)
            && self.source.is_none_or(|source| source == call.source)
            && self.model.as_deref().is_none_or(covers_model);
        self.each(call.end_user).filter(|_| applies)
    }

    /// Where a call for this end user counts, whatever else narrows the budget; `None` where it does not.
    pub fn each<'a>(&self, end_user: Option<&'a str>) -> Option<Each<'a>> {
        match (self.end_user.as_deref(), end_user) {
            (None, _) => Some(Each::All),
            (Some("*"), Some(user)) => Some(Each::EndUser(user)),
            (Some(wanted), Some(user)) => (wanted == user).then_some(Each::All),
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn budget() -> BudgetPolicy {
        let (budget, org) = (Uuid::from_u128(1), Uuid::from_u128(2));
        BudgetPolicy::new(BudgetId::new(budget), OrgId::new(org), 100, Window::Month)
    }

    const CALL: Call<'static> = Call {
        provider: "openai",
        source: Source::Byok,
        models: &["gpt-5-mini-2026-01-01", "gpt-5-mini"],
        end_user: Some("ada"),
    };

    #[test]
    fn each_thing_that_is_set_narrows() {
        let counts = |change: fn(&mut BudgetPolicy)| {
            let mut budget = budget();
            change(&mut budget);
            budget.counts(&CALL)
        };
        assert_eq!(counts(|_| ()), Some(Each::All));
        assert_eq!(counts(|b| b.provider = Some("openai".into())), Some(Each::All));
        assert_eq!(counts(|b| b.provider = Some("anthropic".into())), None);
        assert_eq!(counts(|b| b.model = Some("gpt-5-mini".into())), Some(Each::All));
        assert_eq!(counts(|b| b.model = Some("gpt-5*".into())), Some(Each::All));
        assert_eq!(counts(|b| b.model = Some("gpt-5".into())), None);
        assert_eq!(counts(|b| b.source = Some(Source::Marketplace)), None);
        assert_eq!(counts(|b| b.end_user = Some("ada".into())), Some(Each::All));
        assert_eq!(counts(|b| b.end_user = Some("bob".into())), None);
        assert_eq!(
            counts(|b| b.end_user = Some("*".into())),
            Some(Each::EndUser("ada"))
        );
        assert_eq!(
            counts(|b| {
                b.provider = Some("openai".into());
                b.model = Some("claude".into());
            }),
            None,
            "all of them must fit"
        );
    }

    #[test]
    fn a_raise_ends_by_itself() {
        let mut budget = budget();
        budget.raise = Some(Raise {
            limit: 500,
            until: Micros(10),
        });
        assert_eq!(budget.limit_at(Micros(9)), 500);
        assert_eq!(budget.limit_at(Micros(10)), 100);
    }

    /// What was stored before actions, thresholds and units existed is read as what it meant.
    #[test]
    fn an_older_stored_form_is_read() {
        let mut bytes = Vec::new();
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        let id = Uuid::from_u128(1);
        encoder.array(10).unwrap();
        encoder.bytes(id.as_bytes()).unwrap();
        encoder.bytes(Uuid::from_u128(2).as_bytes()).unwrap();
        for _ in 0..5 {
            encoder.null().unwrap();
        }
        encoder.i64(100).unwrap().u8(2).unwrap().u8(0).unwrap();
        assert_eq!(minicbor::decode::<BudgetPolicy>(&bytes).unwrap(), budget());
        let canonical = budget().canonical();
        assert_eq!(minicbor::decode::<BudgetPolicy>(&canonical).unwrap(), budget());
    }
}

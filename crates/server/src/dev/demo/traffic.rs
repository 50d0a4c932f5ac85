//! What the agents of the demonstration called: journalled as the proxy journals it, priced by the catalog.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::Context;
use jiff::tz::TimeZone;
use keystore_core::ids::{AgentId, AttemptId, BudgetId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::{Source, Unit};
use keystore_core::price::{ModelPrice, Terms};
use keystore_core::record::{
    ChargeFlags, ChargeLine, Ending, HeldBudget, Intent, MarketCharge, Outcome, Refusal, Steps,
};
use keystore_core::window::Window;
use keystore_core::{Bucket, NanoUsd, Usage};
use keystore_store::{Durability, price_books};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;

/// What the operator puts on what a pooled call costs them, in per cent.
const MARKUP: i64 = 10;

/// The share of calls that fail at the vendor, and that of calls that are refused, in a thousand.
const FAILED: u64 = 12;
const REFUSED: u64 = 18;

/// What is refused, with the status.
const REFUSALS: [(&str, u16); 4] = [
    ("rate_limited", 429),
    ("rate_limited", 429),
    ("scope_denied", 403),
    ("model_not_allowed", 403),
];

/// Calls of one model, so many on a working day.
pub(super) struct Calls {
    provider: &'static str,
    model: &'static str,
    a_day: u64,
    source: Source,
    at_night: bool,
}

impl Calls {
    pub(super) const fn new(provider: &'static str, model: &'static str, a_day: u64) -> Self {
        Self {
            provider,
            model,
            a_day,
            source: Source::Byok,
            at_night: false,
        }
    }

    /// With the operator's keys.
    pub(super) const fn pooled(mut self) -> Self {
        self.source = Source::Marketplace;
        self
    }

    /// All of them between one and three in the morning.
    pub(super) const fn at_night(mut self) -> Self {
        self.at_night = true;
        self
    }

    /// How many of a thousand calls of a day are made in this hour.
    const fn share(&self, hour: u64) -> u64 {
        match (self.at_night, hour) {
            (true, 1 | 2) => 500,
            (true, _) => 0,
            (false, 8..=17) => 80,
            (false, 6 | 7 | 18 | 19) => 40,
            (false, _) => 4,
        }
    }
}

/// An agent with what it calls.
struct Caller {
    project: ProjectId,
    agent: AgentId,
    token: TokenId,
    budget: Option<BudgetId>,
    calls: Vec<Calls>,
}

/// What is called from day to day. The same at each start: its numbers come from a sequence, not from chance.
#[derive(Default)]
pub(super) struct Traffic {
    callers: Vec<Caller>,
    /// By provider, and whether they are pooled; each with its version.
    credentials: BTreeMap<(String, bool), (CredentialId, u32)>,
    /// Budgets over more than one agent: those of a project, or of all.
    budgets: Vec<(Option<ProjectId>, BudgetId)>,
    hours: u64,
    drawn: u64,
}

impl Traffic {
    /// A credential that calls are made with.
    pub(super) fn credential(&mut self, provider: &str, pooled: bool, made: &Value) -> anyhow::Result<()> {
        self.credentials
            .insert((provider.to_owned(), pooled), (read(&made["id"])?, 1));
        Ok(())
    }

    /// The customer's own credential of a provider.
    pub(super) fn own_credential(&self, provider: &str) -> anyhow::Result<CredentialId> {
        let found = self.credentials.get(&(provider.to_owned(), false));
        let (id, _) = found.with_context(|| format!("there is no key of {provider}"))?;
        Ok(*id)
    }

    /// A budget over all agents, or those of a project.
    pub(super) fn budget(&mut self, made: &Value, project: Option<ProjectId>) -> anyhow::Result<()> {
        self.budgets.push((project, read(&made["id"])?));
        Ok(())
    }

    /// It has another version from now on.
    pub(super) fn rotated(&mut self, provider: &str) {
        if let Some((_, version)) = self.credentials.get_mut(&(provider.to_owned(), false)) {
            *version += 1;
        }
    }

    /// An agent, as the API says that it was made with its token.
    pub(super) fn agent(&mut self, made: &Value, calls: Vec<Calls>) -> anyhow::Result<()> {
        let agent = &made["agent"];
        self.callers.push(Caller {
            project: read(&agent["projectId"])?,
            agent: read(&agent["id"])?,
            token: read(&made["id"])?,
            budget: read(&agent["budget"]["id"]).ok(),
            calls,
        });
        Ok(())
    }

    /// Journals what was called in the hour that ends now.
    pub(super) async fn hour(&mut self, app: &App, org: OrgId) -> anyhow::Result<()> {
        let (day, hour) = (self.hours / 24, self.hours % 24);
        self.hours += 1;
        // Weekends are quiet, and there is more to do from week to week.
        let busy = if day % 7 >= 5 { 25 } else { 80 + day };
        let callers = std::mem::take(&mut self.callers);
        for caller in &callers {
            for calls in &caller.calls {
                let thousandths = calls.a_day * busy * calls.share(hour) / 100;
                let more = u64::from(self.draw(1_000) < thousandths % 1_000);
                for _ in 0..thousandths / 1_000 + more {
                    self.call(app, org, caller, calls).await?;
                }
            }
        }
        self.callers = callers;
        Ok(())
    }

    async fn call(&mut self, app: &App, org: OrgId, caller: &Caller, calls: &Calls) -> anyhow::Result<()> {
        let now = app.clock.now();
        let at = now.minus(std::time::Duration::from_secs(self.draw(3_500) + 60));
        let request = RequestId::new(app.ids.next());
        if self.draw(1_000) < REFUSED {
            let (code, status) = REFUSALS[usize::try_from(self.draw(4))?];
            app.store.journal().refusal(&Refusal {
                request,
                at,
                org,
                project: caller.project,
                agent: caller.agent,
                token: caller.token,
                provider: calls.provider,
                code,
                status,
                count: 1,
                model: Some(calls.model),
            });
            return Ok(());
        }
        let price = keystore_catalog::provider(calls.provider)
            .and_then(|provider| provider.price(calls.model, at))
            .with_context(|| format!("the catalog has no price of {} {}", calls.provider, calls.model))?;
        let failed = self.draw(1_000) < FAILED;
        let usage = if failed { Usage::ZERO } else { self.usage() };
        let cost = price
            .charge(&usage, &Terms::default())
            .unwrap_or_else(|unpriced| unpriced.priced);
        let market = match calls.source {
            Source::Byok => None,
            Source::Marketplace => {
                let book = price_books::newest(&mut app.store.read().await?).await?;
                Some(sold(price, &usage, cost, book.map_or(0, |book| book.version)))
            }
        };
        let cost = market.as_ref().map_or(cost, |market| {
            NanoUsd(market.lines.iter().map(|line| line.amount.0).sum())
        });
        let hold = NanoUsd(cost.0 * 3 + 2_000_000);
        let window_start = Window::Month.bounds(at, &TimeZone::UTC).start;
        let over = self.budgets.iter();
        let over = over.filter(|(project, _)| project.is_none_or(|project| project == caller.project));
        let held = caller.budget.into_iter().chain(over.map(|(_, budget)| *budget));
        let budgets = held.map(|budget| HeldBudget {
            budget,
            window_start,
            unit: Unit::Usd,
            amount: Some(hold.0),
        });
        let pooled = calls.source == Source::Marketplace;
        let found = self.credentials.get(&(calls.provider.to_owned(), pooled));
        let (credential, credential_version) = *found.context("a call without a credential")?;
        let (path, operation) = match calls.provider {
            "anthropic" => ("/v1/messages", "messages.create"),
            "gemini" => ("/v1beta/models:generateContent", "models.generate_content"),
            _ => ("/v1/chat/completions", "chat.completions"),
        };
        let intent = Intent {
            attempt: AttemptId::new(app.ids.next()),
            request,
            at,
            org,
            project: caller.project,
            agent: caller.agent,
            token: caller.token,
            provider: calls.provider,
            operation,
            method: "POST",
            path,
            model: Some(calls.model),
            source: calls.source,
            credential,
            credential_version,
            hold,
            budgets: Cow::Owned(budgets.collect()),
            end_user: None,
            query: None,
        };
        app.store.journal().intent(&intent, Durability::Process).await?;
        let (checked, waited) = (180 + self.draw(240), 280_000 + self.draw(900_000));
        let written = usage.get(Bucket::OutputText);
        app.store.journal().outcome(&Outcome {
            attempt: intent.attempt,
            at: at.plus(std::time::Duration::from_micros(waited + written * 9_000)),
            ending: Ending::Complete,
            status: if failed { 503 } else { 200 },
            served_model: Some(calls.model),
            usage,
            cost,
            flags: ChargeFlags::default(),
            first_byte_us: waited + 900,
            total_us: waited + written * 9_000,
            request_bytes: 900 + usage.input_tokens() * 4,
            response_bytes: 600 + written * 5,
            refusal: None,
            market,
            steps: Some(Steps {
                checked,
                recorded: 90 + self.draw(200),
                sending: 310 + self.draw(300),
                answered: waited,
            }),
        });
        Ok(())
    }

    fn usage(&mut self) -> Usage {
        // Most calls are short, a few are long.
        let long = if self.draw(10) == 0 { 12 } else { 1 };
        let (input, output) = (3_000 + self.draw(15_000), 120 + self.draw(1_800));
        Usage::ZERO
            .with(Bucket::InputUncached, input * long)
            .with(Bucket::CacheRead, self.draw(2) * 8_192 * long)
            .with(Bucket::OutputText, output)
    }

    /// The next number below `below`.
    fn draw(&mut self, below: u64) -> u64 {
        // Knuth's generator for MMIX; its high bits are the good ones.
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.drawn >> 33) % below
    }
}

/// A pooled call: what it costs the operator, and that with the markup, line by line.
fn sold(price: &ModelPrice, usage: &Usage, vendor_cost: NanoUsd, prices: u64) -> MarketCharge<'static> {
    let lines = price.lines(usage, &Terms::default());
    let line = |line: keystore_core::price::Line| {
        let amount = NanoUsd(line.amount.0 + line.amount.0 * MARKUP / 100);
        ChargeLine::new(Some(line.bucket), line.units, amount)
    };
    MarketCharge {
        vendor_cost,
        prices,
        lines: lines.into_iter().map(line).collect(),
    }
}

pub(super) fn read<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    serde_json::from_value(value.clone()).with_context(|| format!("the API answered {value}"))
}

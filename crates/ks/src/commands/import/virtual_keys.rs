//! LiteLLM's virtual keys, as its `GET /key/list?return_full_object=true` lists them: which agent stands for each of them.
//!
//! The keys themselves are hashes there, so every client gets a new token. Where a limit cannot be said in our words, the agent gets a
//! stricter one, or is not made; what is not carried over is named.

use std::collections::{BTreeMap, BTreeSet};

use keystore_core::Micros;
use keystore_core::policy::Source;
use keystore_core::window::Window;
use keystore_wire::agents::{CreateAgent, GrantInput, MAX_RATE_LIMIT, MAX_TPM_LIMIT};
use serde_json::{Map, Value};

use super::config::Deployment;

/// What LiteLLM calls all models of the proxy.
const ALL_MODELS: &str = "all-proxy-models";

/// What is said of a key and is read, or says nothing about what it may do.
const READ: [&str; 24] = [
    "token",
    "key_name",
    "key_alias",
    "models",
    "rpm_limit",
    "tpm_limit",
    "max_parallel_requests",
    "max_budget",
    "soft_budget",
    "budget_duration",
    "budget_reset_at",
    "expires",
    "blocked",
    "spend",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "last_active",
    "key",
    "token_id",
    "model_spend",
    "last_rotation_at",
    "soft_budget_cooldown",
];

/// An agent that stands for a virtual key.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// Its grants name the providers alone: which credential serves is not known yet.
    pub(super) agent: CreateAgent,
    pub(super) budget: Option<Spending>,
}

/// What it may spend.
#[derive(Debug, PartialEq)]
pub(super) struct Spending {
    /// Decimal dollars.
    pub(super) limit: String,
    pub(super) window: Window,
    /// Percentages that are announced.
    pub(super) thresholds: Vec<u8>,
}

/// The agents for the keys of a list, and what is not carried over.
pub(super) fn read(list: &Value, deployments: &[Deployment], now: Micros) -> (Vec<Wanted>, Vec<String>) {
    let keys = list["keys"].as_array().or_else(|| list.as_array());
    let (mut all, mut left, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, key) in keys.into_iter().flatten().enumerate() {
        let Some(key) = key.as_object() else {
            left.push(format!(
                "key {}: only its hash is listed; ask for the list with return_full_object=true",
                at + 1
            ));
            continue;
        };
        let name = unique(&name_of(key, at), &mut names);
        let mut notes = Vec::new();
        match wanted(&name, key, deployments, now, &mut notes) {
            Ok(wanted) => all.push(wanted),
            Err(why) => notes = vec![format!("no agent: {why}")],
        }
        left.extend(notes.into_iter().map(|note| format!("key {name}: {note}")));
    }
    let all_listed = list["total_count"].as_u64().is_none_or(|total| {
        let here = keys.map_or(0, Vec::len);
        u64::try_from(here).is_ok_and(|here| here >= total)
    });
    if !all_listed {
        left.push("further keys: the file holds one page of the list".to_owned());
    }
    (all, left)
}

fn name_of(key: &Map<String, Value>, at: usize) -> String {
    let named = ["key_alias", "key_name"].iter().find_map(|name| {
        let name = key.get(*name)?.as_str()?.trim();
        (!name.is_empty()).then(|| {
            name.chars()
                .filter(|letter| !letter.is_control())
                .take(90)
                .collect()
        })
    });
    named.unwrap_or_else(|| format!("litellm-{}", at + 1))
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).unwrap_or_default()
}

fn wanted(
    name: &str,
    key: &Map<String, Value>,
    deployments: &[Deployment],
    now: Micros,
    notes: &mut Vec<String>,
) -> Result<Wanted, String> {
    let of = |name: &str| key.get(name).filter(|value| says_something(value));
    if of("blocked").and_then(Value::as_bool) == Some(true) {
        return Err("it is blocked".to_owned());
    }
    let expires_at = match of("expires") {
        None => None,
        Some(at) => Some(time(at).ok_or("when it expires is not read")?),
    };
    if expires_at.is_some_and(|at| at <= now) {
        return Err("it has expired".to_owned());
    }
    let (providers, allowed_models) = models(of("models"), deployments, notes)?;
    if providers.len() > 1 && (of("rpm_limit").is_some() || of("tpm_limit").is_some()) {
        notes.push("its rates hold for each provider, not for all together".to_owned());
    }
    let budget = match of("max_budget") {
        Some(limit) => Some(spending(limit, of("budget_duration"), of("soft_budget"), notes)?),
        None => None,
    };
    if budget.is_some()
        && of("spend")
            .and_then(Value::as_f64)
            .is_some_and(|spent| spent > 0.0)
    {
        notes.push("what it has spent: its budget begins anew".to_owned());
    }
    let more: Vec<_> = key
        .iter()
        .filter(|(name, value)| !READ.contains(&name.as_str()) && says_something(value))
        .map(|(name, _)| name.as_str())
        .collect();
    if !more.is_empty() {
        notes.push(more.join(", "));
    }
    Ok(Wanted {
        agent: CreateAgent {
            name: name.to_owned(),
            providers: providers.into_iter().map(grant).collect(),
            rpm_limit: limit(of("rpm_limit"), MAX_RATE_LIMIT)?,
            tpm_limit: limit(of("tpm_limit"), MAX_TPM_LIMIT)?,
            max_concurrency: limit(of("max_parallel_requests"), MAX_RATE_LIMIT)?,
            allowed_models,
            expires_at: expires_at.map(Into::into),
            ..CreateAgent::default()
        },
        budget,
    })
}

/// Whether a value is more than the absence of one. A 0 is a limit.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64().is_some(),
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(entries) => entries.values().any(says_something),
    }
}

pub(super) fn grant(slug: String) -> GrantInput {
    GrantInput {
        name: slug,
        source: Source::Byok,
        credential: None,
        scopes: Vec::new(),
        fallback: None,
    }
}

/// The providers that serve what a key may ask for, and the vendors' names of the models; none is every model.
fn models(
    given: Option<&Value>,
    deployments: &[Deployment],
    notes: &mut Vec<String>,
) -> Result<(BTreeSet<String>, Vec<String>), String> {
    let slugs = |all: &[&Deployment]| all.iter().map(|one| one.provider.slug.to_string()).collect();
    let names: Vec<&str> = given
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() || names.contains(&ALL_MODELS) {
        let all: Vec<_> = deployments.iter().collect();
        // Without a list, LiteLLM lets a key use every model that it is configured with, and no others.
        return Ok((slugs(&all), distinct(&all)));
    }
    let mut chosen = Vec::new();
    for name in names {
        let found: Vec<_> = deployments.iter().filter(|one| one.asked == name).collect();
        if found.is_empty() {
            notes.push(format!(
                "the model or group `{name}`: no deployment that is carried over has this name"
            ));
        }
        chosen.extend(found);
    }
    match chosen.is_empty() {
        true => Err("none of its models is carried over".to_owned()),
        false => Ok((slugs(&chosen), distinct(&chosen))),
    }
}

fn distinct(deployments: &[&Deployment]) -> Vec<String> {
    let names: BTreeSet<_> = deployments.iter().map(|one| one.model.clone()).collect();
    match names.contains("*") {
        true => Vec::new(),
        false => names.into_iter().collect(),
    }
}

fn limit(value: Option<&Value>, most: u32) -> Result<Option<u32>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let number = value
        .as_u64()
        .ok_or_else(|| format!("the limit {value} is not read"))?;
    // What is more than can be said is no limit in practice, and the highest one is the nearest.
    Ok(Some(u32::try_from(number).unwrap_or(u32::MAX).min(most)))
}

fn time(value: &Value) -> Option<Micros> {
    let text = value.as_str()?.replace("+00:00", "Z").replace(' ', "T");
    let zoned = match text.ends_with('Z') {
        true => text,
        false => format!("{text}Z"),
    };
    zoned.parse().ok()
}

fn spending(
    limit: &Value,
    duration: Option<&Value>,
    soft: Option<&Value>,
    notes: &mut Vec<String>,
) -> Result<Spending, String> {
    let dollars = limit
        .as_f64()
        .filter(|dollars| *dollars >= 0.0)
        .ok_or_else(|| format!("the budget {limit} is not read"))?;
    let window = match duration.and_then(Value::as_str) {
        None => Window::Total,
        Some(text) => {
            let (window, same) =
                window(text).ok_or_else(|| format!("the duration {text} of its budget is not read"))?;
            if !same {
                notes.push(format!(
                    "the duration {text} of its budget: the same amount is for a {} of the calendar",
                    window.as_str()
                ));
            }
            window
        }
    };
    let percent = soft.and_then(Value::as_f64).map(|soft| soft / dollars * 100.0);
    let thresholds = percent
        .filter(|percent| (1.0..=100.0).contains(percent))
        .map(|percent| percent.round() as u8);
    Ok(Spending {
        limit: decimal(dollars),
        window,
        thresholds: thresholds.into_iter().collect(),
    })
}

fn decimal(dollars: f64) -> String {
    let text = format!("{dollars:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The shortest window of ours that is not shorter, so that nothing more is let through, and whether it is the same.
fn window(duration: &str) -> Option<(Window, bool)> {
    let split = duration.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = duration.split_at(split);
    let number: u64 = number.parse().ok()?;
    let seconds = number.checked_mul(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "mo" => 2_592_000,
        _ => return None,
    })?;
    let (window, exact) = match seconds {
        0..=86_400 => (Window::Day, 86_400),
        86_401..=604_800 => (Window::Week, 604_800),
        604_801..=2_678_400 => (Window::Month, 2_592_000),
        _ => (Window::Total, 0),
    };
    Some((window, seconds == exact))
}

/// Names and windows in one cell.
pub(super) fn shown(budget: Option<&Spending>) -> String {
    budget.map_or_else(
        || "-".to_owned(),
        |budget| format!("{} a {}", budget.limit, budget.window.as_str()),
    )
}

/// The credential that serves each provider: that of its first deployment.
pub(super) fn first_of(deployments: &[Deployment]) -> BTreeMap<&str, usize> {
    let mut first = BTreeMap::new();
    for (at, one) in deployments.iter().enumerate() {
        first.entry(one.provider.slug.as_ref()).or_insert(at);
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn deployment(asked: &str, slug: &str, model: &str) -> Deployment {
        Deployment {
            asked: asked.to_owned(),
            model: model.to_owned(),
            provider: keystore_catalog::provider(slug).unwrap(),
            key: Zeroizing::new("key".to_owned()),
            params: BTreeMap::new(),
        }
    }

    fn all() -> Vec<Deployment> {
        vec![
            deployment("gpt-4o", "openai", "gpt-4o"),
            deployment("fast", "anthropic", "claude-haiku-4-5"),
        ]
    }

    fn now() -> Micros {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_becomes_an_agent_with_its_limits() {
        let list = json!({"keys": [{
            "token": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
            "key_alias": "team-a", "key_name": "sk-...a1b2", "spend": 1.5, "max_budget": 25.5, "soft_budget": 20.4,
            "budget_duration": "30d", "models": ["fast", "beta-group"], "rpm_limit": 60, "tpm_limit": 100_000,
            "max_parallel_requests": 4, "expires": "2027-04-15T10:30:00+00:00", "team_id": "t1", "metadata": {}, "blocked": null,
            "aliases": {}, "user_id": null
        }], "total_count": 1});
        let (agents, left) = read(&list, &all(), now());
        let [one] = &agents[..] else { panic!("{agents:?}") };
        assert_eq!(one.agent.name, "team-a");
        assert_eq!(one.agent.providers, [grant("anthropic".to_owned())]);
        assert_eq!(one.agent.allowed_models, ["claude-haiku-4-5"]);
        assert_eq!(
            (
                one.agent.rpm_limit,
                one.agent.tpm_limit,
                one.agent.max_concurrency
            ),
            (Some(60), Some(100_000), Some(4))
        );
        assert!(one.agent.expires_at.is_some());
        let expected = Spending {
            limit: "25.5".to_owned(),
            window: Window::Month,
            thresholds: vec![80],
        };
        assert_eq!(one.budget.as_ref(), Some(&expected));
        let left = left.join("\n");
        for words in ["`beta-group`", "what it has spent", "team-a: team_id"] {
            assert!(left.contains(words), "{words} in {left}");
        }
        assert_eq!(left.lines().count(), 3, "{left}");
    }

    #[test]
    fn what_would_be_wider_is_not_made() {
        let list = json!([
            {"key_alias": "blocked", "blocked": true},
            {"key_alias": "old", "expires": "2025-01-01T00:00:00Z"},
            {"key_alias": "when", "expires": "soon"},
            {"key_alias": "models", "models": ["nothing-known"]},
            {"key_alias": "odd", "max_budget": 1, "budget_duration": "1y"},
            {"key_alias": "minus", "rpm_limit": -1},
            "88dc28d0"
        ]);
        let (agents, left) = read(&list, &all(), now());
        assert_eq!((agents.len(), left.len()), (0, 7), "{left:?}");
        assert!(
            left.iter()
                .all(|words| words.contains("no agent") || words.contains("hash"))
        );
    }

    #[test]
    fn a_key_without_a_list_may_use_what_was_configured() {
        let (agents, _) = read(
            &json!([{"key_alias": "a"}, {"key_alias": "a", "max_budget": 0}]),
            &all(),
            now(),
        );
        assert_eq!(agents[0].agent.allowed_models, ["claude-haiku-4-5", "gpt-4o"]);
        assert_eq!(agents[0].agent.providers.len(), 2);
        assert_eq!(agents[1].agent.name, "a-2");
        assert_eq!(agents[1].budget.as_ref().unwrap().limit, "0");
    }

    #[test]
    fn a_budget_never_lasts_shorter_than_it_did() {
        for (text, expected) in [
            ("24h", Some((Window::Day, true))),
            ("1d", Some((Window::Day, true))),
            ("30s", Some((Window::Day, false))),
            ("7d", Some((Window::Week, true))),
            ("1w", Some((Window::Week, true))),
            ("14d", Some((Window::Month, false))),
            ("30d", Some((Window::Month, true))),
            ("1mo", Some((Window::Month, true))),
            ("90d", Some((Window::Total, false))),
            ("1y", None),
            ("d", None),
            ("", None),
        ] {
            assert_eq!(window(text), expected, "{text}");
        }
    }
}

//! `ks org abuse`, `ks project abuse`, `ks agent abuse`: rules that watch agents.

use std::time::Duration;

use clap::Args;
use keystore_core::abuse::Action;
use keystore_wire::Patch;
use keystore_wire::abuse::{AbuseRule, AbuseRules, SetAbuseRule, UpdateAbuseRules};

use super::Context;
use crate::duration;
use crate::output::table;

/// Changes to rules; without any they are shown.
#[derive(Args)]
pub(crate) struct AbuseArgs {
    /// Requests that are refused, such as alert, pause:60/1m or off; none takes the rule away
    #[arg(long, value_name = "RULE", value_parser = rule)]
    refusals: Option<Patch<SetAbuseRule>>,
    /// What calls cost, such as alert or pause:20.00/10m
    #[arg(long, value_name = "RULE", value_parser = rule)]
    spend_rate: Option<Patch<SetAbuseRule>>,
    /// Requests of the same method, path and body, such as pause:30/1m
    #[arg(long, value_name = "RULE", value_parser = rule)]
    identical_requests: Option<Patch<SetAbuseRule>>,
}

/// Shows the rules at `path`, or changes them.
pub(crate) async fn run(path: &[&str], args: AbuseArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = UpdateAbuseRules {
        refusals: args.refusals.unwrap_or_default(),
        spend_rate: args.spend_rate.unwrap_or_default(),
        identical_requests: args.identical_requests.unwrap_or_default(),
    };
    let rules: AbuseRules = match body == UpdateAbuseRules::default() {
        true => context.client.get(path, &()).await?,
        false => context.client.patch(path, &body).await?,
    };
    context.output.data(&rules, || {
        let rows = [
            ("refusals", &rules.refusals),
            ("spend-rate", &rules.spend_rate),
            ("identical-requests", &rules.identical_requests),
        ];
        let rows = rows.map(|(name, rule)| row(name, rule.as_ref()));
        table(["RULE", "ACTION", "THRESHOLD", "WITHIN", "SET BY"], rows)
    })
}

fn row(name: &str, rule: Option<&AbuseRule>) -> [String; 5] {
    let Some(rule) = rule else {
        return [name, "none", "", "", ""].map(str::to_owned);
    };
    let (threshold, within) = match rule.action {
        Action::Off => (String::new(), String::new()),
        Action::Alert | Action::Pause => (rule.threshold.clone(), format!("{}s", rule.window_seconds)),
    };
    [
        name.to_owned(),
        rule.action.as_str().to_owned(),
        threshold,
        within,
        rule.set_by.as_str().to_owned(),
    ]
}

/// `none`, `off`, or `alert` or `pause` with or without `:<threshold>/<window>`.
pub(crate) fn rule(text: &str) -> Result<Patch<SetAbuseRule>, String> {
    const EXPECTED: &str = "expected none, off, alert, pause, or one of the last two with a threshold and a window, such as pause:60/1m";
    let (action, terms) = match text.split_once(':') {
        Some((action, terms)) => (action, Some(terms)),
        None => (text, None),
    };
    let action = match (action, terms) {
        ("none", None) => return Ok(Patch::Reset),
        ("off", None) => Action::Off,
        ("alert", _) => Action::Alert,
        ("pause", _) => Action::Pause,
        _ => return Err(EXPECTED.to_owned()),
    };
    let (threshold, window) = match terms
        .map(|terms| terms.split_once('/').ok_or(EXPECTED))
        .transpose()?
    {
        Some((threshold, window)) => (Some(threshold.to_owned()), Some(duration::parse(window)?)),
        None => (None, None),
    };
    let seconds = |window: Duration| u32::try_from(window.as_secs()).map_err(|_| "that is too long");
    Ok(Patch::Set(SetAbuseRule {
        action,
        threshold,
        window_seconds: window.map(seconds).transpose()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_as_people_type_them() {
        let set = |action, terms: Option<(&str, u32)>| {
            Ok(Patch::Set(SetAbuseRule {
                action,
                threshold: terms.map(|(threshold, _)| threshold.to_owned()),
                window_seconds: terms.map(|(_, window)| window),
            }))
        };
        assert_eq!(rule("none"), Ok(Patch::Reset));
        assert_eq!(rule("off"), set(Action::Off, None));
        assert_eq!(rule("alert"), set(Action::Alert, None));
        assert_eq!(rule("pause:60/1m"), set(Action::Pause, Some(("60", 60))));
        assert_eq!(rule("alert:2.50/90s"), set(Action::Alert, Some(("2.50", 90))));
        for text in [
            "",
            "stop",
            "none:1/1m",
            "off:1/1m",
            "pause:60",
            "pause:60/",
            "pause:60/soon",
        ] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}

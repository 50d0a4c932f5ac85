//! `ks pool tenants`, `ks pool tenant` and `ks pool abuse`: customers inside the pools, and the rule by which they are paused.

use clap::Args;
use keystore_core::abuse::Action;
use keystore_core::ids::OrgId;
use keystore_wire::Patch;
use keystore_wire::abuse::SetAbuseRule;
use keystore_wire::pool_tenants::{
    ListPoolTenants, PoolRule, PoolRules, PoolTenant, PoolTenants, SetPoolRule, SetPoolTenant,
};

use super::{Context, or_none};
use crate::commands::abuse::rule;
use crate::complete;
use crate::output::{advice, table};

/// `ks pool tenant`.
#[derive(Args)]
pub(crate) struct TenantArgs {
    /// The provider
    #[arg(value_name = "SLUG", add = complete::providers())]
    provider: String,
    /// The organization (id)
    #[arg(value_name = "ORG")]
    org: OrgId,
    /// Its share while the pool is busy, against the other customers that wait, 1 to 1000
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// The most calls that it has running there at the same time; none for as many as the pool lets it
    #[arg(long, value_name = "N")]
    max_concurrency: Option<String>,
    /// Serve it no more; calls that run end
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Serve it again, whoever paused it
    #[arg(long)]
    resume: bool,
}

/// `ks pool abuse`.
#[derive(Args)]
pub(crate) struct AbuseArgs {
    /// The provider; without one all rules are shown
    #[arg(value_name = "SLUG", requires = "rule", add = complete::providers())]
    provider: Option<String>,
    /// off, alert, pause, or one of the last two with a threshold and a window, such as pause:5/24h
    #[arg(value_name = "RULE", value_parser = rule)]
    rule: Option<Patch<SetAbuseRule>>,
}

/// Lists what was said of customers.
pub(super) async fn list(provider: Option<String>, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListPoolTenants { provider };
    let found: PoolTenants = context.client.get(&["operator", "pool-tenants"], &query).await?;
    show(&found.data, context)
}

/// Changes what holds for a customer.
pub(super) async fn set(args: TenantArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = SetPoolTenant {
        provider: args.provider,
        org: args.org,
        weight: args.weight,
        max_concurrency: or_none(args.max_concurrency.as_deref(), "a number")?,
        paused: match (args.pause, args.resume) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
    };
    if body.weight.is_none() && body.max_concurrency.is_keep() && body.paused.is_none() {
        return Err(advice(
            "there is nothing to change",
            "say --weight, --max-concurrency, --pause or --resume; `ks pool tenants` lists what was said",
        ));
    }
    let changed: PoolTenant = context.client.post(&["operator", "pool-tenants"], &body).await?;
    show(std::slice::from_ref(&changed), context)
}

fn show(tenants: &[PoolTenant], context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(&tenants, || {
        let rows = tenants.iter().map(|tenant| {
            [
                tenant.provider.clone(),
                tenant.org_id.to_string(),
                tenant.weight.to_string(),
                tenant
                    .max_concurrency
                    .map_or_else(|| "none".to_owned(), |most| most.to_string()),
                match tenant.paused_by.as_deref() {
                    Some("rule") => "by rule".to_owned(),
                    Some(_) => "by the operator".to_owned(),
                    None => String::new(),
                },
            ]
        });
        table(
            ["PROVIDER", "ORGANIZATION", "WEIGHT", "MOST AT ONCE", "PAUSED"],
            rows,
        )
    })
}

/// Shows the rules, or sets one.
pub(super) async fn abuse(args: AbuseArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let path = ["operator", "pool-rules"];
    let rules = match (args.provider, args.rule) {
        (Some(provider), Some(rule)) => {
            let body = body(provider, rule)?;
            let set: PoolRule = context.client.post(&path, &body).await?;
            vec![set]
        }
        _ => {
            let found: PoolRules = context.client.get(&path, &()).await?;
            found.data
        }
    };
    context.output.data(&rules, || {
        let rows = rules.iter().map(|rule| {
            let (threshold, window) = match rule.action {
                Action::Off => (String::new(), String::new()),
                Action::Alert | Action::Pause => {
                    (rule.threshold.to_string(), format!("{}s", rule.window_seconds))
                }
            };
            [
                rule.provider.clone(),
                rule.action.as_str().to_owned(),
                threshold,
                window,
            ]
        });
        table(["PROVIDER", "ACTION", "THRESHOLD", "WITHIN"], rows)
    })
}

fn body(provider: String, rule: Patch<SetAbuseRule>) -> anyhow::Result<SetPoolRule> {
    // A pool without a rule is one whose rule is off.
    let Patch::Set(rule) = rule else {
        return Ok(SetPoolRule {
            provider,
            action: Action::Off,
            threshold: None,
            window_seconds: None,
        });
    };
    let threshold = rule.threshold.map(|text| text.parse()).transpose();
    Ok(SetPoolRule {
        provider,
        action: rule.action,
        threshold: threshold.map_err(|_| {
            advice(
                "the threshold is not a number of answers",
                "write it so: pause:5/24h",
            )
        })?,
        window_seconds: rule.window_seconds,
    })
}

//! `ks org limits`, `ks project limits`: ceilings over all of an organization or a project.

use clap::Args;
use keystore_wire::Patch;
use keystore_wire::limits::{Limits, UpdateLimits};

use super::Context;
use super::agents::or_none;
use crate::output::facts;

/// Changes to ceilings; without any they are shown.
#[derive(Args)]
pub(crate) struct LimitsArgs {
    /// Requests in any minute, or none for no limit (0 blocks)
    #[arg(long, visible_alias = "rpm", value_name = "N|none", value_parser = or_none::<u32>)]
    rpm_limit: Option<Patch<u32>>,
    /// Requests in a UTC day, or none for no limit (0 blocks)
    #[arg(long, visible_alias = "rpd", value_name = "N|none", value_parser = or_none::<u32>)]
    rpd_limit: Option<Patch<u32>>,
    /// Tokens of input and output in any minute, or none for no limit (0 blocks)
    #[arg(long, visible_alias = "tpm", value_name = "N|none", value_parser = or_none::<u32>)]
    tpm_limit: Option<Patch<u32>>,
    /// Calls at the same time, or none for no limit (0 blocks)
    #[arg(long, value_name = "N|none", value_parser = or_none::<u32>)]
    max_concurrency: Option<Patch<u32>>,
}

/// Shows the ceilings at `path`, or changes them.
pub(crate) async fn run(path: &[&str], args: LimitsArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = UpdateLimits {
        rpm_limit: args.rpm_limit.unwrap_or_default(),
        rpd_limit: args.rpd_limit.unwrap_or_default(),
        tpm_limit: args.tpm_limit.unwrap_or_default(),
        max_concurrency: args.max_concurrency.unwrap_or_default(),
    };
    let limits: Limits = match body == UpdateLimits::default() {
        true => context.client.get(path, &()).await?,
        false => context.client.patch(path, &body).await?,
    };
    context.output.data(&limits, || {
        let shown =
            |limit: Option<u32>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        facts([
            ("Requests a minute", shown(limits.rpm_limit)),
            ("Requests a day", shown(limits.rpd_limit)),
            ("Tokens a minute", shown(limits.tpm_limit)),
            ("Calls at a time", shown(limits.max_concurrency)),
        ])
    })
}

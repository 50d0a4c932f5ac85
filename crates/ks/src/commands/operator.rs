//! `ks operator`: who runs this deployment and sells the use of pooled keys.

use clap::Subcommand;
use keystore_wire::operator::Operator;

use super::Context;
use crate::output::facts;

/// `ks operator`.
#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Set up the organization in which the operator acts, and print a management key of it, once
    #[command(after_help = "Example:\n  ks operator set-up\n\n\
        Only for whoever set the deployment up. Afterwards act there with `ks org switch operator`, or with the key in KS_API_KEY.")]
    SetUp,
}

/// Does what the command says.
pub(crate) async fn run(command: OperatorCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let OperatorCommand::SetUp = command;
    let made: Operator = context.client.act(&["operator"]).await?;
    context.output.note(match made.api_key {
        Some(_) => "The operator's organization is set up. The key is shown this once",
        None => "The operator's organization was set up before; make a key there with `ks api-key create`",
    });
    context.output.data(&made, || {
        let key = made.api_key.clone();
        let org = ("Organization", made.org_id.to_string());
        facts(std::iter::once(org).chain(key.map(|key| ("Key", key))))
    })
}

//! The words of `ks budget` on the command line.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use keystore_core::policy::{BudgetAction, BudgetMode};
use keystore_core::window::Window;

use crate::duration;

/// `ks budget`.
#[derive(Subcommand)]
pub(crate) enum BudgetCommand {
    /// List the budgets, and where each stands
    #[command(after_help = "Examples:\n  ks budget list\n  ks budget list --output json")]
    List,
    /// Make a budget: of everything that is named, else of the whole organization
    #[command(
        after_help = "Examples:\n  ks budget create 500 --window month --threshold 50 --threshold 80\n  \
        ks budget create 20 --window day --agent bot --provider openai\n  \
        ks budget create 5 --window month --agent bot --end-user '*'\n  \
        ks budget create 200 --unit emails --window day --provider resend\n  \
        ks budget create 500 --unit usd-moved --window day --agent bot --provider stripe"
    )]
    Create(CreateArgs),
    /// Show a budget and where it stands
    #[command(after_help = "Example:\n  ks budget show bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Show(CounterArgs),
    /// Change a budget for good; what was spent stays spent
    #[command(
        after_help = "Examples:\n  ks budget update bud_01jd3w8f0qe7ys4c9p2m5n6r7t --limit 750\n  ks budget update bud_01jd3w8f0qe7ys4c9p2m5n6r7t --threshold none"
    )]
    Update(UpdateArgs),
    /// Raise a budget for a while; it goes back by itself
    #[command(
        after_help = "Examples:\n  ks budget raise bud_01jd3w8f0qe7ys4c9p2m5n6r7t --limit 1000 --for 24h\n  ks budget raise bud_01jd3w8f0qe7ys4c9p2m5n6r7t --end"
    )]
    Raise(RaiseArgs),
    /// Show what was spent in each window, the newest first
    #[command(after_help = "Example:\n  ks budget history bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    History(CounterArgs),
    /// List what running calls hold against it
    #[command(after_help = "Example:\n  ks budget holds bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Holds(CounterArgs),
    /// Say whether a call would be admitted, and why not; nothing is called
    #[command(
        after_help = "Examples:\n  ks budget check --agent bot --provider openai --model gpt-5-mini --input-tokens 2000\n  ks budget check --agent bot --provider openai --cost 2.50"
    )]
    Check(CheckArgs),
    /// Delete a budget
    #[command(after_help = "Example:\n  ks budget delete bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Delete(DeleteArgs),
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum WindowArg {
    Day,
    Week,
    Month,
    Total,
}

impl From<WindowArg> for Window {
    fn from(window: WindowArg) -> Self {
        match window {
            WindowArg::Day => Self::Day,
            WindowArg::Week => Self::Week,
            WindowArg::Month => Self::Month,
            WindowArg::Total => Self::Total,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum UnitArg {
    Usd,
    Calls,
    Emails,
    UsdMoved,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum SourceArg {
    Byok,
    Marketplace,
}

/// `ks budget create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// What may be used in a window: dollars, or a number of things
    #[arg(value_name = "LIMIT")]
    pub(super) limit: String,
    /// How long the limit lasts, in the organization's time zone
    #[arg(long, value_enum, default_value = "month")]
    pub(super) window: WindowArg,
    /// What is counted
    #[arg(long, value_enum, default_value = "usd")]
    pub(super) unit: UnitArg,
    /// Only calls of this agent (its name or id)
    #[arg(long, value_name = "AGENT")]
    pub(super) agent: Option<String>,
    /// Only calls to this provider
    #[arg(long, value_name = "SLUG")]
    pub(super) provider: Option<String>,
    /// Only calls of this model; `*` at the end stands for the rest of the name
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Only calls for this end user; `*` gives each the limit for itself
    #[arg(long, value_name = "NAME")]
    pub(super) end_user: Option<String>,
    /// Only calls with credentials of this kind
    #[arg(long, value_enum)]
    pub(super) source: Option<SourceArg>,
    /// Hold what a call costs about, and cut streams that cost more than the budget affords
    #[arg(long)]
    pub(super) estimate: bool,
    /// Refuse nothing: only announce the thresholds
    #[arg(long)]
    pub(super) alert: bool,
    /// A percentage of the limit that is announced; may be given several times
    #[arg(long = "threshold", value_name = "PERCENT")]
    pub(super) thresholds: Vec<u8>,
}

/// A budget, or its counter of one end user.
#[derive(Args)]
pub(crate) struct CounterArgs {
    /// Its id
    pub(super) budget: String,
    /// Of this end user, where the budget counts each by itself
    #[arg(long, value_name = "NAME")]
    pub(super) end_user: Option<String>,
}

/// `ks budget update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Its id
    pub(super) budget: String,
    /// What may be used in a window
    #[arg(long, value_name = "LIMIT")]
    pub(super) limit: Option<String>,
    /// How long the limit lasts, from the end of the present window on
    #[arg(long, value_enum)]
    pub(super) window: Option<WindowArg>,
    /// How the limit holds: strict or estimate
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub(super) mode: Option<BudgetMode>,
    /// What happens at the limit: deny or alert
    #[arg(long, value_name = "ACTION", value_parser = action)]
    pub(super) action: Option<BudgetAction>,
    /// All percentages that are announced; `none` is none
    #[arg(long = "threshold", value_name = "PERCENT")]
    pub(super) thresholds: Vec<String>,
}

/// `ks budget raise`.
#[derive(Args)]
pub(crate) struct RaiseArgs {
    /// Its id
    pub(super) budget: String,
    /// The limit for that time
    #[arg(long, value_name = "LIMIT", required_unless_present = "end")]
    pub(super) limit: Option<String>,
    /// How long, from now
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, required_unless_present = "end")]
    pub(super) lasts: Option<Duration>,
    /// End a raise before its time
    #[arg(long, conflicts_with_all = ["limit", "lasts"])]
    pub(super) end: bool,
}

/// `ks budget check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The agent that would call (its name or id)
    #[arg(long, value_name = "AGENT")]
    pub(super) agent: String,
    /// The provider
    #[arg(long, value_name = "SLUG")]
    pub(super) provider: String,
    /// The model
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// The end user
    #[arg(long, value_name = "NAME")]
    pub(super) end_user: Option<String>,
    /// Tokens of input
    #[arg(long, value_name = "N")]
    pub(super) input_tokens: Option<u64>,
    /// The most tokens of output; the model's own most when absent
    #[arg(long, value_name = "N")]
    pub(super) max_output_tokens: Option<u64>,
    /// What the call costs at most, in dollars, in place of tokens
    #[arg(long, value_name = "DOLLARS", conflicts_with_all = ["input_tokens", "max_output_tokens"])]
    pub(super) cost: Option<String>,
    /// The money that the call moves, in dollars
    #[arg(long, value_name = "DOLLARS")]
    pub(super) moved: Option<String>,
}

/// `ks budget delete`.
#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// Its id
    pub(super) budget: String,
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
}

fn mode(text: &str) -> Result<BudgetMode, String> {
    match text {
        "strict" => Ok(BudgetMode::Strict),
        "estimate" => Ok(BudgetMode::Estimate),
        _ => Err("expected strict or estimate".to_owned()),
    }
}

fn action(text: &str) -> Result<BudgetAction, String> {
    match text {
        "deny" => Ok(BudgetAction::Deny),
        "alert" => Ok(BudgetAction::Alert),
        _ => Err("expected deny or alert".to_owned()),
    }
}

//! `ks budget`: what may be spent, by whom, on what, and how long.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use keystore_core::policy::{BudgetAction, BudgetMode, Source, Unit};
use keystore_core::window::Window;
use keystore_wire::budgets::{
    Budget, BudgetCheck, BudgetQuery, BudgetWindow, CheckBudgets, CreateBudget, HistoryQuery, Raise,
    UpdateBudget,
};
use keystore_wire::{Patch, Time};

use super::find::MOST;
use super::{Context, moment};
use crate::duration;
use crate::output::{advice, facts, table};
use crate::secret_input;

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
        ks budget create 200 --unit emails --window day --provider resend"
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
enum WindowArg {
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
enum UnitArg {
    Usd,
    Calls,
    Emails,
}

#[derive(Clone, Copy, ValueEnum)]
enum SourceArg {
    Byok,
    Marketplace,
}

/// `ks budget create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// What may be used in a window: dollars, or a number of things
    #[arg(value_name = "LIMIT")]
    limit: String,
    /// How long the limit lasts, in the organization's time zone
    #[arg(long, value_enum, default_value = "month")]
    window: WindowArg,
    /// What is counted
    #[arg(long, value_enum, default_value = "usd")]
    unit: UnitArg,
    /// Only calls of this agent (its name or id)
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only calls to this provider
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
    /// Only calls of this model; `*` at the end stands for the rest of the name
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Only calls for this end user; `*` gives each the limit for itself
    #[arg(long, value_name = "NAME")]
    end_user: Option<String>,
    /// Only calls with credentials of this kind
    #[arg(long, value_enum)]
    source: Option<SourceArg>,
    /// Hold what a call costs about, and cut streams that cost more than the budget affords
    #[arg(long)]
    estimate: bool,
    /// Refuse nothing: only announce the thresholds
    #[arg(long)]
    alert: bool,
    /// A percentage of the limit that is announced; may be given several times
    #[arg(long = "threshold", value_name = "PERCENT")]
    thresholds: Vec<u8>,
}

/// A budget, or its counter of one end user.
#[derive(Args)]
pub(crate) struct CounterArgs {
    /// Its id
    budget: String,
    /// Of this end user, where the budget counts each by itself
    #[arg(long, value_name = "NAME")]
    end_user: Option<String>,
}

/// `ks budget update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Its id
    budget: String,
    /// What may be used in a window
    #[arg(long, value_name = "LIMIT")]
    limit: Option<String>,
    /// How long the limit lasts, from the end of the present window on
    #[arg(long, value_enum)]
    window: Option<WindowArg>,
    /// How the limit holds: strict or estimate
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<BudgetMode>,
    /// What happens at the limit: deny or alert
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<BudgetAction>,
    /// All percentages that are announced; `none` is none
    #[arg(long = "threshold", value_name = "PERCENT")]
    thresholds: Vec<String>,
}

/// `ks budget raise`.
#[derive(Args)]
pub(crate) struct RaiseArgs {
    /// Its id
    budget: String,
    /// The limit for that time
    #[arg(long, value_name = "LIMIT", required_unless_present = "end")]
    limit: Option<String>,
    /// How long, from now
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, required_unless_present = "end")]
    lasts: Option<Duration>,
    /// End a raise before its time
    #[arg(long, conflicts_with_all = ["limit", "lasts"])]
    end: bool,
}

/// `ks budget check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The agent that would call (its name or id)
    #[arg(long, value_name = "AGENT")]
    agent: String,
    /// The provider
    #[arg(long, value_name = "SLUG")]
    provider: String,
    /// The model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The end user
    #[arg(long, value_name = "NAME")]
    end_user: Option<String>,
    /// Tokens of input
    #[arg(long, value_name = "N")]
    input_tokens: Option<u64>,
    /// The most tokens of output; the model's own most when absent
    #[arg(long, value_name = "N")]
    max_output_tokens: Option<u64>,
    /// What the call costs at most, in dollars, in place of tokens
    #[arg(long, value_name = "DOLLARS", conflicts_with_all = ["input_tokens", "max_output_tokens"])]
    cost: Option<String>,
}

/// `ks budget delete`.
#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// Its id
    budget: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
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

/// Does what the command says.
pub(crate) async fn run(command: BudgetCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        BudgetCommand::List => list(context).await,
        BudgetCommand::Create(args) => create(args, context).await,
        BudgetCommand::Show(args) => {
            let query = BudgetQuery {
                end_user: args.end_user,
            };
            let budget: Budget = context.client.get(&["budgets", &args.budget], &query).await?;
            show(&budget, context)
        }
        BudgetCommand::Update(args) => update(args, context).await,
        BudgetCommand::Raise(args) => raise(args, context).await,
        BudgetCommand::History(args) => history(args, context).await,
        BudgetCommand::Check(args) => check(args, context).await,
        BudgetCommand::Delete(args) => {
            secret_input::confirm(
                &format!(
                    "Delete the budget {}? What it limits is limited no more.",
                    args.budget
                ),
                args.yes,
            )?;
            context.client.delete(&["budgets", &args.budget]).await?;
            context
                .output
                .note(&format!("Deleted the budget {}", args.budget));
            Ok(())
        }
    }
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let mut thresholds = args.thresholds;
    thresholds.sort_unstable();
    let body = CreateBudget {
        project: context.settings.project.clone(),
        agent: args.agent,
        provider: args.provider,
        model: args.model,
        end_user: args.end_user,
        source: args.source.map(|source| match source {
            SourceArg::Byok => Source::Byok,
            SourceArg::Marketplace => Source::Marketplace,
        }),
        limit: args.limit,
        unit: match args.unit {
            UnitArg::Usd => Unit::Usd,
            UnitArg::Calls => Unit::Calls,
            UnitArg::Emails => Unit::Emails,
        },
        window: args.window.into(),
        mode: match args.estimate {
            true => BudgetMode::Estimate,
            false => BudgetMode::Strict,
        },
        action: match args.alert {
            true => BudgetAction::Alert,
            false => BudgetAction::Deny,
        },
        thresholds,
    };
    let budget: Budget = context.client.post(&["budgets"], &body).await?;
    context.output.note(&format!("Created the budget {}", budget.id));
    show(&budget, context)
}

async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let thresholds = match args.thresholds.as_slice() {
        [] => Patch::Keep,
        [none] if none == "none" => Patch::Reset,
        texts => {
            let mut percents = texts
                .iter()
                .map(|text| text.parse())
                .collect::<Result<Vec<u8>, _>>()
                .map_err(|_| {
                    advice(
                        "a threshold is not a percentage",
                        "give a number from 1 to 100, or `none`",
                    )
                })?;
            percents.sort_unstable();
            Patch::Set(percents)
        }
    };
    let body = UpdateBudget {
        limit: args.limit,
        window: args.window.map(Into::into),
        mode: args.mode,
        action: args.action,
        thresholds,
    };
    if body == UpdateBudget::default() {
        return Err(advice(
            "nothing is to be changed",
            "`ks budget update --help` shows what can be",
        ));
    }
    let budget: Budget = context.client.patch(&["budgets", &args.budget], &body).await?;
    context.output.note(&format!("Changed the budget {}", budget.id));
    show(&budget, context)
}

async fn raise(args: RaiseArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let path = ["budgets", &args.budget, "raise"];
    let budget: Budget = match (args.limit, args.lasts) {
        (Some(limit), Some(lasts)) => {
            let until: Time = duration::from_now(lasts).into();
            let budget = context.client.post(&path, &Raise { limit, until }).await?;
            context.output.note(&format!(
                "Raised the budget {} until {}",
                args.budget,
                moment(until)
            ));
            budget
        }
        _ => {
            let budget = context.client.remove(&path, &()).await?;
            context
                .output
                .note(&format!("The budget {} has its own limit again", args.budget));
            budget
        }
    };
    show(&budget, context)
}

async fn history(args: CounterArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = HistoryQuery {
        end_user: args.end_user,
        ..HistoryQuery::default()
    };
    let path = ["budgets", &args.budget, "history"];
    let windows: Vec<BudgetWindow> = context.client.list(&path, &query, MOST).await?;
    context.output.data(&windows, || {
        let rows = windows
            .iter()
            .map(|window| [moment(window.start), window.spent.clone()]);
        table(["WINDOW FROM", "SPENT"], rows)
    })
}

async fn check(args: CheckArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CheckBudgets {
        agent: args.agent,
        provider: args.provider,
        model: args.model,
        end_user: args.end_user,
        input_tokens: args.input_tokens,
        max_output_tokens: args.max_output_tokens,
        cost: args.cost,
    };
    let check: BudgetCheck = context.client.post(&["budgets", "check"], &body).await?;
    let verdict = match &check.reason {
        None => "It would be admitted".to_owned(),
        Some(reason) => format!("It would not be admitted: {reason}"),
    };
    context.output.note(&verdict);
    context.output.data(&check, || {
        let rows = check.budgets.iter().map(|checked| {
            [
                checked.budget.id.to_string(),
                of(&checked.budget),
                amount(&checked.budget, &checked.needed),
                amount(&checked.budget, &checked.budget.spent),
                amount(&checked.budget, &checked.budget.held),
                amount(&checked.budget, &checked.budget.limit),
                if checked.affords { "yes" } else { "no" }.to_owned(),
            ]
        });
        table(
            ["BUDGET", "OF", "NEEDED", "SPENT", "HELD", "LIMIT", "AFFORDS"],
            rows,
        )
    })
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let budgets: Vec<Budget> = context.client.list(&["budgets"], &(), MOST).await?;
    context.output.data(&budgets, || {
        let rows = budgets.iter().map(|budget| {
            [
                of(budget),
                amount(budget, &budget.limit),
                budget.window.as_str().to_owned(),
                amount(budget, &budget.spent),
                amount(budget, &budget.held),
                rule(budget),
                budget.id.to_string(),
            ]
        });
        table(["OF", "LIMIT", "WINDOW", "SPENT", "HELD", "RULE", "ID"], rows)
    })
}

fn show(budget: &Budget, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(budget, || {
        let thresholds: Vec<_> = budget
            .thresholds
            .iter()
            .map(|percent| format!("{percent} %"))
            .collect();
        facts([
            ("Of", of(budget)),
            (
                "Limit",
                format!("{} a {}", amount(budget, &budget.limit), budget.window.as_str()),
            ),
            (
                "Raised",
                budget.raise.as_ref().map_or_else(String::new, |raise| {
                    format!(
                        "to {} until {}",
                        amount(budget, &raise.limit),
                        moment(raise.until)
                    )
                }),
            ),
            ("Spent", amount(budget, &budget.spent)),
            ("Held", amount(budget, &budget.held)),
            (
                "Resets",
                budget.resets_at.map_or_else(|| "never".to_owned(), moment),
            ),
            ("Rule", rule(budget)),
            ("Thresholds", thresholds.join(", ")),
            ("Created", moment(budget.created_at)),
            ("ID", budget.id.to_string()),
        ])
    })
}

/// Whose calls it counts.
fn of(budget: &Budget) -> String {
    let parts = [
        (
            "project",
            budget
                .project_id
                .filter(|_| budget.agent_id.is_none())
                .map(|id| id.to_string()),
        ),
        ("agent", budget.agent_id.map(|id| id.to_string())),
        ("provider", budget.provider.clone()),
        ("model", budget.model.clone()),
        ("end user", budget.end_user.clone()),
        ("source", budget.source.map(|source| source.as_str().to_owned())),
    ];
    let named: Vec<_> = parts
        .into_iter()
        .filter_map(|(what, name)| name.map(|name| format!("{what} {name}")))
        .collect();
    match named.is_empty() {
        true => "organization".to_owned(),
        false => named.join(", "),
    }
}

fn amount(budget: &Budget, text: &str) -> String {
    match budget.unit.is_money() {
        true => format!("${text}"),
        false => format!("{text} {}", budget.unit.as_str()),
    }
}

fn rule(budget: &Budget) -> String {
    match (budget.action, budget.mode) {
        (BudgetAction::Alert, _) => "alert".to_owned(),
        (BudgetAction::Deny, mode) => format!("deny, {}", mode.as_str()),
    }
}

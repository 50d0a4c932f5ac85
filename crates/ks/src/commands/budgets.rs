//! `ks budget`: what may be spent, by whom, on what, and how long. The words of its command line are in `words`.

mod words;

use keystore_core::policy::{BudgetAction, BudgetMode, Source, Unit};
use keystore_wire::budgets::{
    Budget, BudgetCheck, BudgetHold, BudgetQuery, BudgetWindow, CheckBudgets, CreateBudget, HistoryQuery,
    Raise, UpdateBudget,
};
use keystore_wire::{Patch, Time};

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::duration;
use crate::output::{advice, facts, table};
use crate::secret_input;

pub(crate) use words::BudgetCommand;
use words::{CheckArgs, CounterArgs, CreateArgs, RaiseArgs, SourceArg, UnitArg, UpdateArgs};

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
        BudgetCommand::Holds(args) => holds(args, context).await,
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
            UnitArg::UsdMoved => Unit::UsdMoved,
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

async fn holds(args: CounterArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = HistoryQuery {
        end_user: args.end_user,
        ..HistoryQuery::default()
    };
    let path = ["budgets", &args.budget, "holds"];
    let holds: Vec<BudgetHold> = context.client.list(&path, &query, MOST).await?;
    context.output.data(&holds, || {
        let rows = holds.iter().map(|hold| {
            [
                moment(hold.since),
                hold.provider.clone(),
                or_dash(hold.model.clone()),
                hold.amount.clone(),
                hold.request_id.to_string(),
            ]
        });
        table(["SINCE", "PROVIDER", "MODEL", "AMOUNT", "REQUEST"], rows)
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
        moved: args.moved,
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

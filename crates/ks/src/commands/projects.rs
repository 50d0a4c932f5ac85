//! `ks project`: projects of the organization. `--project` on other commands says which one they work in.

use clap::{Args, Subcommand};
use keystore_wire::projects::{CreateProject, DeleteProject, DeletedProject, Project, UpdateProject};

use super::abuse::AbuseArgs;
use super::find::MOST;
use super::limits::LimitsArgs;
use super::{Context, date, moment};
use crate::complete;
use crate::output::{facts, table};
use crate::secret_input;

/// `ks project`.
#[derive(Subcommand)]
pub(crate) enum ProjectCommand {
    /// List the projects
    #[command(after_help = "Examples:\n  ks project list\n  ks project list --output json")]
    List,
    /// Make a project
    #[command(
        after_help = "Examples:\n  ks project create 'Customer 42'\n  ks project create 'Customer 42' --slug c42 --label phi"
    )]
    Create(CreateArgs),
    /// Show a project
    #[command(after_help = "Example:\n  ks project show customer-42")]
    Show {
        /// Its slug or id
        #[arg(add = complete::projects())]
        project: String,
    },
    /// Change names and labels
    #[command(
        after_help = "Examples:\n  ks project update customer-42 --name Kunde\n  ks project update customer-42 --label none"
    )]
    Update(UpdateArgs),
    /// Show or change what all calls of a project together may not pass
    #[command(
        after_help = "Examples:\n  ks project limits customer-42\n  ks project limits customer-42 --rpm-limit 600 --max-concurrency 20"
    )]
    Limits {
        /// Its slug or id
        project: String,
        #[command(flatten)]
        limits: LimitsArgs,
    },
    /// Show or change the rules that watch the agents of a project
    #[command(
        after_help = "Examples:\n  ks project abuse customer-42\n  ks project abuse customer-42 --identical-requests off"
    )]
    Abuse {
        /// Its slug or id
        project: String,
        #[command(flatten)]
        rules: AbuseArgs,
    },
    /// Delete a project; one that is not empty only with `--force`
    #[command(
        after_help = "Examples:\n  ks project delete customer-42\n  ks project delete customer-42 --force --yes"
    )]
    Delete(DeleteArgs),
}

/// `ks project create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// Its name in URLs and commands; made from the name if absent
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// A label; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
}

/// `ks project update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Its slug or id
    #[arg(add = complete::projects())]
    project: String,
    /// A new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A new name in URLs and commands
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// All labels from now on; `none` takes them away
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
}

/// `ks project delete`.
#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// Its slug or id
    #[arg(add = complete::projects())]
    project: String,
    /// With everything in it
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Does what the command says.
pub(crate) async fn run(command: ProjectCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        ProjectCommand::List => list(context).await,
        ProjectCommand::Create(args) => {
            let body = CreateProject {
                name: args.name,
                slug: args.slug,
                labels: args.labels,
            };
            let project: Project = context.client.post(&["projects"], &body).await?;
            show(&project, context)
        }
        ProjectCommand::Show { project } => {
            let project: Project = context.client.get(&["projects", &project], &()).await?;
            show(&project, context)
        }
        ProjectCommand::Update(args) => {
            let labels = match args.labels.as_slice() {
                [] => None,
                [none] if none == "none" => Some(Vec::new()),
                labels => Some(labels.to_vec()),
            };
            let body = UpdateProject {
                name: args.name,
                slug: args.slug,
                labels,
            };
            let project: Project = context.client.patch(&["projects", &args.project], &body).await?;
            show(&project, context)
        }
        ProjectCommand::Limits { project, limits } => {
            super::limits::run(&["projects", &project, "limits"], limits, context).await
        }
        ProjectCommand::Abuse { project, rules } => {
            super::abuse::run(&["projects", &project, "abuse-rules"], rules, context).await
        }
        ProjectCommand::Delete(args) => delete(&args, context).await,
    }
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let projects: Vec<Project> = context.client.list(&["projects"], &(), MOST).await?;
    context.output.data(&projects, || {
        let rows = projects.iter().map(|project| {
            [
                project.slug.clone(),
                project.name.clone(),
                project.labels.join(", "),
                date(project.created_at),
                project.id.to_string(),
            ]
        });
        table(["SLUG", "NAME", "LABELS", "CREATED", "ID"], rows)
    })
}

fn show(project: &Project, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(project, || {
        facts([
            ("Name", project.name.clone()),
            ("Slug", project.slug.clone()),
            ("Labels", project.labels.join(", ")),
            ("Created", moment(project.created_at)),
            ("Changed", moment(project.updated_at)),
            ("ID", project.id.to_string()),
        ])
    })
}

async fn delete(args: &DeleteArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let what = if args.force { " with everything in it" } else { "" };
    secret_input::confirm(&format!("Delete the project `{}`{what}?", args.project), args.yes)?;
    let query = DeleteProject { force: args.force };
    let gone: DeletedProject = context
        .client
        .remove(&["projects", &args.project], &query)
        .await?;
    context.output.note(&format!(
        "Deleted the project `{}`: {} agents, {} tokens, {} keys of providers, {} budgets and {} management keys went with it",
        args.project, gone.agents, gone.tokens, gone.credentials, gone.budgets, gone.api_keys
    ));
    match context.output.is_json() {
        true => context.output.data(&gone, String::new),
        false => Ok(()),
    }
}

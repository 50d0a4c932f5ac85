//! `ks session`: a person's own sessions. What a program called itself and where it came from is what the server was told: it is shown
//! for its owner to know it again, and proves nothing.

use clap::Subcommand;
use keystore_wire::sessions::{EndSessions, EndedSessions, Session};

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::output::table;
use crate::secret_input;

/// `ks session`.
#[derive(Subcommand)]
pub(crate) enum SessionCommand {
    /// List your sessions: where each began, and when it was last used
    #[command(after_help = "Examples:\n  ks session list\n  ks session list --output json")]
    List,
    /// End one of your sessions at once
    #[command(after_help = "Example:\n  ks session end ses_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    End {
        /// Its id
        id: String,
    },
    /// End all of your sessions but this one
    #[command(after_help = "Examples:\n  ks session end-all\n  ks session end-all --this-too --yes")]
    EndAll {
        /// This one, too
        #[arg(long)]
        this_too: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Does what the command says.
pub(crate) async fn run(command: SessionCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        SessionCommand::List => list(context).await,
        SessionCommand::End { id } => {
            context.client.delete(&["auth", "sessions", &id]).await?;
            context.output.note(&format!("The session {id} has ended"));
            Ok(())
        }
        SessionCommand::EndAll { this_too, yes } => end_all(this_too, yes, context).await,
    }
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let sessions: Vec<Session> = context.client.list(&["auth", "sessions"], &(), MOST).await?;
    context.output.data(&sessions, || {
        let rows = sessions.iter().map(|session| {
            [
                if session.current { "*" } else { "" }.to_owned(),
                or_dash(session.client.clone()),
                or_dash(session.address.clone()),
                moment(session.created_at),
                moment(session.last_used_at),
                session.id.to_string(),
            ]
        });
        table(["THIS", "PROGRAM", "ADDRESS", "BEGAN", "LAST USED", "ID"], rows)
    })
}

async fn end_all(this_too: bool, yes: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let question = match this_too {
        true => "End all of your sessions, this one too?",
        false => "End all of your sessions but this one?",
    };
    secret_input::confirm(question, yes)?;
    let body = EndSessions { keep_this: !this_too };
    let done: EndedSessions = context.client.post(&["auth", "sessions", "end"], &body).await?;
    context.output.note(&match done.ended {
        1 => "One session has ended".to_owned(),
        ended => format!("{ended} sessions have ended"),
    });
    match context.output.is_json() {
        true => context.output.data(&done, String::new),
        false => Ok(()),
    }
}

//! `ks factor`: second factors of the person whose session this is. Passkeys are the dashboard's matter: they need a browser.

use clap::{Args, Subcommand};
use keystore_wire::factors::{Factors, RecoveryCodes, TotpEnrolment};

use super::{Context, moment, or_dash};
use crate::output::facts;
use crate::secret_input;

/// `ks factor`.
#[derive(Subcommand)]
pub(crate) enum FactorCommand {
    /// Show your second factors, and how many recovery codes are left
    #[command(after_help = "Examples:\n  ks factor show\n  ks factor show --output json")]
    Show,
    /// Set an app up that shows one-time codes; it counts once a code confirmed it
    #[command(
        after_help = "Examples:\n  ks factor add                              asks for the password and the first code\n  \
        printf %s \"$PASSWORD\" | ks factor add --password-stdin"
    )]
    Add(PasswordArgs),
    /// Confirm the app with the code that it shows; your recovery codes are shown this once
    #[command(after_help = "Example:\n  ks factor confirm 123456")]
    Confirm {
        /// Six digits
        code: String,
    },
    /// Take the app away; your other sessions end
    #[command(
        after_help = "Examples:\n  ks factor remove\n  printf %s \"$PASSWORD\" | ks factor remove --password-stdin"
    )]
    Remove(PasswordArgs),
    /// Make new recovery codes in the place of yours; they are shown this once
    #[command(
        after_help = "Examples:\n  ks factor recovery-codes\n  printf %s \"$PASSWORD\" | ks factor recovery-codes --password-stdin"
    )]
    RecoveryCodes(PasswordArgs),
}

/// Where the password comes from.
#[derive(Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    fn body(&self) -> anyhow::Result<serde_json::Value> {
        let password = secret_input::password(self.password_stdin)?;
        Ok(serde_json::json!({"password": password.as_str()}))
    }
}

/// Does what the command says.
pub(crate) async fn run(command: FactorCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        FactorCommand::Show => show(context).await,
        FactorCommand::Add(args) => add(&args, context).await,
        FactorCommand::Confirm { code } => confirm(&code, context).await,
        FactorCommand::Remove(args) => {
            let path = ["auth", "totp", "remove"];
            context.client.post_quietly(&path, &args.body()?).await?;
            context
                .output
                .note("One-time codes are asked for no more, and your other sessions have ended");
            Ok(())
        }
        FactorCommand::RecoveryCodes(args) => {
            let codes = context
                .client
                .post(&["auth", "recovery-codes"], &args.body()?)
                .await?;
            told(&codes, context)
        }
    }
}

async fn show(context: &Context<'_>) -> anyhow::Result<()> {
    let factors: Factors = context.client.get(&["auth", "factors"], &()).await?;
    context.output.data(&factors, || {
        let since = factors.totp_since.map(|since| format!("since {}", moment(since)));
        let passkeys: Vec<_> = factors
            .passkeys
            .iter()
            .map(|passkey| passkey.name.as_str())
            .collect();
        let passkeys = (!passkeys.is_empty()).then(|| passkeys.join(", "));
        facts([
            ("One-time codes", or_dash(since)),
            ("Passkeys", or_dash(passkeys)),
            ("Recovery codes left", factors.recovery_codes_left.to_string()),
            (
                "Required",
                if factors.required {
                    "by an organization of yours"
                } else {
                    "no"
                }
                .to_owned(),
            ),
        ])
    })
}

async fn add(args: &PasswordArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let made: TotpEnrolment = context.client.post(&["auth", "totp"], &args.body()?).await?;
    context
        .output
        .note("Give this key to your app; it is shown this once:");
    context
        .output
        .data(&made, || format!("{}\n{}", made.secret, made.uri))?;
    if secret_input::can_ask() && !context.output.is_json() {
        let code = secret_input::ask("The code that it shows", "give it to `ks factor confirm`")?;
        return confirm(&code, context).await;
    }
    context
        .output
        .note("It counts once `ks factor confirm` had the code that it shows");
    Ok(())
}

async fn confirm(code: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let body = serde_json::json!({"code": code});
    let codes = context.client.post(&["auth", "totp", "confirm"], &body).await?;
    context
        .output
        .note("From now on signing in takes a code of your app; your other sessions have ended");
    told(&codes, context)
}

fn told(codes: &RecoveryCodes, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.note(
        "Recovery codes, each good once in place of the app; they are shown this once: keep them where you find them without this machine",
    );
    context.output.data(codes, || codes.recovery_codes.join("\n"))
}

//! `ks account`: the password, and what the codes in mails are for. These need nobody to be signed in; changing the password and asking
//! for a confirmation do.

use clap::{Args, Subcommand};
use keystore_wire::auth::{ForgotPassword, Me, SignedIn};
use zeroize::Zeroizing;

use super::Context;
use crate::client::Client;
use crate::output::advice;
use crate::secret_input;
use crate::settings::Profile;

/// How both passwords are given where nobody can be asked.
const PASSWORDS: &str = "give it and the new one on stdin, a line each, with `--passwords-stdin`";

/// `ks account`.
#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Choose another password; your other sessions end
    #[command(
        after_help = "Examples:\n  ks account change-password\n  printf '%s\\n' \"$OLD\" \"$NEW\" | ks account change-password --passwords-stdin"
    )]
    ChangePassword {
        /// Read the password until now and the new one from stdin, a line each
        #[arg(long)]
        passwords_stdin: bool,
    },
    /// Ask for a mail with a code for a new password
    #[command(after_help = "Example:\n  ks account forgot-password --email ada@example.com")]
    ForgotPassword {
        /// Your address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
    },
    /// Choose a new password with the code of a mail; every session ends
    #[command(
        after_help = "Examples:\n  ks account reset-password --code ksc_…\n  printf %s \"$PASSWORD\" | ks account reset-password --code ksc_… --password-stdin"
    )]
    ResetPassword(CodeAndPassword),
    /// Ask for a mail with a code that confirms your address
    #[command(after_help = "Example:\n  ks account send-verification")]
    SendVerification,
    /// Confirm your address with the code of a mail
    #[command(after_help = "Example:\n  ks account verify-email --code ksc_…")]
    VerifyEmail {
        /// The code
        #[arg(long, value_name = "CODE")]
        code: String,
    },
    /// Take up an invitation with the code of a mail, and sign in
    #[command(
        after_help = "Examples:\n  ks account accept --code ksc_…                  with the password of your account\n  \
        ks account accept --code ksc_… --name Grace     with a new account; chooses a password"
    )]
    Accept(AcceptArgs),
}

/// A code and where the password comes from.
#[derive(Args)]
pub(crate) struct CodeAndPassword {
    /// The code
    #[arg(long, value_name = "CODE")]
    code: String,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
}

/// `ks account accept`.
#[derive(Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    given: CodeAndPassword,
    /// Your name, for a new account
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The code of your app, or a recovery code, where your account has a second factor
    #[arg(long, value_name = "CODE")]
    second_factor: Option<String>,
}

impl CodeAndPassword {
    fn password(&self) -> anyhow::Result<Zeroizing<String>> {
        secret_input::password(self.password_stdin)
    }
}

/// Does what the command says.
pub(crate) async fn run(command: AccountCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let nobody = Client::new(context.settings)?.with_key(None);
    match command {
        AccountCommand::ChangePassword { passwords_stdin } => {
            change_password(passwords_stdin, context).await?;
        }
        AccountCommand::ForgotPassword { email } => {
            nobody
                .post_quietly(&["auth", "forgot-password"], &ForgotPassword { email })
                .await?;
            context.output.note(
                "If there is an account for this address, a code is on its way; without a mail server it is in the server's log",
            );
        }
        AccountCommand::ResetPassword(args) => {
            let password = args.password()?;
            let body = serde_json::json!({"code": args.code, "password": password.as_str()});
            nobody.post_quietly(&["auth", "reset-password"], &body).await?;
            context
                .output
                .note("The new password holds, and every session has ended; sign in with `ks login`");
        }
        AccountCommand::SendVerification => {
            context.client.act_quietly(&["auth", "send-verification"]).await?;
            context.output.note("A code is on its way to your address");
        }
        AccountCommand::VerifyEmail { code } => {
            let body = serde_json::json!({"code": code});
            nobody.post_quietly(&["auth", "verify-email"], &body).await?;
            context.output.note("Your address is confirmed");
        }
        AccountCommand::Accept(args) => accept(&args, &nobody, context).await?,
    }
    Ok(())
}

async fn change_password(from_stdin: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let (old, new) = match from_stdin {
        true => {
            let both = secret_input::from_stdin("the passwords")?;
            let (old, new) = both.split_once('\n').ok_or_else(|| {
                advice(
                    "there is one line on stdin where two are expected",
                    "give the password until now and the new one, a line each",
                )
            })?;
            (
                Zeroizing::new(old.trim_end_matches('\r').to_owned()),
                Zeroizing::new(new.to_owned()),
            )
        }
        false => (
            secret_input::ask("Password until now", PASSWORDS)?,
            secret_input::ask("New password", PASSWORDS)?,
        ),
    };
    let body = serde_json::json!({"password": old.as_str(), "newPassword": new.as_str()});
    context
        .client
        .post_quietly(&["auth", "change-password"], &body)
        .await?;
    context
        .output
        .note("The new password holds, and your other sessions have ended");
    Ok(())
}

async fn accept(args: &AcceptArgs, nobody: &Client, context: &Context<'_>) -> anyhow::Result<()> {
    let password = args.given.password()?;
    let mut body = serde_json::json!({"code": args.given.code, "password": password.as_str()});
    if let Some(name) = &args.name {
        body["name"] = name.as_str().into();
    }
    if let Some(code) = &args.second_factor {
        body["secondFactor"] = code.as_str().into();
    }
    let signed_in: SignedIn = nobody.post(&["auth", "accept-invitation"], &body).await?;
    let session = Client::new(context.settings)?.with_key(Some(Zeroizing::new(signed_in.token.clone())));
    let me: Me = session.get(&["auth", "me"], &()).await?;
    let email = Some(signed_in.user.email);
    Profile::new(context.settings.api_url.clone(), signed_in.token, email).write()?;
    context.output.note(&format!(
        "You belong to {} as {}, and are signed in",
        me.org.name,
        me.role.as_str()
    ));
    match context.output.is_json() {
        true => context.output.data(&me, String::new),
        false => Ok(()),
    }
}

//! `ks login`, `ks logout`, `ks whoami`: the session that the other commands use.

use keystore_wire::auth::{Me, SignedIn};
use zeroize::Zeroizing;

use super::{Context, or_dash};
use crate::cli::Global;
use crate::client::{Client, Refused};
use crate::output::{advice, facts, masked, told};
use crate::secret_input;
use crate::settings::Profile;

/// `ks login`.
#[derive(clap::Args)]
pub(crate) struct LoginArgs {
    /// The address to sign in with
    #[arg(long, value_name = "ADDRESS", conflicts_with = "code")]
    email: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "email")]
    password_stdin: bool,
    /// A sign-in link, or the code in it
    #[arg(long, value_name = "LINK")]
    code: Option<String>,
    /// The code of your app, or a recovery code, where your account has a second factor; asked for when absent
    #[arg(long, value_name = "CODE")]
    second_factor: Option<String>,
}

/// Signs in and remembers the session.
pub(crate) async fn login(args: LoginArgs, global: &Global, context: &Context<'_>) -> anyhow::Result<()> {
    let nobody = Client::new(context.settings)?.with_key(None);
    let (token, email) = if let Some(code) = &args.code {
        let body = serde_json::json!({"code": code_of(code)});
        let first = nobody.post(&["auth", "exchange"], &body).await;
        let signed_in = second_step(first, &nobody, args.second_factor.as_deref()).await?;
        (signed_in.token, Some(signed_in.user.email))
    } else if let (Some(key), None) = (&global.api_key, &args.email) {
        (key.clone(), None)
    } else {
        let email = match args.email {
            Some(email) => email,
            None if secret_input::can_ask() => inquire::Text::new("E-mail address:").prompt()?,
            None => {
                return Err(advice(
                    "there is no terminal to ask who you are",
                    "add `--email` and `--password-stdin`, or `--code`, or `--api-key`",
                ));
            }
        };
        let password = secret_input::password(args.password_stdin)?;
        let body = serde_json::json!({"email": email, "password": password.as_str()});
        let first = nobody.post(&["auth", "login"], &body).await;
        let signed_in = second_step(first, &nobody, args.second_factor.as_deref()).await?;
        (signed_in.token, Some(email))
    };
    let signed_in = nobody.with_key(Some(Zeroizing::new(token.clone())));
    let me: Me = signed_in.get(&["auth", "me"], &()).await?;
    let path = Profile::new(context.settings.api_url.clone(), token, email).write()?;
    context.output.note(&format!(
        "Signed in to {} as {}",
        context.settings.api_url,
        name_of(&me)
    ));
    context.output.note(&format!("Remembered in {}", path.display()));
    if context.output.is_json() {
        context.output.data(&me, String::new)
    } else {
        Ok(())
    }
}

/// The session, after the second step where there is one.
async fn second_step(
    first: anyhow::Result<SignedIn>,
    nobody: &Client,
    given: Option<&str>,
) -> anyhow::Result<SignedIn> {
    let error = match first {
        Ok(signed_in) => return Ok(signed_in),
        Err(error) => error,
    };
    let problem = error.downcast_ref::<Refused>().map(|refused| &refused.0);
    let Some(challenge) = problem.and_then(|problem| problem.challenge.clone()) else {
        return Err(error);
    };
    let code = match given {
        Some(code) => Zeroizing::new(code.to_owned()),
        None => secret_input::ask(
            "Code of your app or recovery code",
            "give it with `--second-factor`; scripts use a management key: `ks api-key create`",
        )?,
    };
    let body = serde_json::json!({"challenge": challenge.token.0, "code": code.as_str()});
    nobody.post(&["auth", "second-factor"], &body).await
}

/// The code in a sign-in link, or the code itself.
fn code_of(link: &str) -> &str {
    link.split_once("code=")
        .map_or(link, |(_, rest)| rest.split(['&', '#']).next().unwrap_or(rest))
        .trim()
}

fn name_of(me: &Me) -> String {
    let who = match (&me.user, &me.api_key_name) {
        (Some(user), _) => user.email.clone(),
        (None, Some(name)) => format!("the management key `{name}`"),
        (None, None) => "a management key".to_owned(),
    };
    format!("{who}, {} of {}", me.role.as_str(), me.org.name)
}

/// Ends the session and forgets it. A management key is forgotten but goes on existing.
pub(crate) async fn logout(context: &Context<'_>) -> anyhow::Result<()> {
    let Some(profile) = Profile::read()? else {
        context.output.note("Nobody is signed in");
        return Ok(());
    };
    if profile.token.starts_with("kss_") && profile.api_url.trim_end_matches('/') == context.settings.api_url
    {
        let session = Client::new(context.settings)?.with_key(Some(Zeroizing::new(profile.token)));
        if let Err(error) = session.act_quietly(&["auth", "logout"]).await {
            context
                .output
                .warn(&format!("the server was not told: {}", told(&error)));
        }
    }
    Profile::remove()?;
    context.output.note("Signed out");
    Ok(())
}

/// Shows who the commands act as.
pub(crate) async fn whoami(context: &Context<'_>) -> anyhow::Result<()> {
    let me: Me = context.client.get(&["auth", "me"], &()).await?;
    let settings = context.settings;
    context.output.data(&me, || {
        let key = settings.api_key.as_deref().map(|key| masked(key));
        facts([
            ("Acting as", name_of(&me)),
            ("Organization", format!("{} ({})", me.org.name, me.org.slug)),
            ("Project", or_dash(me.project_id)),
            ("Role", me.role.as_str().to_owned()),
            ("Ends", or_dash(me.expires_at)),
            ("Key", format!("{} from {}", or_dash(key), settings.api_key_from)),
            (
                "API",
                format!("{} from {}", settings.api_url, settings.api_url_from),
            ),
            ("Proxy", me.proxy_url.clone()),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn a_code_is_found_in_its_link() {
        for link in [
            "abc123",
            "http://127.0.0.1:8401/login?code=abc123",
            "http://127.0.0.1:8401/login?code=abc123&next=/",
            "http://127.0.0.1:8401/#code=abc123\n",
        ] {
            assert_eq!(code_of(link), "abc123", "{link}");
        }
    }
}

//! Mail: what is written to people, and the ways it reaches them. Few words, plain text, one link.
//!
//! A mail that somebody asked for is posted, not awaited: no answer says by its content or by its time whether an address is
//! known. One that cannot be sent is logged and not tried again; whoever waits for it asks for another. Nobody asks for a
//! mail about an event: it is tried again ([`waiting`]).

mod events;
mod market;
mod shown;
mod smtp;
pub(crate) mod waiting;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use shown::Shown;
pub use smtp::{Smtp, SmtpSettings};

use crate::app::App;

/// A mail to one person.
pub struct Mail {
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text. It carries a code that is good for one use: it is not for logs.
    pub text: String,
}

/// What sending gives, in time.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// A mail was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// A way that mails reach people.
pub trait Mailer: Send + Sync {
    /// Sends one.
    fn send(&self, mail: Mail) -> Sending<'_>;

    /// Whether a mail reaches the address that it is for, so that who has its code reads what is sent there.
    fn delivers(&self) -> bool;
}

impl App {
    /// Sends a mail in the background.
    pub(crate) fn post(&self, mail: Mail) {
        let mailer = Arc::clone(&self.mailer);
        self.tasks.spawn(async move {
            if let Err(error) = mailer.send(mail).await {
                tracing::error!(%error, "a mail was not sent");
            }
        });
    }
}

/// The two ways to do what a mail is for: a page of the dashboard, and a command. The code stands behind the `#`: browsers send
/// that to no server, so it is in no log.
fn ways(api_url: &str, what: &str, code: &str) -> String {
    format!(
        "  {api_url}/#/{what}?code={code}\n\nor run\n\n  ks account {what} --api-url {api_url} --code {code}\n"
    )
}

/// An invitation into an organization.
pub(crate) fn invitation(api_url: &str, to: &str, org: &str, role: &str, code: &str) -> Mail {
    let accept = ways(api_url, "accept", code);
    Mail {
        to: to.to_owned(),
        subject: format!("Join {} on Keystore", one_line(org)),
        text: format!(
            "You are invited to join {} on Keystore ({api_url}) as {role}.\n\nTo accept, open\n\n{accept}\nThe code is good once, \
             for seven days. If you do not know what this is about, do nothing.\n",
            one_line(org)
        ),
    }
}

/// A way back in for somebody who forgot their password.
pub(crate) fn reset(api_url: &str, to: &str, code: &str) -> Mail {
    let reset = ways(api_url, "reset-password", code);
    Mail {
        to: to.to_owned(),
        subject: "Your Keystore password".to_owned(),
        text: format!(
            "Somebody asked for a new password for {to} on Keystore ({api_url}).\n\nTo choose one, open\n\n{reset}\nThe code is \
             good once, for an hour. If it was not you, do nothing: your password still holds.\n"
        ),
    }
}

/// A proof that somebody reads their address.
pub(crate) fn verification(api_url: &str, to: &str, code: &str) -> Mail {
    let verify = ways(api_url, "verify-email", code);
    Mail {
        to: to.to_owned(),
        subject: "Confirm your address for Keystore".to_owned(),
        text: format!(
            "There is an account for {to} on Keystore ({api_url}).\n\nTo confirm that the address is yours, open\n\n{verify}\nThe \
             code is good once, for a day. If the account is not yours, do nothing.\n"
        ),
    }
}

/// Names that people choose begin no header and no paragraph of their own.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if keystore_core::unseen::is_unseen(letter) {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

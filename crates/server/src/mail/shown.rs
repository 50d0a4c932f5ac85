//! Without a mail server: what would have been sent is shown to whoever runs this one.

use std::io::Write;

use super::{Mail, Mailer, Sending};

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// On the terminal: `ks dev`.
    Terminal,
    /// In the log: `ks serve`.
    Log,
}

impl Mailer for Shown {
    fn send(&self, mail: Mail) -> Sending<'_> {
        let Mail { to, subject, text } = mail;
        match self {
            Self::Terminal => {
                // Nothing can be done for words that cannot be written.
                let _ = write!(std::io::stderr().lock(), "\nMail to {to}: {subject}\n\n{text}\n");
            }
            Self::Log => {
                tracing::warn!(%to, %subject, %text, "there is no mail server (`[mail]`), so this mail is here");
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn delivers(&self) -> bool {
        false
    }
}

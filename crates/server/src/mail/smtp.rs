//! Sending by SMTP: always over TLS, but to a server on this machine.

use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Mail, MailError, Mailer, Sending, one_line};
use crate::config::{MailTls, SecretText};

/// How long one step of a delivery may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a mail server is told.
pub struct SmtpSettings {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who the server is told we are.
    pub login: Option<(String, SecretText)>,
    /// The sender.
    pub from: String,
}

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// A way to the server. Nothing is sent yet.
    ///
    /// # Errors
    /// The sender is no address, or TLS cannot be set up.
    pub fn new(settings: SmtpSettings) -> anyhow::Result<Self> {
        let from = settings
            .from
            .parse()
            .map_err(|error| anyhow::anyhow!("`mail.from` = `{}`: {error}", settings.from))?;
        let parameters = || TlsParameters::new(settings.host.clone());
        let tls = match settings.tls {
            MailTls::Starttls => Tls::Required(parameters()?),
            MailTls::Implicit => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let Some((user, password)) = settings.login {
            builder = builder.credentials(Credentials::new(user, password.expose().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }

    fn message(&self, mail: Mail) -> Result<Message, MailError> {
        let to = mail
            .to
            .parse::<lettre::Address>()
            .map_err(|error| MailError(format!("an address cannot be written to: {error}")))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(|error| MailError(format!("a mail cannot be written: {error}")))
    }
}

impl Mailer for Smtp {
    fn send(&self, mail: Mail) -> Sending<'_> {
        Box::pin(async move {
            let message = self.message(mail)?;
            let sent = self.transport.send(message).await;
            sent.map(|_| ())
                .map_err(|error| MailError(format!("the mail server did not take it: {error}")))
        })
    }

    fn delivers(&self) -> bool {
        true
    }
}

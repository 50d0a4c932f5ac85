//! Sending by SMTP.

use keystore_server::config::MailTls;
use keystore_server::mail::{Mail, Mailer, Smtp, SmtpSettings};

use crate::support::SmtpServer;

fn smtp(port: u16, tls: MailTls) -> Smtp {
    Smtp::new(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls,
        login: None,
        from: "Keystore <keystore@example.com>".to_owned(),
    })
    .unwrap()
}

fn mail() -> Mail {
    Mail {
        to: "ada@example.com".to_owned(),
        subject: "Grüße\r\nBcc: eve@example.com".to_owned(),
        text: "A code: ksc_1\n.\nQUIT\n".to_owned(),
    }
}

#[tokio::test]
async fn a_mail_is_handed_to_the_server_and_begins_no_header_of_its_own() {
    let server = SmtpServer::start().await;
    smtp(server.port(), MailTls::None).send(mail()).await.unwrap();
    let said = server.said();
    let has = |line: &str| said.iter().any(|said| said.starts_with(line));
    assert!(
        has("MAIL FROM:<keystore@example.com>") && has("RCPT TO:<ada@example.com>"),
        "{said:?}"
    );
    assert!(has("A code: ksc_1"), "{said:?}");
    assert!(!has("Bcc:") && !has("RCPT TO:<eve"), "{said:?}");
}

#[tokio::test]
async fn without_tls_nothing_is_sent_where_tls_is_asked_for() {
    let server = SmtpServer::start().await;
    let refused = smtp(server.port(), MailTls::Starttls)
        .send(mail())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("mail server"), "{refused}");
    let said = server.said();
    assert!(said.iter().all(|line| !line.contains("ksc_1")), "{said:?}");
}

#[test]
fn a_sender_that_is_no_address_is_refused_at_the_start() {
    let settings = SmtpSettings {
        host: "mx.example".to_owned(),
        port: 587,
        tls: MailTls::Starttls,
        login: None,
        from: "Keystore".to_owned(),
    };
    assert!(
        Smtp::new(settings)
            .err()
            .unwrap()
            .to_string()
            .contains("mail.from")
    );
}

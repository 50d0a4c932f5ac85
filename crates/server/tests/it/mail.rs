//! Sending by SMTP, to a server that takes everything (RFC 5321, as little of it as it takes).

use keystore_server::config::MailTls;
use keystore_server::mail::{Mail, Mailer, Smtp, SmtpSettings};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Takes one mail; gives everything that the client said.
async fn take_one(listener: TcpListener) -> Vec<String> {
    let (socket, _) = listener.accept().await.unwrap();
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mx.test\r\n").await.unwrap();
    let (mut said, mut in_data) = (Vec::new(), false);
    while let Ok(Some(line)) = lines.next_line().await {
        let done = line == "." || (!in_data && line == "QUIT");
        let answer: &[u8] = match (in_data, line.as_str()) {
            (true, ".") => {
                in_data = false;
                b"250 taken\r\n"
            }
            (true, _) => b"",
            (false, line) if line.starts_with("EHLO") => b"250-mx.test\r\n250 8BITMIME\r\n",
            (false, "DATA") => {
                in_data = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => b"221 bye\r\n",
            (false, _) => b"250 fine\r\n",
        };
        writer.write_all(answer).await.unwrap();
        said.push(line);
        if done {
            break;
        }
    }
    said
}

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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (said, sent) = tokio::join!(take_one(listener), async {
        smtp(port, MailTls::None).send(mail()).await
    });
    sent.unwrap();
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(take_one(listener));
    let refused = smtp(port, MailTls::Starttls).send(mail()).await.unwrap_err();
    assert!(refused.to_string().contains("mail server"), "{refused}");
    let said = server.await.unwrap();
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

//! A mail server that takes everything (RFC 5321, as little of it as it takes), or nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::mails::Mails;

/// It ends with the runtime of its test. Clones are one server.
#[derive(Clone)]
pub(crate) struct SmtpServer(Arc<Inner>);

struct Inner {
    port: u16,
    said: Mutex<Vec<String>>,
    taken: Mails,
    refusing: AtomicBool,
}

impl SmtpServer {
    /// A server that takes everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self(Arc::new(Inner {
            port: listener.local_addr().unwrap().port(),
            said: Mutex::default(),
            taken: Mails::default(),
            refusing: AtomicBool::new(false),
        }));
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let server = accepting.clone();
                // Whoever hangs up has said what they wanted.
                tokio::spawn(async move { server.converse(socket).await });
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// Takes nothing from now on, or everything again.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.0.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Every line that a client said.
    pub(crate) fn said(&self) -> Vec<String> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mails that it took.
    pub(super) fn taken(&self) -> Mails {
        self.0.taken.clone()
    }

    async fn converse(&self, socket: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = socket.into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"220 mx.test\r\n").await?;
        let (mut to, mut text): (String, Option<String>) = (String::new(), None);
        while let Some(line) = lines.next_line().await? {
            self.0
                .said
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.clone());
            if let Some(words) = &mut text {
                if line != "." {
                    // A dot in front was doubled (RFC 5321, 4.5.2).
                    words.push_str(line.strip_prefix('.').unwrap_or(&line));
                    words.push('\n');
                    continue;
                }
                self.0.taken.keep(to.clone(), readable(words));
                text = None;
                writer.write_all(b"250 taken\r\n").await?;
                continue;
            }
            let answer: &[u8] = match line.as_str() {
                "QUIT" => b"221 bye\r\n",
                line if line.starts_with("EHLO") => b"250-mx.test\r\n250 8BITMIME\r\n",
                _ if self.0.refusing.load(Ordering::SeqCst) => b"421 later\r\n",
                "DATA" => {
                    text = Some(String::new());
                    b"354 go on\r\n"
                }
                line => {
                    if let Some(address) = line.strip_prefix("RCPT TO:<") {
                        to = address.split('>').next().unwrap_or_default().to_owned();
                    }
                    b"250 fine\r\n"
                }
            };
            writer.write_all(answer).await?;
        }
        Ok(())
    }
}

/// A mail as people read it: the soft breaks and the escapes of quoted-printable (RFC 2045, 6.7) are taken out.
fn readable(mail: &str) -> String {
    let mut parts = mail.split('=');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escape = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (part.strip_prefix('\n'), escape) {
            (Some(rest), _) => text.push_str(rest),
            (None, Some(byte)) => {
                text.push(char::from(byte));
                text.push_str(&part[2..]);
            }
            (None, None) => {
                text.push('=');
                text.push_str(part);
            }
        }
    }
    text
}

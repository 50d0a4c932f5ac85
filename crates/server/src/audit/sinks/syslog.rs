//! Checkpoints to syslog, one message each (RFC 5424): the note in base64, because a message is one line. By TCP a message is counted
//! (RFC 6587) and is lost only with the connection; by UDP nobody learns whether it came.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_core::Micros;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};

/// Facility 13 (log audit), severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;

/// A syslog server.
pub struct SyslogSink {
    to: To,
}

enum To {
    Udp(String),
    Tcp(String),
    Unix(PathBuf),
}

impl SyslogSink {
    /// The server at `udp://host:port`, `tcp://host:port` or `unix:///path`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let to = match url.split_once("://") {
            Some(("udp", to)) if to.contains(':') => To::Udp(to.to_owned()),
            Some(("tcp", to)) if to.contains(':') => To::Tcp(to.to_owned()),
            Some(("unix", path)) if Path::new(path).is_absolute() => To::Unix(path.into()),
            _ => bail!("`audit.syslog` is udp://HOST:PORT, tcp://HOST:PORT or unix:///PATH, and not `{url}`"),
        };
        Ok(Self { to })
    }

    pub(super) async fn append(&self, note: &str, now: Micros) -> anyhow::Result<()> {
        let message = message(note, now)?;
        match &self.to {
            To::Udp(to) => {
                let socket = UdpSocket::bind(("::", 0)).await;
                let socket = match socket {
                    Ok(socket) => socket,
                    Err(_) => UdpSocket::bind(("0.0.0.0", 0)).await?,
                };
                // An answer that nobody listens there comes back on a connected socket.
                connect(&socket, to).await?;
                socket
                    .send(message.as_bytes())
                    .await
                    .with_context(|| to.clone())?;
            }
            To::Tcp(to) => {
                let mut stream = TcpStream::connect(to).await.with_context(|| to.clone())?;
                let counted = format!("{} {message}", message.len());
                stream.write_all(counted.as_bytes()).await?;
                stream.shutdown().await?;
            }
            To::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                let sent = socket.send_to(message.as_bytes(), path).await;
                sent.with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}

async fn connect(socket: &UdpSocket, to: &str) -> anyhow::Result<()> {
    let mut last = None;
    for address in tokio::net::lookup_host(to).await.with_context(|| to.to_owned())? {
        // A socket of the other family cannot; the next address may be of this one.
        match socket.connect(address).await {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error).with_context(|| to.to_owned()),
        None => bail!("{to} has no address"),
    }
}

/// The message, without a byte-order mark: it is ASCII.
fn message(note: &str, now: Micros) -> anyhow::Result<String> {
    let time = jiff::Timestamp::from_microsecond(now.0)?;
    let note = BASE64.encode(note);
    Ok(format!(
        "<{PRIORITY}>1 {time:.3} - keystore {} audit-checkpoint - keystore-checkpoint {note}",
        std::process::id()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_form_of_rfc_5424() {
        let message = message("a\nb\n", Micros(1_795_426_200_123_456)).unwrap();
        let (head, note) = message.rsplit_once(' ').unwrap();
        assert_eq!(
            head,
            format!(
                "<109>1 2026-11-23T09:30:00.123Z - keystore {} audit-checkpoint - keystore-checkpoint",
                std::process::id()
            )
        );
        assert_eq!(BASE64.decode(note).unwrap(), b"a\nb\n");
    }

    #[test]
    fn an_address_says_how_to_get_there() {
        for url in ["udp://[::1]:514", "tcp://log.example:601", "unix:///dev/log"] {
            assert!(SyslogSink::new(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "log.example:514",
            "udp://log.example",
            "unix://dev/log",
            "http://a:1",
        ] {
            assert!(SyslogSink::new(url).is_err(), "{url}");
        }
    }
}

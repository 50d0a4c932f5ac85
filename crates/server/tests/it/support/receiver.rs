//! A receiver of webhooks: keeps what it is sent, and answers as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// It ends with the runtime of its test. Clones are one receiver.
#[derive(Clone)]
pub(crate) struct Receiver(Arc<Inner>);

struct Inner {
    port: u16,
    got: Mutex<Vec<Got>>,
    answers: Mutex<BTreeMap<String, Answering>>,
}

/// How a path is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answering {
    /// With this status, these header lines and this body.
    With(u16, &'static str, String),
    /// Not before it is told otherwise.
    Never,
}

/// A message that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Head and body as they came.
    pub(crate) whole: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Receiver {
    /// One that answers 204 to everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self(Arc::new(Inner {
            port: listener.local_addr().unwrap().port(),
            got: Mutex::default(),
            answers: Mutex::default(),
        }));
        let accepting = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let receiver = accepting.clone();
                // Whoever hangs up half-way has sent nothing.
                tokio::spawn(async move { receiver.converse(socket).await });
            }
        });
        receiver
    }

    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }

    /// From now on what comes to this path is answered so.
    pub(crate) fn answer(&self, path: &str, answering: Answering) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(path.to_owned(), answering);
    }

    /// As [`Receiver::answer`], with this status and nothing else.
    pub(crate) fn status(&self, path: &str, status: u16) {
        self.answer(path, Answering::With(status, "", String::new()));
    }

    /// Everything that came.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.0.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came to this path.
    pub(crate) fn got_at(&self, path: &str) -> Vec<Got> {
        let mut got = self.got();
        got.retain(|one| one.path == path);
        got
    }

    async fn converse(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let mut whole = Vec::new();
        let end = loop {
            if let Some(at) = whole.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut whole).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8(whole[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while whole.len() < end + length {
            if socket.read_buf(&mut whole).await? == 0 {
                return Ok(());
            }
        }
        let got = Got {
            path: path.clone(),
            headers,
            body: whole[end..].to_vec(),
            whole,
        };
        self.0
            .got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(got);
        let answers = || self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let text = loop {
            let answering = answers().get(&path).cloned();
            match answering {
                None => break "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                Some(Answering::Never) => tokio::time::sleep(Duration::from_millis(10)).await,
                Some(Answering::With(status, more, body)) => {
                    break format!(
                        "HTTP/1.1 {status} As told\r\n{more}content-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                }
            }
        };
        socket.write_all(text.as_bytes()).await
    }
}

//! Fakes of key management services: AWS KMS with STS and instance metadata, Google Cloud KMS with its token endpoints, Azure Key
//! Vault with Entra, and Vault Transit. They speak the documented wire formats and check every field and signature of what they are
//! asked; what does not fit is answered as the vendor would, and remembered as a violation.
//!
//! They are fakes of formats, not of vendors: they keep no keys but one, and know no policies.

mod aws;
mod azure;
mod crypto;
mod gcp;
mod transit;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use crypto::rsa_wrapped;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS KMS, STS, a container's endpoint and IMDSv2.
    Aws,
    /// Google Cloud KMS, the token endpoint and the metadata server.
    Gcp,
    /// Azure Key Vault, Entra and managed identity.
    Azure,
    /// Vault, engines Transit, AppRole and Kubernetes.
    Vault,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aws, Self::Gcp, Self::Azure, Self::Vault];

    /// The name of the one key there, as Keystore's settings write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Aws => aws::KEY_NAME,
            Self::Gcp => gcp::KEY_NAME,
            Self::Azure => azure::KEY_NAME,
            Self::Vault => transit::KEY_NAME,
        }
    }
}

/// How the service takes calls that use the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// The connection breaks.
    Away,
    /// It has an error of its own.
    Failing,
    /// After a while, as it should.
    Slow(Duration),
    /// It takes no more calls.
    Throttled,
    /// The caller may not use the key.
    Denied,
    /// The key is disabled.
    Disabled,
    /// The answer was damaged on the way.
    Damaged,
}

/// What is secret between the fakes and the tests.
pub mod secrets {
    /// The access key of AWS's fake, and its secret.
    pub const AWS: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    /// What stands for every other secret: client secrets, refresh tokens, secret ids, tokens of workloads.
    pub const SHARED: &str = "canary-workload-secret";
    /// A token of Vault that was given out by hand.
    pub const VAULT_TOKEN: &str = "hvs.canary-by-hand";
}

/// A running fake. Ends when it is dropped.
pub struct FakeKms {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

/// Seconds that an identity is good for.
const LIFE: u64 = 3_600;

/// What it keeps.
struct State {
    service: Service,
    mood: Mood,
    /// Calls that used the key.
    uses: usize,
    /// How often it gave an identity out.
    sign_ins: usize,
    violations: Vec<String>,
    keys: crypto::Keys,
}

/// A request, read.
struct Asked {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// An answer.
struct Reply {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Reply {
    fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            kind: "application/json",
            body: body.to_string(),
        }
    }
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

impl State {
    /// Remembers that a rule of the format was broken, unless it holds.
    fn must(&mut self, holds: bool, rule: &str) -> bool {
        if !holds {
            self.violations.push(rule.to_owned());
        }
        holds
    }

    /// Exactly these members, of these types.
    fn has_members(&mut self, body: &serde_json::Value, members: &[&str]) -> bool {
        let found: Vec<_> = body
            .as_object()
            .map_or_else(Vec::new, |object| object.keys().map(String::as_str).collect());
        let mut wanted = members.to_vec();
        wanted.sort_unstable();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let holds = sorted == wanted;
        self.must(holds, &format!("expected members {wanted:?}, found {sorted:?}"))
    }
}

impl FakeKms {
    /// The fake of a service on a free port, plain HTTP.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(service: Service) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap_or_else(|error| panic!("fake KMS: {error}"));
        let addr = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("fake KMS: {error}"));
        let state = Arc::new(Mutex::new(State {
            service,
            mood: Mood::Well,
            uses: 0,
            sign_ins: 0,
            violations: Vec::new(),
            keys: crypto::Keys::generate(service),
        }));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accept = accept(listener, Arc::clone(&state), tasks.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            addr,
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// From now on it takes calls so.
    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Calls that used the key so far, answered well or not.
    pub fn uses(&self) -> usize {
        self.state().uses
    }

    /// How often it gave an identity out.
    pub fn sign_ins(&self) -> usize {
        self.state().sign_ins
    }

    /// What was asked in another form than the documented one.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// The private key (PEM) of Google's service account.
    pub fn service_account_key(&self) -> String {
        let state = self.state();
        state
            .keys
            .account
            .as_ref()
            .map_or_else(String::new, |key| key.pem.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, tasks: TaskTracker) {
    while let Ok((socket, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tasks.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            let http = auto::Builder::new(TokioExecutor::new());
            // Errors here are those that tests ask for.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// The connection breaks.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes().to_vec();
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        body,
    };
    let mood = state.lock().unwrap_or_else(PoisonError::into_inner).mood;
    match mood {
        Mood::Away => return Err(Broken),
        Mood::Slow(wait) => tokio::time::sleep(wait).await,
        _ => {}
    }
    let reply = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.service {
            Service::Aws => aws::answer(&mut state, &asked),
            Service::Gcp => gcp::answer(&mut state, &asked),
            Service::Azure => azure::answer(&mut state, &asked),
            Service::Vault => transit::answer(&mut state, &asked),
        }
    };
    let response = Response::builder()
        .status(reply.status)
        .header("content-type", reply.kind)
        .body(Full::new(Bytes::from(reply.body)));
    response.map_err(|_| Broken)
}

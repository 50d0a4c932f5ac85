//! The server without its root key: it lives, says that it is sealed, and does nothing else until the key can be used.
//!
//! Nothing of the deployment is served without the root key, not even its policies: the key that authenticates them is under it.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use keystore_core::ids::RequestId;
use keystore_core::{Clock, Deny, IdSource};
use keystore_proxy::listener::{Limits, Listener};
use keystore_proxy::refuse::{Refusal, RefusalContext, refuse};
use keystore_vault::KmsError;
use keystore_wire::health::{Check, Readiness};
use keystore_wire::problem::{Code, Problem};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::Sockets;
use crate::custody::{Custody, Taking};

/// How long to wait between two tries.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// How long answers that are under way may take when the key is back.
const DRAIN: Duration = Duration::from_secs(1);
/// After how many seconds a client should ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What the KMS said last.
type Said = Arc<Mutex<KmsError>>;

/// Tries to take custody until it succeeds; meanwhile both sockets answer that the server is sealed. `None` when it is stopped.
///
/// # Errors
/// What the operator has to change.
pub(crate) async fn until_open(
    sockets: Option<&Sockets>,
    (clock, ids): (&Arc<dyn Clock>, &Arc<dyn IdSource>),
    stop: &CancellationToken,
    taking: &Taking<'_>,
) -> anyhow::Result<Option<Custody>> {
    let error = match taking.take().await? {
        Ok(taken) => return Ok(Some(taken)),
        Err(error) => error,
    };
    let Some(sockets) = sockets else {
        return Err(anyhow::Error::new(error).context("the vault is sealed: the root key cannot be used"));
    };
    tracing::error!(%error, remedy = error.fault.remedy(), "sealed: the root key cannot be used; it is tried again");
    let said = Arc::new(Mutex::new(error));
    let open = stop.child_token();
    let (proxy, api) = (agents(clock, ids), people(clock, &said));
    let serving = TaskTracker::new().spawn({
        let (proxy_socket, api_socket) = (again(&sockets.proxy)?, again(&sockets.api)?);
        let tls = (sockets.proxy_tls.clone(), sockets.api_tls.clone());
        let (first, second) = (open.clone(), open.clone());
        async move {
            tokio::join!(
                listener(proxy_socket, tls.0).serve(proxy, first, DRAIN),
                listener(api_socket, tls.1).serve(api, second, DRAIN),
            )
        }
    });
    let taken = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
        match taking.take().await {
            Ok(Ok(taken)) => break Some(taken),
            Ok(Err(error)) => {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if *said != error {
                    tracing::error!(%error, remedy = error.fault.remedy(), "still sealed");
                }
                *said = error;
            }
            Err(error) => {
                open.cancel();
                return Err(error);
            }
        }
    };
    open.cancel();
    serving.await?;
    if taken.is_some() {
        tracing::info!("the root key can be used again");
    }
    Ok(taken)
}

/// The same socket once more: what is accepted here is served here, and the other one goes on when this one is dropped.
fn again(socket: &TcpListener) -> std::io::Result<TcpListener> {
    TcpListener::from_std(socket.as_fd().try_clone_to_owned()?.into())
}

fn listener(socket: TcpListener, tls: Option<Arc<ServerConfig>>) -> Listener {
    let listener = Listener::new(socket, Limits::default());
    match tls {
        Some(tls) => listener.with_tls(tls),
        None => listener,
    }
}

type Full = http_body_util::Full<Bytes>;

/// What agents are told.
fn agents(
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn IdSource>,
) -> impl Fn(Request<Incoming>, keystore_proxy::listener::ConnInfo) -> std::future::Ready<Response<Full>>
+ Clone
+ Send
+ Sync
+ 'static {
    let (clock, ids) = (Arc::clone(clock), Arc::clone(ids));
    move |_, _| {
        let context = RefusalContext {
            request: RequestId::new(ids.next()),
            agent: None,
            budget_status: None,
            now: clock.now(),
        };
        std::future::ready(closing(refuse(&Refusal::Deny(Deny::Sealed), &context)))
    }
}

/// What people, balancers and the API's clients are told.
fn people(
    clock: &Arc<dyn Clock>,
    said: &Said,
) -> impl Fn(Request<Incoming>, keystore_proxy::listener::ConnInfo) -> std::future::Ready<Response<Full>>
+ Clone
+ Send
+ Sync
+ 'static {
    let (clock, said) = (Arc::clone(clock), Arc::clone(said));
    move |request, _| {
        let error = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (status, kind, body) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
            "/readyz" => {
                let readiness = Readiness {
                    ready: false,
                    now: Some(clock.now().into()),
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    checks: vec![check(&error)],
                };
                let body = serde_json::to_string(&readiness).unwrap_or_default();
                (StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
            }
            _ => {
                let problem = Problem::new(
                    Code::Sealed,
                    format!("nothing can be opened or changed: {}", error.fault.words()),
                )
                .with_remedy(error.fault.remedy());
                let body = serde_json::to_string(&problem).unwrap_or_default();
                (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json", body)
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        std::future::ready(closing(response))
    }
}

/// The check of readiness that says that the vault is sealed, and why. What exactly the KMS said is in the log: anybody may ask
/// for readiness.
pub(crate) fn check(error: &KmsError) -> Check {
    Check {
        name: "kms".to_owned(),
        ok: false,
        detail: Some(format!("sealed: {}", error.fault.words())),
        remedy: Some(error.fault.remedy().to_owned()),
    }
}

/// Ends the connection after the answer: the next request is for whoever serves then.
fn closing<B: Body>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

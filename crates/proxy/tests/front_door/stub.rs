//! The real listener, `parse` and `route`; behind them a handler that notes what it is given and echoes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use keystore_core::deny::Malformed;
use keystore_core::ids::RequestId;
use keystore_core::{Deny, Micros};
use keystore_proxy::listener::{ConnInfo, Drained, Limits, Listener};
use keystore_proxy::parse::{AllowedHosts, parse};
use keystore_proxy::refuse::{Refusal, RefusalContext, refuse};
use keystore_proxy::route::{Route, route};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A request as it came through the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) slug: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Log = Arc<Mutex<Vec<Seen>>>;

pub(crate) struct Stub {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<Drained>,
    log: Log,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default(), None, Duration::from_secs(5)).await
    }

    pub(crate) async fn with(
        limits: Limits,
        tls: Option<Arc<rustls::ServerConfig>>,
        drain: Duration,
    ) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let mut listener = Listener::new(socket, limits);
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        let stop = CancellationToken::new();
        let log = Log::default();
        let hosts = Arc::new(AllowedHosts::new(["ks.test"]).unwrap());
        let service = {
            let log = Arc::clone(&log);
            move |request, conn| handle(request, conn, Arc::clone(&hosts), Arc::clone(&log))
        };
        let served = tokio::spawn(listener.serve(service, stop.clone(), drain));
        Self {
            addr,
            stop,
            served,
            log,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

async fn handle(
    request: Request<Incoming>,
    conn: ConnInfo,
    hosts: Arc<AllowedHosts>,
    log: Log,
) -> Response<Full<Bytes>> {
    match answer(request, conn, &hosts, &log).await {
        Ok(body) => Response::new(Full::new(body)),
        Err(deny) => {
            let context = RefusalContext {
                request: RequestId::new(uuid::Uuid::nil()),
                agent: None,
                budget_status: None,
                now: Micros(0),
            };
            refuse(&Refusal::from(deny), &context)
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    conn: ConnInfo,
    hosts: &AllowedHosts,
    log: &Log,
) -> Result<Bytes, Deny> {
    let request = parse(request, &conn, hosts)?;
    let target = match route(&request)? {
        Route::Provider(target) => target,
        Route::Health | Route::Ready => return Ok(Bytes::from_static(b"ok")),
    };
    // Only one provider of the stub takes encoded slashes.
    if request.has_encoded_slash() && target.slug() != "slashes" {
        return Err(Deny::Malformed(Malformed::Path));
    }
    let mut seen = Seen {
        method: request.method().to_string(),
        slug: target.slug().to_owned(),
        path: target.upstream_path().to_owned(),
        query: target.query().map(str::to_owned),
        headers: request.headers().clone(),
        body: Bytes::new(),
    };
    let pause = match target.slug() {
        "slow" => Duration::from_millis(600),
        "stuck" => Duration::from_secs(600),
        _ => Duration::ZERO,
    };
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(|_| Deny::Malformed(Malformed::Body))?;
    seen.body = body.to_bytes();
    log.lock().unwrap().push(seen.clone());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    Ok(seen.body)
}

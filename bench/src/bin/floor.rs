//! The floor: the least that a pass-through on hyper costs. A server, kept connections to one upstream, the head and the body
//! passed on as they come. No check, no limit, no meter, no record, no error handling to speak of.

#![expect(clippy::print_stdout, reason = "its first line tells where it listens")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use clap::Parser;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Passes requests on to one upstream.
#[derive(Parser)]
struct Arguments {
    /// Where to listen
    #[arg(long)]
    addr: SocketAddr,
    /// Where to send
    #[arg(long)]
    upstream: SocketAddr,
}

type Sender = SendRequest<Incoming>;

struct Upstream {
    addr: SocketAddr,
    host: HeaderValue,
    key: HeaderValue,
    idle: Mutex<Vec<Sender>>,
    tasks: TaskTracker,
}

impl Upstream {
    async fn sender(&self) -> Result<Sender, Error> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                Some(sender) if sender.is_ready() => return Ok(sender),
                Some(_) => {}
                None => break,
            }
        }
        let socket = TcpStream::connect(self.addr).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = client::handshake(TokioIo::new(socket)).await?;
        self.tasks.spawn(connection);
        Ok(sender)
    }

    fn keep(&self, sender: Sender) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The answer's body; gives the connection back at its end.
struct Answer {
    inner: Incoming,
    kept: Option<(Arc<Upstream>, Sender)>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if (frame.is_none() || self.inner.is_end_stream())
            && let Some((upstream, mut sender)) = self.kept.take()
        {
            if sender.is_ready() {
                upstream.keep(sender);
            } else {
                upstream.tasks.clone().spawn(async move {
                    if sender.ready().await.is_ok() {
                        upstream.keep(sender);
                    }
                });
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

async fn pass(
    upstream: Arc<Upstream>,
    mut request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, hyper::Error>>, Error> {
    let headers = request.headers_mut();
    headers.insert(HOST, upstream.host.clone());
    headers.insert(AUTHORIZATION, upstream.key.clone());
    let mut sender = upstream.sender().await?;
    let response = sender.send_request(request).await?;
    Ok(response.map(|inner| {
        UnsyncBoxBody::new(Answer {
            inner,
            kept: Some((upstream, sender)),
        })
    }))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Arguments { addr, upstream } = Arguments::parse();
    if !addr.ip().is_loopback() {
        return Err("loopback only".into());
    }
    let tasks = TaskTracker::new();
    let upstream = Arc::new(Upstream {
        addr: upstream,
        host: upstream.to_string().parse()?,
        key: HeaderValue::from_static("Bearer sk-bench-0123456789abcdef0123456789abcdef"),
        idle: Mutex::default(),
        tasks: tasks.clone(),
    });
    let listener = TcpListener::bind(addr).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let upstream = Arc::clone(&upstream);
        tasks.spawn(async move {
            let service = service_fn(move |request| pass(Arc::clone(&upstream), request));
            server::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await
        });
    }
}

//! One node: the product's parts from the look-up of the token to the settlement, with the vendor's end of the connection in the
//! hand of the run. What a request path does stands here as it does in `attempt.rs` and `relay/`; wrong ways of doing it can be
//! chosen, to see that a run finds them out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keystore_core::budget::{Amounts, Applied};
use keystore_core::record::{Ending, HeldBudget};
use keystore_core::{Clock, IdSource, Micros};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::upstream::Truth;
use super::world::{self, PROVIDER, World, terms};
use crate::authorize::Permit;
use crate::cache::{Agent, ReadyCredential};
use crate::config::ProxyConfig;
use crate::leash::Leash;
use crate::listener::ConnInfo;
use crate::lock::lock;
use crate::meter::{Meter, MeterSetup};
use crate::outlive::Outlive;
use crate::parse::{AllowedHosts, CleanRequest, parse};
use crate::refuse::Refusal;
use crate::reserve::{Asked, Reservation, Reserved, Rest};
use crate::route::{Route, route};
use crate::settle::End;
use crate::{Proxy, ProxyParts};

/// How the node does what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As the product.
    Real,
    /// A budget is looked at when a call begins, and counted when it ends; nothing is held meanwhile.
    CheckThenAct,
    /// The call is sent while its intent is being written.
    JournalAfterDispatch,
    /// A revocation is seen when what is cached is old enough.
    CacheForAWhile,
    /// The meter ends when the client leaves.
    MeterWithClient,
}

/// How long the wrong cache believes what it holds.
const BELIEVED: i64 = 300_000_000;

/// Where a node may crash inside of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Admitted by the rates, nothing held.
    Admitted,
    /// Held and recorded, nothing sent.
    Reserved,
    /// About to be sent.
    Confirmed,
    /// Sent, while the intent may still be on its way: a place that only the wrong protocol has.
    Dispatched,
}

/// What the vendor does next with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Before anything: the call, which is admitted, may go on.
    Begin,
    /// It answers with this status.
    Answer(u16),
    /// It streams so many tokens.
    Chunk(i64),
    /// It says what was used, and ends.
    End,
    /// It breaks off.
    Break,
    /// Something on the node panics.
    Panic,
}

/// What the run hears of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It is admitted, and waits to begin.
    Ready,
    Sent,
    /// An order was carried out.
    Took,
    /// It came to the point where the node is to crash.
    AtPoint,
    /// Nothing of it is left.
    Gone,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) call: usize,
    pub(super) agent: usize,
    pub(super) max_tokens: i64,
    /// There is no connection to the vendor.
    pub(super) unreachable: bool,
}

/// The way between a call and the run.
pub(super) struct Line {
    pub(super) call: usize,
    pub(super) crash_at: Option<Point>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) events: mpsc::UnboundedSender<(usize, Event)>,
}

impl Line {
    fn tell(&self, event: Event) {
        let _ = self.events.send((self.call, event));
    }

    /// Waits to begin: calls that begin at the same time do so in the order in which they are told.
    async fn ready(&mut self) {
        self.tell(Event::Ready);
        self.orders.recv().await;
    }

    /// Stays here for ever, where the node is to crash here.
    async fn at(&self, point: Point) {
        if self.crash_at == Some(point) {
            self.tell(Event::AtPoint);
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tell(Event::Gone);
    }
}

/// A running node.
pub(super) struct Node {
    pub(super) proxy: Arc<Proxy>,
    pub(super) protocol: Protocol,
    clock: Arc<MockClock>,
    truth: Arc<Mutex<Truth>>,
    /// What the wrong cache holds, and until when.
    believed: Mutex<HashMap<usize, (Arc<Agent>, Micros)>>,
}

impl Node {
    /// Starts on the database in `folder`.
    pub(super) async fn start(
        folder: &Path,
        protocol: Protocol,
        clock: &Arc<MockClock>,
        ids: &Arc<SeededIds>,
        truth: &Arc<Mutex<Truth>>,
    ) -> Arc<Self> {
        let world = World::get();
        let shared: (Arc<dyn Clock>, Arc<dyn IdSource>) = (Arc::clone(clock) as _, Arc::clone(ids) as _);
        let (store, recovery) = world::open(folder, Arc::clone(&shared.0), Arc::clone(&shared.1)).await;
        let proxy = Proxy::new(ProxyParts {
            config: ProxyConfig::default(),
            store,
            recovery,
            vault: world.vault(Arc::clone(&shared.0)),
            policy_mac: world.key.policy_mac().unwrap(),
            clock: shared.0,
            ids: shared.1,
        });
        Arc::new(Self {
            proxy: proxy.unwrap(),
            protocol,
            clock: Arc::clone(clock),
            truth: Arc::clone(truth),
            believed: Mutex::default(),
        })
    }

    fn truth(&self) -> std::sync::MutexGuard<'_, Truth> {
        lock(&self.truth)
    }

    /// One call, from its client's request to its end.
    pub(super) async fn call(self: Arc<Self>, ask: Ask, line: Line) {
        let served = self.serve(ask, line).await;
        drop(served);
    }

    async fn serve(self: &Arc<Self>, ask: Ask, mut line: Line) -> Result<(), Refusal> {
        let proxy = &self.proxy;
        let body = body(ask.max_tokens);
        let request = request(ask.agent, &body);
        let Route::Provider(target) = route(&request)? else {
            unreachable!("it names a provider");
        };
        let mut caller = proxy.authenticate(&request, target).await;
        if self.protocol == Protocol::CacheForAWhile {
            caller = self.believe(ask.agent, &request, caller);
        }
        let caller = caller?;
        caller.check(proxy.clock.now(), request.peer().ip())?;
        let mut permit = proxy.authorize(caller, &request)?;
        let admission = proxy.admit(&permit)?;
        let served = proxy.resolve(&mut permit).await?;
        let body = incoming(&body).await;
        line.ready().await;
        line.at(Point::Admitted).await;
        let id = self.truth().calls[ask.call].request;
        let asked = Asked {
            id,
            arrived: proxy.clock.boottime(),
            method: request.method(),
            headers: request.headers(),
            body,
        };
        let reserve = proxy.reserve(&mut permit, admission, served, asked);
        let (reserved, credential, _) = match self.protocol {
            Protocol::JournalAfterDispatch => self.reserve_late(&line, ask, reserve).await?,
            _ => reserve.await?,
        };
        if self.protocol == Protocol::CheckThenAct {
            self.let_go(ask.agent);
        }
        let exchange = Box::pin(Arc::clone(self).exchange(ask, permit, credential, reserved, line));
        match self.protocol {
            Protocol::MeterWithClient => exchange.await,
            _ => Outlive::new(exchange, proxy.afterlife.clone()).await,
        }
        Ok(())
    }

    async fn exchange(
        self: Arc<Self>,
        ask: Ask,
        permit: Permit,
        credential: Arc<ReadyCredential>,
        reserved: Reserved,
        mut line: Line,
    ) {
        let Reserved {
            mut reservation,
            rest: Rest { meter, .. },
            ..
        } = reserved;
        let leashed = self.protocol != Protocol::CacheForAWhile;
        let mut leash = Leash::new(&self.proxy, &permit, &credential);
        line.at(Point::Reserved).await;
        if ask.unreachable || (leashed && leash.confirm().await.is_err()) {
            return self.end(ask.call, reservation, Ending::NotSent, None);
        }
        line.at(Point::Confirmed).await;
        reservation.sending();
        if self.protocol != Protocol::JournalAfterDispatch {
            self.truth().serve(ask.call);
        }
        line.tell(Event::Sent);
        let mut answer = Answer {
            setup: meter,
            meter: None,
        };
        loop {
            let order = tokio::select! {
                biased;
                Some(order) = line.orders.recv() => order,
                _ = leash.ended(), if leashed => {
                    leash.count_cut();
                    return self.end(ask.call, reservation, Ending::Revoked, answer.meter);
                }
            };
            if let Some(ending) = self.carry_out(order, ask.call, &mut reservation, &mut answer) {
                return self.end(ask.call, reservation, ending, answer.meter);
            }
            line.tell(Event::Took);
        }
    }

    fn end(&self, call: usize, reservation: Reservation, ending: Ending, meter: Option<Meter>) {
        let charge = reservation.settle(&End {
            ending,
            metered: meter.map(Meter::finish),
            response_bytes: 0,
            refusal: None,
        });
        let cost = charge.map(|charge| charge.cost.0);
        self.truth()
            .step(format!("call {call} is settled: {ending:?}, {cost:?}"));
    }

    /// Carries out what the vendor does; gives how the call ends by it, if it does.
    fn carry_out(
        &self,
        order: Order,
        call: usize,
        reservation: &mut Reservation,
        answer: &mut Answer,
    ) -> Option<Ending> {
        match order {
            Order::Begin => None,
            Order::Answer(status) => {
                reservation.answered(status);
                answer.begin();
                let failed = status >= 400;
                self.truth().calls[call].failed = failed;
                failed.then_some(Ending::Complete)
            }
            Order::Chunk(tokens) => {
                self.truth().generate(call, tokens);
                reservation.first_byte();
                // Four bytes a token, as English has.
                let text = "text".repeat(usize::try_from(tokens).unwrap());
                answer.read(&format!(
                    "{{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}"
                ));
                let grown = answer
                    .meter
                    .as_ref()
                    .map_or(Ok(()), |meter| reservation.grow(meter));
                grown.is_err().then_some(Ending::OverBudget)
            }
            Order::End => {
                let [input, output] = {
                    let mut truth = self.truth();
                    truth.calls[call].reported = true;
                    truth.calls[call].tokens
                };
                let total = input + output;
                answer.read(&format!(
                    "{{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{total}}}}}"
                ));
                answer.read("[DONE]");
                Some(Ending::Complete)
            }
            Order::Break => Some(Ending::UpstreamError),
            // Without the noise of a panic that nobody wanted.
            Order::Panic => {
                self.truth().calls[call].panicked = true;
                std::panic::resume_unwind(Box::new("a panic of the simulation"))
            }
        }
    }
}

/// The wrong ways.
impl Node {
    /// What was believed of an agent a while ago.
    fn believe(
        &self,
        agent: usize,
        request: &CleanRequest<()>,
        caller: Result<crate::Caller, keystore_core::Deny>,
    ) -> Result<crate::Caller, keystore_core::Deny> {
        let now = self.clock.now();
        let mut believed = lock(&self.believed);
        if let Some((agent, _)) = believed.get(&agent).filter(|(_, until)| now < *until)
            && let Ok(Route::Provider(target)) = route(request)
        {
            let agent = Arc::clone(agent);
            return Ok(crate::Caller { agent, target });
        }
        if let Ok(caller) = &caller {
            believed.insert(agent, (Arc::clone(&caller.agent), Micros(now.0 + BELIEVED)));
        }
        caller
    }

    /// Lets go of everything that is held for an agent.
    fn let_go(&self, agent: usize) {
        for policy in &World::get().agents[agent].budgets {
            let terms = terms(policy);
            let applied = Applied::all(&terms);
            let view = self.proxy.counters.view(self.proxy.clock.now(), &applied);
            let held = HeldBudget {
                budget: applied.counter,
                window_start: view.bounds.start,
                unit: policy.unit,
                amount: Some(view.held),
            };
            self.proxy.counters.settle(&[held], &Amounts::NONE);
        }
    }

    /// Sends as soon as something is held, while the intent is on its way.
    async fn reserve_late<T>(
        &self,
        line: &Line,
        ask: Ask,
        reserve: impl Future<Output = Result<T, keystore_core::Deny>>,
    ) -> Result<T, keystore_core::Deny> {
        let held = || {
            let budget = terms(&World::get().agents[ask.agent].budgets[0]);
            let now = self.proxy.clock.now();
            self.proxy.counters.view(now, &Applied::all(&budget)).held
        };
        let before = held();
        let mut reserve = pin!(reserve);
        let early = std::future::poll_fn(|cx| match reserve.as_mut().poll(cx) {
            std::task::Poll::Ready(reserved) => std::task::Poll::Ready(Some(reserved)),
            std::task::Poll::Pending if held() > before => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        });
        match early.await {
            Some(reserved) => {
                let reserved = reserved?;
                self.truth().serve(ask.call);
                Ok(reserved)
            }
            None => {
                self.truth().serve(ask.call);
                line.at(Point::Dispatched).await;
                reserve.await
            }
        }
    }
}

/// A vendor's stream, as it is metered.
struct Answer {
    setup: Option<MeterSetup>,
    meter: Option<Meter>,
}

impl Answer {
    fn begin(&mut self) {
        let mut head = HeaderMap::new();
        head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        self.meter = self.setup.map(|setup| Meter::new(setup, &head));
    }

    fn read(&mut self, data: &str) {
        if let Some(meter) = &mut self.meter {
            meter
                .on_chunk(Bytes::from(format!("data: {data}\n\n")))
                .for_each(drop);
        }
    }
}

/// A streamed chat completion of at most so many tokens.
fn body(max_tokens: i64) -> String {
    format!(
        "{{\"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"stream\":true,\"max_tokens\":{max_tokens},\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me of the sea.\"}}]}}"
    )
}

/// Tokens of input that the vendor counts: fewer than the body has bytes.
pub(super) const INPUT_TOKENS: i64 = 150;

fn request(agent: usize, body: &str) -> CleanRequest<()> {
    let token = &World::get().agents[agent].text;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/{PROVIDER}/v1/chat/completions"))
        .header(HOST, "127.0.0.1:8400")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, body.len())
        .body(())
        .unwrap();
    let conn = ConnInfo {
        peer: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        tls: false,
    };
    parse(request, &conn, &AllowedHosts::loopback()).unwrap()
}

/// A request's body as a connection gives it.
async fn incoming(body: &str) -> Incoming {
    let (mut client, server) = tokio::io::duplex(4 << 10);
    let (tell, told) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let service = service_fn(move |request: Request<Incoming>| {
        if let Some(tell) = lock(&tell).take() {
            let _ = tell.send(request.into_body());
        }
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    TaskTracker::new().spawn(async move {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        let _ = connection.await;
        drop(client);
    });
    told.await.unwrap()
}

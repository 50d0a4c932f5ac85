//! An answer that is relayed as it arrives.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use keystore_core::Deny;
use keystore_core::record::Ending;
use keystore_wire::problem::Code;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::flow::Flow;
use super::last_words::LastWords;
use super::tap::Tap;
use crate::Proxy;
use crate::cache::Calls;
use crate::leash::Leash;
use crate::outlive::Afterlife;

type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// How long a stream that is cut inside of an event, a line or a frame is given until that ends.
const BORDER_WAIT: Duration = Duration::from_millis(400);
/// How long a body that is about to fail waits, so that what it gave before is written: when a body fails, the connection drops
/// what it has not written yet.
const WRITE_PAUSE: Duration = Duration::from_millis(20);

/// An answer on its way to the client.
pub struct Relay {
    stream: Arc<Mutex<Stream>>,
    afterlife: Afterlife,
}

/// What is left of an answer. The client's connection takes from it, and whoever watches the leash cuts it: a connection whose
/// client does not read does not ask.
struct Stream {
    tap: Tap,
    flow: Flow,
    last_words: Option<LastWords>,
    /// Why it is cut at the end of the piece that has begun: of the event, the line, the frame.
    cutting: Option<Cut>,
    /// The answer ended badly; the client is still to be told.
    broken: bool,
    pause: Option<Pin<Box<Sleep>>>,
    client: Option<Waker>,
    /// Since when the client has left a piece unread, or not asked for the next.
    unread_since: Option<Instant>,
    /// The client did not read: it counts as gone, whether it comes back or not.
    forsaken: bool,
    /// Watches the leash until the call is settled.
    watch: Option<AbortOnDropHandle<()>>,
}

/// Why an answer is cut.
#[derive(Clone)]
struct Cut {
    deny: Deny,
    /// Whose calls it counts among, where it is cut because it is no longer permitted; otherwise a budget affords no more of it.
    calls: Option<Arc<Calls>>,
}

impl Cut {
    fn ending(&self) -> Ending {
        match self.calls {
            Some(_) => Ending::Revoked,
            None => Ending::OverBudget,
        }
    }
}

impl Relay {
    pub(super) fn new(
        tap: Tap,
        flow: Flow,
        last_words: Option<LastWords>,
        leash: Leash,
        proxy: &Proxy,
    ) -> Self {
        let mut stream = Stream {
            tap,
            flow,
            last_words,
            cutting: None,
            broken: false,
            pause: None,
            client: None,
            unread_since: Some(Instant::now()),
            forsaken: false,
            watch: None,
        };
        stream.settle_at_end();
        let is_over = stream.flow.is_settled();
        let relay = Self {
            stream: Arc::new(Mutex::new(stream)),
            afterlife: proxy.afterlife.clone(),
        };
        if !is_over {
            relay.watch(leash, proxy.config.stall_timeout);
        }
        relay
    }

    fn watch(&self, leash: Leash, patience: Duration) {
        let Ok(mut stream) = self.stream.lock() else {
            return;
        };
        let watch = Watch {
            stream: Arc::downgrade(&self.stream),
            patience,
            afterlife: self.afterlife.clone(),
        };
        let Afterlife { tasks, runtime, .. } = &self.afterlife;
        let watch = tasks.spawn_on(watch.run(leash), runtime);
        stream.watch = Some(AbortOnDropHandle::new(watch));
    }

    /// The next piece for the client. An answer that does not end well ends with an error, which cuts the connection: the client
    /// must not take it for whole.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.stream.lock() {
            Ok(mut stream) => stream.poll(cx),
            Err(_) => Poll::Ready(Some(Err("the answer cannot be read".into()))),
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_done(&self) -> bool {
        self.stream
            .lock()
            .is_ok_and(|stream| stream.flow.is_settled() && stream.tap.is_empty() && !stream.broken)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let stream = match self.stream.lock() {
            Ok(stream) => stream,
            // After a panic the tap cannot be trusted.
            Err(panicked) => {
                let code = Some(Code::Internal.as_str());
                let _ = panicked
                    .into_inner()
                    .flow
                    .settle((None, 0), Ending::ClientGone, code);
                return;
            }
        };
        if stream.forsaken || stream.flow.is_settled() || std::thread::panicking() {
            return;
        }
        forsake(stream, &self.stream, &self.afterlife);
    }
}

/// Reads on without the client where the rest tells what the call used; else settles it.
fn forsake(mut stream: MutexGuard<'_, Stream>, shared: &Arc<Mutex<Stream>>, afterlife: &Afterlife) {
    stream.forsaken = true;
    if stream.tap.is_metered() {
        stream.client = None;
        stream.last_words = None;
        drop(stream);
        afterlife.adopt(Abandoned(Arc::clone(shared)).read());
    } else {
        stream.settle(Ending::ClientGone, None);
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.forsaken {
            return Poll::Ready(Some(Err("the answer was not read".into())));
        }
        let polled = self.poll_piece(cx);
        self.unread_since = polled.is_ready().then(Instant::now);
        polled
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(piece) = self.tap.take() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.flow.is_settled() {
                if !self.broken {
                    return Poll::Ready(None);
                }
                let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(WRITE_PAUSE)));
                ready!(pause.as_mut().poll(cx));
                self.broken = false;
                return Poll::Ready(Some(Err("the answer broke off".into())));
            }
            match ready!(self.poll_next(cx)) {
                Some(Ok(chunk)) => {
                    self.tap.push(chunk);
                    self.settle_at_end();
                    self.go_on_cutting();
                    self.keep_to_budgets();
                }
                None => self.complete(),
                Some(Err(ending)) => {
                    self.settle(ending, None);
                    self.broken = true;
                }
            }
        }
    }

    /// The next chunk of the upstream's; whoever waits for it is woken when the stream is cut, too.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Ending>>> {
        let next = self.flow.poll_next(cx);
        if next.is_pending() {
            match &mut self.client {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        next
    }

    /// Settles with the last chunk: a connection that has written an answer of known length does not ask for its end, but drops
    /// it, as it does when the client leaves.
    fn settle_at_end(&mut self) {
        if !self.flow.is_settled() && self.flow.is_end() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        self.tap.end();
        self.settle(Ending::Complete, None);
    }

    fn settle(&mut self, ending: Ending, code: Option<&'static str>) {
        self.flow.settle(self.tap.finish(), ending, code);
        self.watch = None;
    }

    /// Ends the answer where it stands, and says why. A stream ends where an event, a line or a frame of it ends: inside of one,
    /// `false`, and the rest of it is waited for, unless it is to be cut `anyway`.
    fn cut(&mut self, cut: Cut, anyway: bool) -> bool {
        if self.flow.is_settled() {
            return true;
        }
        let last = self.last_words.as_ref().and_then(|words| words.piece(&cut.deny));
        let told = last.is_none_or(|last| self.tap.end_with(last));
        if !told && !anyway {
            self.cutting = Some(cut);
            return false;
        }
        if let Some(calls) = &cut.calls {
            calls.count_cut();
        }
        self.settle(cut.ending(), Some(Code::of_deny(&cut.deny).as_str()));
        self.broken = true;
        if let Some(client) = self.client.take() {
            client.wake();
        }
        true
    }

    /// Cuts the answer where its event ends once it costs more than its budgets afford.
    fn keep_to_budgets(&mut self) {
        if self.cutting.is_none()
            && let Err(deny) = self.flow.grow(&self.tap)
        {
            self.cut(Cut { deny, calls: None }, false);
        }
    }

    fn go_on_cutting(&mut self) {
        if let Some(cut) = self.cutting.take() {
            self.cut(cut, false);
        }
    }
}

/// Watches over an answer that is relayed: a connection whose client does not read asks for nothing.
struct Watch {
    stream: Weak<Mutex<Stream>>,
    /// How long what there is of the answer may stay unread.
    patience: Duration,
    afterlife: Afterlife,
}

impl Watch {
    /// Cuts the answer when its leash ends, and lets it go on without the client when that does not read.
    async fn run(self, mut leash: Leash) {
        let deny = tokio::select! {
            deny = leash.ended() => deny,
            () = self.stalls() => {
                self.forsake();
                leash.ended().await
            }
        };
        let cut = Cut {
            deny,
            calls: Some(Arc::clone(&leash.agent().calls)),
        };
        if !self.cut(cut.clone(), false) {
            sleep(BORDER_WAIT).await;
            self.cut(cut, true);
        }
    }

    /// See [`Stream::cut`]. What is gone is cut; after a panic it settles by itself.
    fn cut(&self, cut: Cut, anyway: bool) -> bool {
        let stream = self.stream.upgrade();
        let locked = stream.as_ref().and_then(|stream| stream.lock().ok());
        locked.is_none_or(|mut stream| stream.cut(cut, anyway))
    }

    /// Returns when the client has read nothing for as long as it may.
    async fn stalls(&self) {
        let mut wait = self.patience;
        loop {
            sleep(wait).await;
            let stream = self.stream.upgrade();
            let unread = stream.and_then(|stream| stream.lock().ok()?.unread_since);
            let unread = unread.map_or(Duration::ZERO, |since| since.elapsed());
            match self.patience.checked_sub(unread) {
                Some(left) if !left.is_zero() => wait = left,
                _ => return,
            }
        }
    }

    fn forsake(&self) {
        let Some(shared) = self.stream.upgrade() else {
            return;
        };
        if let Ok(stream) = shared.lock()
            && !stream.flow.is_settled()
        {
            forsake(stream, &shared, &self.afterlife);
        }
    }
}

/// An answer that nobody waits for. Settles by what was read when its reading ends, however it does, and if it never begins.
struct Abandoned(Arc<Mutex<Stream>>);

impl Abandoned {
    /// Reads the rest, for what it used.
    async fn read(self) {
        while poll_fn(|cx| self.poll(cx)).await {}
    }

    /// Takes the next chunk, if there is one.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let Ok(mut stream) = self.0.lock() else {
            return Poll::Ready(false);
        };
        let Some(Ok(chunk)) = ready!(stream.poll_next(cx)) else {
            return Poll::Ready(false);
        };
        stream.tap.push(chunk);
        stream.tap.clear();
        let stream = &mut *stream;
        if let Err(deny) = stream.flow.grow(&stream.tap) {
            let code = Code::of_deny(&deny).as_str();
            stream.settle(Ending::OverBudget, Some(code));
            return Poll::Ready(false);
        }
        Poll::Ready(true)
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        // A second panic, out of the tap of the first one, would end the process.
        if std::thread::panicking() {
            return;
        }
        if let Ok(mut stream) = self.0.lock() {
            stream.settle(Ending::ClientGone, None);
        }
    }
}

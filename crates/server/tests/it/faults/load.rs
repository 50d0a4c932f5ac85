//! Callers of every kind: whole answers and streams, quick and slow, clients that leave, providers that fail.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use keystore_testkit::dice::Dice;
use serde_json::json;
use tokio::task::JoinSet;

use super::node::{Site, Urls};
use super::truth::model;

/// How much of what happens to calls, in percent.
#[derive(Clone, Copy)]
pub(super) struct Mix {
    /// The client leaves at a random byte of the answer.
    pub(super) leaves: u64,
    /// The provider answers with an error, or breaks off.
    pub(super) upstream_fails: u64,
    /// Longest pause between two pieces of a stream, and before a head, in milliseconds.
    pub(super) slow_ms: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            leaves: 25,
            upstream_fails: 10,
            slow_ms: 40,
        }
    }
}

/// What the callers saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Calls whose answers came whole.
    pub(super) whole: Mutex<BTreeSet<usize>>,
    /// How many calls were answered with each status; 0 where there was no answer.
    pub(super) statuses: Mutex<std::collections::BTreeMap<u16, usize>>,
}

/// One caller's way to the server.
#[derive(Clone)]
pub(super) struct Way {
    http: reqwest::Client,
    urls: Arc<RwLock<Urls>>,
    token: String,
    pub(super) mix: Mix,
    pub(super) seen: Arc<Seen>,
}

impl Way {
    pub(super) fn of(site: &Site, mix: Mix) -> Self {
        Self::at(site.where_it_is(), &site.token, mix)
    }

    pub(super) fn at(urls: Arc<RwLock<Urls>>, token: &str, mix: Mix) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .build()
                .unwrap(),
            urls,
            token: token.to_owned(),
            mix,
            seen: Arc::default(),
        }
    }

    /// A request for a chat completion, with directives for the provider.
    pub(super) fn request(&self, call: usize, stream: bool, fake: &str) -> reqwest::RequestBuilder {
        let proxy = self.urls.read().unwrap().proxy.clone();
        let body = json!({"model": model(call), "stream": stream, "max_completion_tokens": 60,
            "messages": [{"role": "user", "content": "How many, and why?"}]});
        self.http
            .post(format!("{proxy}/v1/openai/v1/chat/completions"))
            .bearer_auth(&self.token)
            .header("x-fake", fake)
            .json(&body)
    }

    /// One call, as chance has it. Gives its status, 0 when there was no answer.
    pub(super) async fn call(&self, call: usize, dice: &mut Dice) -> u16 {
        let stream = dice.hits(50);
        let slow = dice.below(self.mix.slow_ms + 1);
        let fake = match dice.hits(self.mix.upstream_fails) {
            true => ["status=500", "status=429", "abort-after=2", "no-head", "truncate"]
                [dice.below(5) as usize]
                .to_owned(),
            false if stream => format!("chunk-delay-ms={slow}; output-tokens={}", 1 + dice.below(30)),
            false => format!("head-delay-ms={slow}; output-tokens={}", 1 + dice.below(60)),
        };
        // An answer has about a thousand bytes; a client that leaves before the first of them leaves while it waits.
        let leaves = dice.hits(self.mix.leaves).then(|| dice.below(1_200) as usize);
        let patience = Duration::from_millis(dice.below(2 * self.mix.slow_ms + 5));
        let sending = self.request(call, stream, &fake).send();
        let sent = match leaves {
            Some(bytes) if bytes < 200 => match tokio::time::timeout(patience, sending).await {
                Ok(sent) => sent,
                Err(_) => return self.saw(call, 0, false),
            },
            _ => sending.await,
        };
        let Ok(mut answer) = sent else {
            return self.saw(call, 0, false);
        };
        let status = answer.status().as_u16();
        let mut read = 0;
        let whole = loop {
            if leaves.is_some_and(|at| read >= at) {
                break false;
            }
            match answer.chunk().await {
                Ok(Some(piece)) => read += piece.len(),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.saw(call, status, whole)
    }

    fn saw(&self, call: usize, status: u16, whole: bool) -> u16 {
        *self.seen.statuses.lock().unwrap().entry(status).or_default() += 1;
        if whole && status == 200 {
            self.seen.whole.lock().unwrap().insert(call);
        }
        status
    }
}

/// Callers that go on until they are stopped.
pub(super) struct Traffic {
    calls: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Traffic {
    /// So many callers at a time, whose calls are numbered on from `next`.
    pub(super) fn start(way: &Way, callers: u64, seed: u64, next: &Arc<AtomicUsize>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut calls = JoinSet::new();
        for caller in 0..callers {
            let (way, stop, next) = (way.clone(), Arc::clone(&stop), Arc::clone(next));
            let mut dice = Dice::new(seed << 16 | caller);
            calls.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if way.call(next.fetch_add(1, Ordering::Relaxed), &mut dice).await == 0 {
                        // Nobody is there, perhaps.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
            });
        }
        Self { calls, stop }
    }

    /// Lets the running calls end.
    pub(super) async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.calls.join_all().await;
    }
}

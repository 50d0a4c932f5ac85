//! Every point at which the product can be made to fail, and everything that can happen there: the books are right afterwards, and the
//! server works again.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keystore_store::failpoints::{Action, POINTS, Point};
use keystore_testkit::counts::soak;
use serde_json::json;

use super::load::{Mix, Traffic, Way};
use super::node::Site;
use super::truth::{self, Sums};

const ACTIONS: [Action; 4] = [
    Action::Kill,
    Action::Panic,
    Action::Fail,
    Action::Delay(Duration::from_millis(30)),
];

const CALLERS: u64 = 6;

/// How long a point may take to be reached, and a server to work again.
const SOON: Duration = Duration::from_secs(30);

/// In the soak all actions at all points, again and again; otherwise one action at each point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_point_whatever_happens_the_books_are_right() {
    let (rounds, actions) = (soak(10, 1), soak(40, 1).min(ACTIONS.len()));
    let (mut sums, mut cases) = (Sums::default(), 0);
    for round in 0..rounds {
        for (half, points) in POINTS.chunks(POINTS.len() / 2).enumerate() {
            let mut site = Site::start().await;
            let mut bench = Bench::of(&site, (round * 2 + half) as u64);
            for (number, point) in points.iter().enumerate() {
                for shift in 0..actions {
                    let mut action = ACTIONS[(number + shift) % ACTIONS.len()];
                    if action == Action::Fail && !point.fails {
                        action = Action::Panic;
                    }
                    bench.case(&mut site, point, action).await;
                    cases += 1;
                }
            }
            sums += bench.finish(site).await;
        }
    }
    println!("{cases} cases at {} points: {sums:?}", POINTS.len());
}

/// Traffic that goes on through all cases of a site.
struct Bench {
    way: Way,
    next: Arc<AtomicUsize>,
    traffic: Traffic,
}

impl Bench {
    fn of(site: &Site, seed: u64) -> Self {
        let mix = Mix {
            slow_ms: 10,
            ..Mix::default()
        };
        let (way, next) = (Way::of(site, mix), Arc::new(AtomicUsize::new(0)));
        let traffic = Traffic::start(&way, CALLERS, seed, &next);
        Self { way, next, traffic }
    }

    async fn case(&mut self, site: &mut Site, point: &Point, action: Action) {
        let name = point.name;
        let at_start = name.starts_with("recover.") || name.starts_with("clear.");
        let ended = match at_start {
            true => self.at_a_start(site, name, action).await,
            false => self.while_it_runs(site, name, action).await,
        };
        assert_eq!(
            ended.is_some(),
            is_deadly(name, action),
            "{name} {action:?}: {ended:?}\n{}",
            site.log()
        );
        if ended.is_some() {
            site.kill();
            site.run(&[]).await.unwrap();
        }
        self.works_again(site, name, action).await;
    }

    /// Leaves running calls and a spool behind, and starts with the point set. How the process ended, if it did.
    async fn at_a_start(&self, site: &mut Site, name: &str, action: Action) -> Option<ExitStatus> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let slow = self
            .way
            .request(call, true, "chunk-delay-ms=50; output-tokens=40")
            .send();
        let slow = slow.await.unwrap();
        site.set("journal.before_append", Action::Fail, 0);
        site.spooled(|spool| spool[..4] != [0; 4]).await;
        site.kill();
        drop(slow);
        if name.starts_with("clear.") {
            // As if a newer version had added a projection.
            site.statement("UPDATE watermarks SET seq = 0 WHERE projection = 'requests'")
                .await;
        }
        if let Err(ended) = site.run(&[(name, action)]).await {
            return Some(ended);
        }
        let acted = site.acted().await.unwrap();
        assert!(acted[name] > 0, "{name} is not reached");
        site.clear(name);
        None
    }

    /// Does what leads to the point. How the process ended, if it did.
    async fn while_it_runs(&self, site: &mut Site, name: &str, action: Action) -> Option<ExitStatus> {
        site.set(name, action, 1);
        if name.starts_with("spool.") {
            site.set("journal.before_append", Action::Fail, 2);
        }
        let begun = Instant::now();
        loop {
            if name.starts_with("tx.") {
                // It may die of it.
                let token = json!({"agentId": "agent", "name": format!("t{}", begun.elapsed().as_nanos())});
                let request = site.owner.request("POST", "/v1/tokens").json(&token);
                let status = request.send().await.map_or(0, |answer| answer.status().as_u16());
                assert!([201, 503, 500, 0].contains(&status), "{status}");
            }
            match site.acted().await {
                Err(ended) => return Some(ended),
                // It may be about to die of it.
                Ok(acted) if acted[name] > 0 && is_deadly(name, action) => return Some(site.ended().await),
                Ok(acted) if acted[name] > 0 => return None,
                Ok(_) => assert!(begun.elapsed() < SOON, "{name} is not reached"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn works_again(&self, site: &Site, name: &str, action: Action) {
        let begun = Instant::now();
        loop {
            let call = self.next.fetch_add(1, Ordering::Relaxed);
            let answer = self.way.request(call, false, "").send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(
                begun.elapsed() < SOON,
                "{name} {action:?}: it does not work again\n{}",
                site.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn finish(self, mut site: Site) -> Sums {
        self.traffic.end().await;
        site.nothing_is_held().await;
        site.stop().await;
        let (store, spent) = site.store().await;
        let sums = truth::check(&store, spent, &site.upstream.log()).await;
        store.close().await;
        sums
    }
}

/// Whether the process ends by it. A panic of a task without which nothing is recorded ends it, and so does anything that keeps it from
/// starting.
fn is_deadly(name: &str, action: Action) -> bool {
    let (place, _) = name.split_once('.').unwrap();
    match (action, place) {
        (Action::Kill, _) => true,
        (Action::Panic, place) => !["tx", "exchange"].contains(&place),
        (Action::Fail, place) => ["recover", "clear"].contains(&place),
        (Action::Delay(_), _) => false,
    }
}

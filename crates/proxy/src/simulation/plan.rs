//! One run: a plan made of a seed, carried out step by step, and the comparison at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use keystore_core::budget::Applied;
use keystore_core::ids::{BudgetId, RequestId};
use keystore_core::policy::{BudgetMode, BudgetPolicy, TokenPolicy, Unit};
use keystore_core::record::Ending;
use keystore_core::window::Window;
use keystore_core::{Clock as _, IdSource as _, Micros};
use keystore_store::requests::{self, Filter, RequestRow};
use keystore_store::{budgets, tokens};
use keystore_testkit::clock::MockClock;
use keystore_testkit::dice::Dice;
use keystore_testkit::ids::SeededIds;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::node::{Ask, Event, INPUT_TOKENS, Line, Node, Order, Point, Protocol};
use super::runtime;
use super::upstream::{Broken, Call, Truth};
use super::world::{World, terms};
use crate::lock::lock;

/// Starts of a node in a run, at most.
const STARTS: i64 = 3;
/// Steps between two of them, at most.
const STEPS: i64 = 14;
/// The most tokens that a call asks for.
const MOST_TOKENS: i64 = 1_500;
/// A step that takes longer has stuck. The machine may pause, too.
const PATIENCE: Duration = Duration::from_secs(300);

/// A number of this range.
fn of(dice: &mut Dice, range: Range<i64>) -> i64 {
    let offset = dice.below(range.end.abs_diff(range.start));
    range.start + i64::try_from(offset).unwrap()
}

/// A call that is not over.
struct Live {
    agent: usize,
    orders: mpsc::UnboundedSender<Order>,
    /// As long as its client is there.
    client: Option<JoinHandle<()>>,
    answered: bool,
    /// Tokens that the vendor may still make.
    left: i64,
}

/// How a start of the node went on.
enum Went {
    /// It crashed.
    Crashed,
    /// It ended, and everything was compared.
    Ended,
}

/// A run, without what a crash takes away.
struct Run {
    dice: Dice,
    protocol: Protocol,
    /// Where its database lies.
    folder: TempDir,
    clock: Arc<MockClock>,
    ids: Arc<SeededIds>,
    truth: Arc<Mutex<Truth>>,
    /// Every budget as it is now, and the highest limit that it had.
    budgets: Vec<(BudgetPolicy, i64)>,
}

/// The plan of `seed`, carried out.
pub(super) fn run(seed: u64, protocol: Protocol) -> Truth {
    let world = World::get();
    let mut budgets: BTreeMap<BudgetId, BudgetPolicy> = BTreeMap::new();
    for budget in world.agents.iter().flat_map(|agent| &agent.budgets) {
        budgets.insert(budget.budget, budget.clone());
    }
    let with_limit = |budget: BudgetPolicy| {
        let limit = budget.limit;
        (budget, limit)
    };
    let mut run = Run {
        dice: Dice::new(seed),
        protocol,
        folder: world.copy(),
        clock: Arc::default(),
        ids: Arc::new(SeededIds::new(seed + 1)),
        truth: Arc::default(),
        budgets: budgets.into_values().map(with_limit).collect(),
    };
    let starts = of(&mut run.dice, 1..STARTS + 1);
    for start in 1..=starts {
        let runtime = runtime();
        let went = runtime.block_on(run.start(start == starts));
        drop(runtime);
        if matches!(went, Went::Ended) {
            break;
        }
    }
    std::mem::take(&mut *lock(&run.truth))
}

impl Run {
    fn truth(&self) -> MutexGuard<'_, Truth> {
        lock(&self.truth)
    }

    /// A node from its start to its end; `last` never crashes.
    async fn start(&mut self, last: bool) -> Went {
        let (clock, ids, truth) = (&self.clock, &self.ids, &self.truth);
        let node = Node::start(self.folder.path(), self.protocol, clock, ids, truth).await;
        self.truth().step("start".to_owned());
        let (tell, events) = mpsc::unbounded_channel();
        let steps = of(&mut self.dice, 3..STEPS + 1);
        let mut shift = Shift {
            run: self,
            node,
            live: BTreeMap::new(),
            unsure: Vec::new(),
            tell,
            events,
            last,
        };
        for _ in 0..steps {
            if shift.step().await.is_break() {
                shift.crash();
                return Went::Crashed;
            }
            shift.check_limits();
        }
        if !last {
            shift.crash();
            return Went::Crashed;
        }
        shift.finish().await;
        Went::Ended
    }
}

/// A node at work.
struct Shift<'a> {
    run: &'a mut Run,
    node: Arc<Node>,
    live: BTreeMap<usize, Live>,
    /// Calls that are over, of which the outcome may still be in memory alone.
    unsure: Vec<usize>,
    tell: mpsc::UnboundedSender<(usize, Event)>,
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    last: bool,
}

impl Shift<'_> {
    fn note(&self, step: String) {
        self.run.truth().step(step);
    }

    /// One thing that happens; a crash breaks off.
    async fn step(&mut self) -> ControlFlow<()> {
        match of(&mut self.run.dice, 0..100) {
            0..32 => return self.begin().await,
            32..76 => self.go_on().await,
            76..84 => self.leave().await,
            84..86 => self.revoke().await,
            86..90 => self.edit().await,
            90..95 => {
                let seconds = match self.run.dice.hits(70) {
                    true => of(&mut self.run.dice, 1..120),
                    false => of(&mut self.run.dice, 1..30_000),
                };
                self.note(format!("{seconds} s pass"));
                self.run
                    .clock
                    .advance(Duration::from_secs(seconds.unsigned_abs()));
            }
            95..98 => self.flush().await,
            _ if !self.last => return ControlFlow::Break(()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Calls of one agent, at the same time.
    async fn begin(&mut self) -> ControlFlow<()> {
        let dice = &mut self.run.dice;
        let agent = usize::try_from(of(dice, 0..4)).unwrap();
        let count = of(dice, 1..4);
        let mut begun = Vec::new();
        for _ in 0..count {
            let dice = &mut self.run.dice;
            let max_tokens = of(dice, 1..MOST_TOKENS + 1);
            let unreachable = dice.hits(4);
            let crash_at = (!self.last && dice.hits(4)).then(|| match of(dice, 0..4) {
                0 => Point::Admitted,
                1 => Point::Reserved,
                2 => Point::Confirmed,
                _ => Point::Dispatched,
            });
            let call = {
                let request = RequestId::new(self.run.ids.next());
                let mut truth = self.run.truth();
                truth.calls.push(Call {
                    agent,
                    request,
                    served: false,
                    tokens: [INPUT_TOKENS, 0],
                    failed: false,
                    reported: false,
                    panicked: false,
                    sure: 0,
                    lost: false,
                });
                truth.calls.len() - 1
            };
            self.note(format!(
                "call {call} of agent {agent}, at most {max_tokens} tokens{}{}",
                if unreachable { ", no connection" } else { "" },
                crash_at.map_or_else(String::new, |point| format!(", crash at {point:?}")),
            ));
            let (orders, taken) = mpsc::unbounded_channel();
            let line = Line {
                call,
                crash_at,
                orders: taken,
                events: self.tell.clone(),
            };
            let ask = Ask {
                call,
                agent,
                max_tokens,
                unreachable,
            };
            let client = TaskTracker::new().spawn(Arc::clone(&self.node).call(ask, line));
            let live = Live {
                agent,
                orders,
                client: Some(client),
                answered: false,
                left: max_tokens,
            };
            self.live.insert(call, live);
            begun.push(call);
            self.hear([call]).await;
        }
        for call in &begun {
            if let Some(live) = self.live.get(call) {
                let _ = live.orders.send(Order::Begin);
            }
        }
        match self.hear(begun).await {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The vendor goes on with one of the calls.
    async fn go_on(&mut self) {
        let Some(call) = self.any_live() else { return };
        let (dice, live) = (&mut self.run.dice, &self.live[&call]);
        let order = match of(dice, 0..100) {
            0..4 => Order::Break,
            4..6 => Order::Panic,
            6..9 if !live.answered => Order::Answer(500),
            _ if !live.answered => Order::Answer(200),
            6..75 if live.left > 0 => Order::Chunk(of(dice, 1..live.left + 1)),
            _ => Order::End,
        };
        self.order(call, order).await;
    }

    async fn order(&mut self, call: usize, order: Order) {
        self.note(format!("call {call}: {order:?}"));
        let Some(live) = self.live.get_mut(&call) else {
            return;
        };
        match order {
            Order::Answer(_) => live.answered = true,
            Order::Chunk(tokens) => live.left -= tokens,
            _ => {}
        }
        let _ = live.orders.send(order);
        self.hear([call]).await;
    }

    /// A client leaves.
    async fn leave(&mut self) {
        let Some(call) = self.any_live() else { return };
        let Some(client) = self.live.get_mut(&call).and_then(|live| live.client.take()) else {
            return;
        };
        self.note(format!("call {call}: its client leaves"));
        client.abort();
        let _ = client.await;
        while let Ok((call, event)) = self.events.try_recv() {
            self.heard(call, event);
        }
    }

    /// An agent's token is revoked, and that is acknowledged.
    async fn revoke(&mut self) {
        let agent = usize::try_from(of(&mut self.run.dice, 0..4)).unwrap();
        if self.run.truth().revoked.contains(&agent) {
            return;
        }
        self.note(format!("agent {agent} is revoked"));
        let world = World::get();
        let policy = TokenPolicy {
            revoked: true,
            ..world.agents[agent].token.clone()
        };
        let tag = world.key.policy_mac().unwrap().tag("token", &policy.canonical());
        let changed = tokens::NewToken {
            org: world.org,
            name: "revoked",
            policy: &policy,
            mac: &tag,
            at: self.run.clock.now(),
        };
        let mut tx = self.node.proxy.store.begin().await.unwrap();
        assert!(tokens::update(&mut tx, &changed).await.unwrap());
        let epoch = tx.commit_epoch().await.unwrap();
        if self.run.protocol == Protocol::CacheForAWhile {
            self.run.truth().revoked.insert(agent);
            return;
        }
        let propagation = self.node.proxy.propagation(epoch, PATIENCE).await;
        self.run.truth().revoked.insert(agent);
        if !propagation.propagated {
            self.run
                .truth()
                .broken(Broken::Stuck, "the revocation is not acknowledged");
        }
        let cut = self.live.iter().filter(|(_, live)| live.agent == agent);
        let cut: Vec<usize> = cut.map(|(call, _)| *call).collect();
        self.hear(cut).await;
    }

    /// A budget gets another limit.
    async fn edit(&mut self) {
        let number = usize::try_from(of(
            &mut self.run.dice,
            0..i64::try_from(self.run.budgets.len()).unwrap(),
        ))
        .unwrap();
        let percent = of(&mut self.run.dice, 60..150);
        let (policy, highest) = &mut self.run.budgets[number];
        policy.limit = (policy.limit * percent / 100).max(1);
        *highest = policy.limit.max(*highest);
        let policy = policy.clone();
        self.note(format!("budget {number} gets the limit {}", policy.limit));
        let tag = World::get()
            .key
            .policy_mac()
            .unwrap()
            .tag("budget", &policy.canonical());
        let mut tx = self.node.proxy.store.begin().await.unwrap();
        assert!(
            budgets::update(&mut tx, &policy, &tag, self.run.clock.now())
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
    }

    /// Everything that was recorded is in the file.
    async fn flush(&mut self) {
        self.note("flush".to_owned());
        self.node.proxy.store.journal().flush().await.unwrap();
        self.unsure.clear();
        let mut truth = self.run.truth();
        for call in self.live.keys() {
            truth.calls[*call].sure = truth.calls[*call].cost();
        }
    }

    fn any_live(&mut self) -> Option<usize> {
        let count = i64::try_from(self.live.len()).unwrap();
        if count == 0 {
            return None;
        }
        let number = usize::try_from(of(&mut self.run.dice, 0..count)).unwrap();
        self.live.keys().nth(number).copied()
    }

    /// Waits until something has happened to each of these calls; whether the node is to crash by it.
    async fn hear(&mut self, calls: impl IntoIterator<Item = usize>) -> bool {
        let mut calls: BTreeSet<usize> = calls.into_iter().collect();
        calls.retain(|call| self.live.contains_key(call));
        let mut crash = false;
        while !calls.is_empty() {
            let heard = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            let Ok(Some((call, event))) = heard else {
                self.run
                    .truth()
                    .broken(Broken::Stuck, &format!("calls {calls:?}"));
                self.live.retain(|call, _| !calls.contains(call));
                break;
            };
            self.heard(call, event);
            calls.remove(&call);
            crash |= event == Event::AtPoint;
        }
        crash
    }

    fn heard(&mut self, call: usize, event: Event) {
        if event == Event::Gone {
            self.note(format!("call {call} is over"));
            self.live.remove(&call);
            self.unsure.push(call);
        }
    }

    /// The node ends as it is.
    fn crash(&mut self) {
        self.note("crash".to_owned());
        let mut truth = self.run.truth();
        for call in self.live.keys().chain(&self.unsure) {
            truth.calls[*call].lost = true;
        }
    }

    /// At every instant, a strict budget has room for what is held.
    fn check_limits(&self) {
        let now = self.run.clock.now();
        for (policy, highest) in &self.run.budgets {
            let terms = terms(policy);
            let view = self.node.proxy.counters.view(now, &Applied::all(&terms));
            if is_strict(policy) && view.settled + view.held > *highest {
                let why = format!("budget {}: {view:?} of {highest}", policy.budget);
                self.run.truth().broken(Broken::OverLimit, &why);
            }
        }
    }

    /// Lets every call come to its end, and compares.
    async fn finish(&mut self) {
        while let Some((call, live)) = self.live.first_key_value() {
            let (call, order) = (
                *call,
                if live.answered {
                    Order::End
                } else {
                    Order::Answer(200)
                },
            );
            self.order(call, order).await;
        }
        self.node.proxy.store.project_now().await.unwrap();
        let world = World::get();
        let store = &self.node.proxy.store;
        let mut conn = store.read().await.unwrap();
        let all = Filter::default();
        let rows = requests::list(&mut conn, world.org, &all, None, 1_000).await;
        let rows = rows.unwrap().rows;
        let sums = compare(&mut self.run.truth(), &rows);
        let now = self.run.clock.now();
        for (policy, highest) in &self.run.budgets {
            let terms = terms(policy);
            let view = self.node.proxy.counters.view(now, &Applied::all(&terms));
            let mut wrong = Vec::new();
            if view.held != 0 {
                wrong.push((Broken::HeldForEver, format!("{view:?}")));
            }
            let sums = sums.iter().filter(|((budget, _), _)| *budget == policy.budget);
            for ((budget, window), sum) in sums {
                let spent = budgets::spent(&mut conn, *budget, *window).await.unwrap();
                let in_memory = if view.bounds.start == *window {
                    view.settled
                } else {
                    spent
                };
                if (spent, in_memory) != (sum.charged, sum.charged) {
                    let why = format!(
                        "{} charged, {spent} in the file, {in_memory} in memory",
                        sum.charged
                    );
                    wrong.push((Broken::Miscounted, why));
                }
                let most = highest + if is_strict(policy) { 0 } else { sum.beyond };
                if policy.denies() && (spent > most || (is_strict(policy) && sum.real > most)) {
                    wrong.push((Broken::OverLimit, format!("{sum:?} of {most}")));
                }
            }
            for (what, why) in wrong {
                self.run
                    .truth()
                    .broken(what, &format!("budget {}: {why}", policy.budget));
            }
        }
        drop(conn);
        store.close().await;
    }
}

fn is_strict(policy: &BudgetPolicy) -> bool {
    policy.denies() && policy.mode == BudgetMode::Strict
}

/// What a budget comes to in one window, in its unit.
#[derive(Debug, Default)]
struct Sum {
    charged: i64,
    /// By the vendor's account.
    real: i64,
    /// What calls were charged beyond what was held for them at first.
    beyond: i64,
}

/// Compares the journal's account of every call with the vendor's, and adds up.
fn compare(truth: &mut Truth, rows: &[RequestRow]) -> BTreeMap<(BudgetId, Micros), Sum> {
    let mut by_request: HashMap<RequestId, Vec<&RequestRow>> = HashMap::new();
    for row in rows {
        by_request.entry(row.id).or_default().push(row);
    }
    let mut sums: BTreeMap<(BudgetId, Micros), Sum> = BTreeMap::new();
    for (number, call) in truth.calls.clone().iter().enumerate() {
        let found = by_request
            .get(&call.request)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if found.len() > 1 {
            truth.broken(
                Broken::Miscounted,
                &format!("call {number} ended {} times", found.len()),
            );
        }
        let Some(row) = found.first() else {
            if call.served {
                truth.broken(Broken::NoIntent, &format!("call {number}"));
            }
            continue;
        };
        if let Some(wrong) = judge(call, row) {
            let why = format!("call {number} cost {} and was charged as {row:?}", call.cost());
            truth.broken(wrong, &why);
        }
        for budget in &World::get().agents[call.agent].budgets {
            let sum = sums.entry((budget.budget, window(budget, row.at))).or_default();
            let (charged, real, held) = match budget.unit {
                Unit::Calls => (
                    i64::from(row.ending != Some(Ending::NotSent)),
                    i64::from(call.served),
                    1,
                ),
                _ => (row.cost.0, call.cost(), row.hold.0),
            };
            sum.charged += charged;
            sum.real += real;
            sum.beyond += (charged - held).max(0);
        }
    }
    sums
}

/// What is wrong with the charge of a call.
fn judge(call: &Call, row: &RequestRow) -> Option<Broken> {
    let (cost, charged, hold) = (call.cost(), row.cost.0, row.hold.0);
    let crashed = row.ending == Some(Ending::Crash);
    let by_estimate = World::get().agents[call.agent].budgets[0].mode == BudgetMode::Estimate;
    let (least, most) = match by_estimate {
        // What was held is all that is known, and of an estimate that grew what was surely written.
        true if crashed => (call.sure.max(cost.min(hold)), 2 * (hold + cost)),
        false if crashed => (cost, hold),
        _ if call.reported || !call.served || call.failed => (cost, cost),
        // A client that leaves ends no metering.
        _ if row.ending == Some(Ending::ClientGone) && !call.panicked => (cost, cost),
        // Broken off: what was held, or more where an estimate has grown.
        false => (cost, hold),
        true => (cost, 2 * (hold + cost)),
    };
    match charged {
        _ if crashed && !call.lost => Some(Broken::Miscounted),
        charged if charged < least => Some(Broken::Undercharged),
        charged if charged > most => Some(Broken::Overcharged),
        _ => None,
    }
}

/// The window of a budget that a call at `at` counts in. The organization is in UTC.
fn window(budget: &BudgetPolicy, at: Micros) -> Micros {
    const DAY: i64 = 86_400_000_000;
    match budget.window {
        Window::Day => Micros(at.0.div_euclid(DAY) * DAY),
        _ => Micros(0),
    }
}

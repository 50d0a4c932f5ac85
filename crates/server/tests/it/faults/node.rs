//! A server in a process of its own, on data that outlive it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use keystore_core::{Clock, Micros};
use keystore_proxy::config::ProxyConfig;
use keystore_server::app::{App, Parts, Settings, Sockets};
use keystore_server::clock::SystemClock;
use keystore_server::config::{SecretText, SignUp};
use keystore_server::custody::{CustodyParts, RootKeySource};
use keystore_server::mail::Shown;
use keystore_server::payments::Stripe;
use keystore_store::failpoints::{Action, Failpoints, POINTS};
use keystore_store::{Durability, Options, Store};
use keystore_testkit::disk::Disk;
use keystore_testkit::pg::PgCluster;
use keystore_testkit::upstream::FakeUpstream;
use keystore_vault::SystemIds;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{Client, PASSWORD, STRIPE_KEY, STRIPE_SECRET};

const ORDERS: &str = "KEYSTORE_TEST_NODE";

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server is started on, and what outlives it.
pub(super) struct Site {
    folder: TempDir,
    store_url: String,
    durability: Durability,
    pub(super) upstream: FakeUpstream,
    /// Another one, over TLS and HTTP/2, for whoever points a credential at it.
    pub(super) over_tls: FakeUpstream,
    pub(super) disk: Option<Disk>,
    pub(super) owner: Client,
    /// Of the agent `agent`, with a budget that is never used up.
    pub(super) token: String,
    urls: Arc<RwLock<Urls>>,
    /// How far the server's clock is ahead.
    ahead: Duration,
    /// Whether the server carries rotations on, and tops credit up, without a pause.
    restless: bool,
    /// Whether the fake provider takes payments, as Stripe does.
    stripe: bool,
    /// What else may be dialled.
    allowed: Vec<String>,
    node: Option<Node>,
}

/// Where the server is reached now.
#[derive(Clone, Default)]
pub(super) struct Urls {
    pub(super) proxy: String,
    pub(super) api: String,
}

struct Node {
    process: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Site {
    /// A site with a running server, an owner, a credential for OpenAI and an agent.
    pub(super) async fn start() -> Self {
        Self::on(false, Durability::Process).await
    }

    /// The same, on SQLite on a disk that can fail.
    pub(super) async fn start_on_a_disk(durability: Durability) -> Self {
        Self::on(true, durability).await
    }

    #[expect(clippy::disallowed_methods, reason = "which database to use")]
    async fn on(disk: bool, durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let postgres = std::env::var("KEYSTORE_TEST_STORE").is_ok_and(|store| store == "postgres");
        let store_url = match postgres && !disk {
            true => PgCluster::shared_database().unwrap(),
            false => format!(
                "sqlite://{}",
                data.canonicalize().unwrap().join("keystore.db").display()
            ),
        };
        let disk = disk.then(|| Disk::new(folder.path(), &data, "spool.bin").unwrap());
        let over_tls = FakeUpstream::start_tls().await;
        std::fs::write(folder.path().join("ca.pem"), over_tls.ca_pem().unwrap()).unwrap();
        let mut site = Self {
            folder,
            store_url,
            durability,
            upstream: FakeUpstream::start().await,
            over_tls,
            disk,
            owner: Client::new(""),
            token: String::new(),
            urls: Arc::default(),
            ahead: Duration::ZERO,
            restless: false,
            stripe: false,
            allowed: Vec::new(),
            node: None,
        };
        site.run(&[]).await.unwrap();
        site.settle_in().await;
        site
    }

    async fn settle_in(&mut self) {
        let account =
            json!({"email": "owner@example.com", "password": PASSWORD, "name": "Ada", "orgName": "Acme Inc"});
        let owner = Client::new(&self.urls().api);
        let session = owner.post("/v1/auth/signup", &account).await.expect(201);
        self.owner = owner.with_token(session["token"].as_str().unwrap());
        let credential = json!({"provider": "openai", "secret": "sk-canary", "baseUrl": self.upstream.url()});
        self.owner.post("/v1/credentials", &credential).await.expect(201);
        let grants = json!([{"name": "openai", "source": "byok"}]);
        let limits = json!({"name": "agent", "providers": grants, "budgetCentsMonthly": 100_000_000,
            "rpmLimit": 1_000_000, "rpdLimit": 1_000_000});
        let made = self.owner.post("/v1/tokens", &limits).await.expect(201);
        self.token = made["token"].as_str().unwrap().to_owned();
    }

    /// Where the server's data lie.
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) fn urls(&self) -> Urls {
        self.urls.read().unwrap().clone()
    }

    /// The same, for others.
    pub(super) fn where_it_is(&self) -> Arc<RwLock<Urls>> {
        Arc::clone(&self.urls)
    }

    /// Starts the server with these points set; returns when it serves, or when it has ended, with how.
    pub(super) async fn run(&mut self, points: &[(&str, Action)]) -> Result<(), ExitStatus> {
        self.launch(points);
        let serving = self.answer("serving ").await?;
        let (proxy, api) = serving.split_once(' ').unwrap();
        *self.urls.write().unwrap() = Urls {
            proxy: proxy.to_owned(),
            api: api.to_owned(),
        };
        self.owner = self.owner.at(api);
        Ok(())
    }

    /// Starts the server, and does not wait for it.
    pub(super) fn launch(&mut self, points: &[(&str, Action)]) {
        let points: Vec<Value> = points
            .iter()
            .map(|(name, action)| told(name, *action, 0))
            .collect();
        let providers = [self.upstream.authority(), self.over_tls.authority()];
        let upstreams: Vec<_> = self.allowed.iter().chain(&providers).collect();
        let orders = json!({
            "data": self.data(),
            "store": self.store_url,
            "power": self.durability == Durability::Power,
            "upstreams": upstreams,
            "ca": self.folder.path().join("ca.pem"),
            "points": points,
            "ahead": self.ahead.as_secs(),
            "restless": self.restless,
            "stripe": self.stripe.then(|| self.upstream.url()),
        });
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "faults::node::child", "--ignored", "--nocapture"])
            .env(ORDERS, orders.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.unwrap());
        if let Some(disk) = &self.disk {
            command.envs(disk.environment());
        }
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        self.node = Some(Node { process, said });
    }

    /// The rest of the next line that begins so; how the process ended where there is none.
    async fn answer(&mut self, start: &str) -> Result<String, ExitStatus> {
        let node = self.node.as_mut().unwrap();
        let line = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = node.said.recv().await {
                if let Some(rest) = line.strip_prefix(start) {
                    return Some(rest.to_owned());
                }
            }
            None
        });
        match line.await {
            Ok(Some(rest)) => Ok(rest),
            Ok(None) => Err(node.process.wait().unwrap()),
            Err(_) => panic!("nothing came:\n{}", self.log()),
        }
    }

    fn tell(&mut self, order: &Value) {
        let stdin = self.node.as_mut().unwrap().process.stdin.as_mut().unwrap();
        // It may just have died of what it was told before.
        let _ = writeln!(stdin, "{order}");
    }

    /// Sets a point in the running server, for the next `times` that it is passed; 0 for ever.
    pub(super) fn set(&mut self, name: &str, action: Action, times: u32) {
        let order = told(name, action, times);
        self.tell(&order);
    }

    pub(super) fn clear(&mut self, name: &str) {
        self.tell(&json!({"clear": name}));
    }

    /// From the next start on the server carries rotations on, and tops credit up, without a pause.
    pub(super) fn restless(&mut self) {
        self.restless = true;
    }

    /// From the next start on this `host:port` may be dialled.
    pub(super) fn allow(&mut self, authority: String) {
        self.allowed.push(authority);
    }

    /// From the next start on the fake provider takes payments.
    pub(super) fn takes_payments(&mut self) {
        self.upstream.take_payments(STRIPE_KEY);
        self.stripe = true;
    }

    /// The server's clock goes ahead, also that of those to come.
    pub(super) fn advance(&mut self, time: Duration) {
        self.ahead += time;
        let ahead = self.ahead.as_secs();
        self.tell(&json!({"ahead": ahead}));
    }

    /// How often each point did what it was set to do since the server started; how the process ended, if it has.
    pub(super) async fn acted(&mut self) -> Result<BTreeMap<String, u64>, ExitStatus> {
        self.tell(&json!({"acted": true}));
        let answer = self.answer("acted ").await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// Runs a statement beside the server.
    pub(super) async fn statement(&self, statement: &'static str) {
        crate::support::statement(&self.store_url, statement).await;
    }

    /// Waits until the process has ended; how it did.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        self.answer("no such line").await.unwrap_err()
    }

    /// SIGKILL: nothing of it runs after this returns.
    pub(super) fn kill(&mut self) {
        self.node = None;
    }

    /// SIGTERM, in effect: drains, and closes its database.
    pub(super) async fn stop(&mut self) {
        self.tell(&json!({"stop": true}));
        let ended = self.ended().await;
        assert!(ended.success(), "{ended}\n{}", self.log());
        self.node = None;
    }

    /// Waits until the budgets hold nothing, at most 30 seconds.
    pub(super) async fn nothing_is_held(&self) {
        let begun = std::time::Instant::now();
        loop {
            let budgets = self.owner.get("/v1/budgets").await.expect(200);
            let budgets = budgets["data"].as_array().unwrap();
            if budgets.iter().all(|budget| budget["held"] == "0.00") {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "still held: {budgets:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until what is in the spool is as `is` wants it, at most ten seconds.
    pub(super) async fn spooled(&self, is: impl Fn(&[u8]) -> bool) {
        let begun = std::time::Instant::now();
        while !is(&std::fs::read(self.data().join("spool.bin")).unwrap()) {
            if begun.elapsed() > Duration::from_secs(10) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The database, when no server is running, and what it says was spent.
    pub(super) async fn store(&self) -> (Store, i64) {
        let clock = Arc::new(SystemClock);
        let ids = Arc::new(SystemIds::new(clock.clone()));
        let opened = Store::open(
            &self.store_url,
            options(&self.data(), Failpoints::default()),
            clock,
            ids,
        );
        let (store, recovery) = opened.await.unwrap();
        assert_eq!(recovery.crashed, 0, "it was closed in order");
        (store, recovery.spent.iter().map(|spend| spend.settled).sum())
    }

    /// What the servers wrote to stderr.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn told(name: &str, action: Action, times: u32) -> Value {
    let (action, ms) = match action {
        Action::Fail => ("fail", 0),
        Action::Kill => ("kill", 0),
        Action::Panic => ("panic", 0),
        Action::Delay(time) => ("delay", time.as_millis() as u64),
    };
    json!({"set": name, "action": action, "ms": ms, "times": times})
}

fn obey(points: &Failpoints, order: &Value) {
    let name = order["set"].as_str().unwrap();
    let action = match order["action"].as_str().unwrap() {
        "fail" => Action::Fail,
        "kill" => Action::Kill,
        "panic" => Action::Panic,
        _ => Action::Delay(Duration::from_millis(order["ms"].as_u64().unwrap())),
    };
    match order["times"].as_u64().unwrap() {
        0 => points.set(name, action),
        times => points.set_times(name, action, times as u32),
    }
}

fn options(data: &Path, failpoints: Failpoints) -> Options {
    Options {
        spool: Some(data.join("spool.bin")),
        spool_bytes: 1 << 20,
        // A checkpoint for every few dozen calls.
        checkpoint_bytes: 32 << 10,
        failpoints,
        ..Options::default()
    }
}

/// The process. Ends when it is told to, or when its test is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests of this folder"]
#[expect(clippy::disallowed_methods, reason = "its orders come by the environment")]
async fn child() {
    let orders: Value = serde_json::from_str(&std::env::var(ORDERS).unwrap()).unwrap();
    let points = Failpoints::default();
    for order in orders["points"].as_array().unwrap() {
        obey(&points, order);
    }
    let listen = || async { TcpListener::bind(("127.0.0.1", 0)).await.unwrap() };
    let sockets = Sockets {
        proxy: listen().await,
        proxy_tls: None,
        api: listen().await,
        api_tls: None,
    };
    let urls = Urls {
        proxy: format!("http://{}", sockets.proxy.local_addr().unwrap()),
        api: format!("http://{}", sockets.api.local_addr().unwrap()),
    };
    let clock = Arc::new(Ahead::default());
    clock.set(&orders);
    let app = App::start(parts(&orders, &urls, points.clone(), Arc::clone(&clock)))
        .await
        .unwrap();
    if orders["restless"] == true {
        let restless = Arc::clone(&app);
        tokio::spawn(async move {
            loop {
                // As when the server does it by itself: what fails is tried again.
                let _ = restless.carry_rotations_on().await;
                let _ = restless.top_up().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
    println!("serving {} {}", urls.proxy, urls.api);
    let stop = Arc::clone(&app);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let order: Value = serde_json::from_str(&line).unwrap();
            if order["set"].is_string() {
                obey(&points, &order);
            } else if order["ahead"].is_u64() {
                clock.set(&order);
            } else if let Some(name) = order["clear"].as_str() {
                points.clear(name);
            } else if order["acted"] == true {
                let acted = POINTS.iter().map(|point| (point.name, points.acted(point.name)));
                let acted: BTreeMap<&str, u64> = acted.collect();
                println!("acted {}", serde_json::to_string(&acted).unwrap());
            } else {
                return stop.shut_down();
            }
        }
        std::process::exit(1);
    });
    app.serve(sockets, Duration::from_secs(2)).await;
}

/// The system's clock, ahead of it by so many seconds.
#[derive(Default)]
struct Ahead(AtomicU64);

impl Ahead {
    fn set(&self, order: &Value) {
        self.0.store(order["ahead"].as_u64().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Micros {
        SystemClock
            .now()
            .plus(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn boottime(&self) -> Duration {
        SystemClock.boottime()
    }
}

fn parts(orders: &Value, urls: &Urls, points: Failpoints, clock: Arc<Ahead>) -> Parts {
    let data = Path::new(orders["data"].as_str().unwrap());
    let upstreams = orders["upstreams"].as_array().unwrap().iter();
    let upstreams: BTreeSet<String> = upstreams.map(|one| one.as_str().unwrap().to_owned()).collect();
    Parts {
        store_url: SecretText::new(orders["store"].as_str().unwrap().to_owned()),
        store_options: options(data, points),
        root_key: RootKeySource::FileOrNew(data.join("root.key")),
        custody: CustodyParts::default(),
        proxy: ProxyConfig {
            dev: true,
            allow_private: upstreams.clone(),
            extra_ca: Some(orders["ca"].as_str().unwrap().into()),
            durability: match orders["power"].as_bool().unwrap() {
                true => Durability::Power,
                false => Durability::Process,
            },
            drain_timeout: Duration::from_secs(5),
            ..ProxyConfig::default()
        },
        settings: Settings {
            signup: SignUp::Open,
            secure_cookies: false,
            behind_tls: false,
            dev: true,
            proxy_url: urls.proxy.clone(),
            api_url: urls.api.clone(),
            allow_upstream: upstreams,
            audit_retention: None,
        },
        mailer: Arc::new(Shown::Log),
        payments: orders["stripe"].as_str().map(|url| {
            let secret = |text: &str| SecretText::new(text.to_owned());
            Stripe::new(url, secret(STRIPE_KEY), &secret(STRIPE_SECRET)).unwrap()
        }),
        audit_sinks: keystore_server::audit::sinks::Sinks::default(),
        ids: Arc::new(SystemIds::new(clock.clone())),
        clock,
    }
}

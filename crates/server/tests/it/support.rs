//! What the tests of this binary stand on: a whole server, both planes, in this process on ephemeral ports.
//!
//! ```ignore
//! let app = TestApp::start().await;
//! let owner = app.owner_client();
//! app.create_credential("openai").await;
//! let token = app.create_token("agent", &["openai"]).await;
//! // call `app.proxy_url()` with it; `app.fake_upstream()` is what the credential points at
//! ```

mod caller;
mod canary;
mod client;
mod custody;
mod described;
mod finish;
mod mails;
mod mcp;
mod receiver;
mod recorder;
mod smtp;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::{Clock, IdSource};
use keystore_proxy::config::ProxyConfig;
use keystore_server::app::{App, Parts, Settings, Sockets};
use keystore_server::audit::Verifier;
use keystore_server::audit::sinks::Sinks;
use keystore_server::clock::SystemClock;
use keystore_server::config::{MailTls, SecretText, SignUp};
use keystore_server::mail::{Mailer, Smtp, SmtpSettings};
use keystore_server::payments::Stripe;
use keystore_store::failpoints::Failpoints;
use keystore_store::{Options, Store};
use keystore_testkit::clock::MockClock;
use keystore_testkit::pg::{Database, PgCluster};
use keystore_testkit::upstream::FakeUpstream;
use keystore_vault::SystemIds;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) use caller::{Caller, Reply};
pub(crate) use canary::Canaries;
pub(crate) use client::{Answer, Client};
pub(crate) use custody::Holding;
pub(crate) use finish::all_rows;
use mails::Mails;
pub(crate) use receiver::{Answering, Got, Receiver};
use recorder::Recorder;
pub(crate) use smtp::SmtpServer;

/// The secret that [`TestApp::create_credential`] stores. No answer may ever contain it.
pub(crate) const CANARY: &str = "sk-test-canary-4f9b1c07d2e8";

/// The password of every test account.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// How a server is started.
pub(crate) struct Setup {
    /// Who may sign up. Open unless a test asks for something else.
    pub(crate) signup: SignUp,
    /// A clock that the test moves; without one, the system's.
    pub(crate) clock: Option<Arc<MockClock>>,
    /// On PostgreSQL instead of SQLite.
    pub(crate) postgres: bool,
    /// Whether providers meant for development exist.
    pub(crate) dev: bool,
    /// Changes settings of the data plane.
    pub(crate) proxy: fn(&mut ProxyConfig),
    /// The fake provider; one that speaks plain HTTP when absent.
    pub(crate) upstream: Option<FakeUpstream>,
    /// A mail server; without one, mails are kept and the server does not count on their being read.
    pub(crate) smtp: Option<SmtpServer>,
    /// Whether the fake provider takes payments, as Stripe does.
    pub(crate) stripe: bool,
    /// What webhooks may be pointed at.
    pub(crate) receiver: Option<Receiver>,
    /// Where checkpoints of the audit log go, by the folder of the test.
    pub(crate) sinks: fn(&std::path::Path) -> Sinks,
    /// For how long the audit log keeps what changes said.
    pub(crate) audit_retention: Option<Duration>,
    /// Who holds the keys.
    pub(crate) holding: Holding,
}

impl Default for Setup {
    /// `KEYSTORE_TEST_STORE=postgres` runs every test on PostgreSQL.
    fn default() -> Self {
        Self {
            signup: SignUp::Open,
            clock: None,
            postgres: std::env::var("KEYSTORE_TEST_STORE").is_ok_and(|store| store == "postgres"),
            dev: true,
            proxy: |_| {},
            upstream: None,
            smtp: None,
            stripe: false,
            receiver: None,
            sinks: |_| Sinks::default(),
            audit_retention: None,
            holding: Holding::default(),
        }
    }
}

/// A running server with an owner, an organization, and a fake provider. A test ends it: by `finish`, which checks everything that holds
/// at the end of every test, by `stop`, or by `leave`.
pub(crate) struct TestApp {
    app: Arc<App>,
    serving: JoinHandle<()>,
    owner: Client,
    proxy_url: String,
    api_url: String,
    upstream: FakeUpstream,
    folder: TempDir,
    base: Base,
    recorder: Recorder,
    ending: Ending,
}

/// Whether the test has ended its server.
#[derive(Default)]
struct Ending(bool);

impl Drop for Ending {
    fn drop(&mut self) {
        let is_ended = self.0 || std::thread::panicking();
        assert!(
            is_ended,
            "the test does not end its server: `finish`, `stop` or `leave`"
        );
    }
}

/// What outlives a restart of the server.
struct Base {
    /// The place in what is logged where this server's begins.
    log_begins: usize,
    store_url: String,
    _postgres: Option<Database>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    signup: SignUp,
    dev: bool,
    proxy: ProxyConfig,
    failpoints: Failpoints,
    mails: Mails,
    smtp: Option<SmtpServer>,
    stripe: bool,
    receiver: Option<Receiver>,
    sinks: fn(&std::path::Path) -> Sinks,
    audit_retention: Option<Duration>,
    holding: Holding,
}

/// The secret that [`Setup::stripe`] shares.
pub(crate) const STRIPE_SECRET: &str = "whsec_test_secret";

/// The key of the account there.
pub(crate) const STRIPE_KEY: &str = "sk_test_canary";

/// A started server.
struct Running {
    app: Arc<App>,
    serving: JoinHandle<()>,
    proxy_url: String,
    api_url: String,
}

impl TestApp {
    /// A server on SQLite in a temporary folder, with an owner who has signed up.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// As [`TestApp::start`], at a time that the test says.
    pub(crate) async fn clocked() -> (Self, Arc<MockClock>) {
        let clock = Arc::new(MockClock::default());
        let setup = Setup {
            clock: Some(Arc::clone(&clock)),
            ..Setup::default()
        };
        (Self::with(setup).await, clock)
    }

    /// As [`TestApp::clocked`], with a mail server; the owner has confirmed their address.
    pub(crate) async fn mailing() -> (Self, Arc<MockClock>, SmtpServer) {
        let (clock, smtp) = (Arc::new(MockClock::default()), SmtpServer::start().await);
        let setup = Setup {
            clock: Some(Arc::clone(&clock)),
            smtp: Some(smtp.clone()),
            ..Setup::default()
        };
        let app = Self::with(setup).await;
        app.confirm("owner@example.com").await;
        (app, clock, smtp)
    }

    /// As [`TestApp::start`], set up otherwise.
    pub(crate) async fn with(setup: Setup) -> Self {
        let log_begins = canary::listen_to_logs();
        let folder = tempfile::tempdir().unwrap();
        let upstream = match setup.upstream {
            Some(upstream) => upstream,
            None => FakeUpstream::start().await,
        };
        let clock: Arc<dyn Clock> = match setup.clock {
            Some(clock) => clock,
            None => Arc::new(SystemClock),
        };
        let postgres = match setup.postgres {
            true => Some(PgCluster::shared_copy(migrate).await.unwrap()),
            false => None,
        };
        let in_folder = || format!("sqlite://{}", folder.path().join("keystore.db").display());
        let store_url = postgres.as_ref().map_or_else(in_folder, Database::url);
        let mut proxy = ProxyConfig {
            dev: setup.dev,
            allow_private: allowed(&upstream, setup.receiver.as_ref()),
            drain_timeout: Duration::from_secs(2),
            ..ProxyConfig::default()
        };
        if let Some(ca_pem) = upstream.ca_pem() {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, ca_pem).unwrap();
            proxy.extra_ca = Some(path);
        }
        (setup.proxy)(&mut proxy);
        let base = Base {
            log_begins,
            store_url,
            _postgres: postgres,
            ids: Arc::new(SystemIds::new(Arc::clone(&clock))),
            clock,
            signup: setup.signup,
            dev: setup.dev,
            proxy,
            failpoints: Failpoints::default(),
            mails: setup.smtp.as_ref().map(SmtpServer::taken).unwrap_or_default(),
            smtp: setup.smtp,
            stripe: setup.stripe,
            receiver: setup.receiver,
            sinks: setup.sinks,
            audit_retention: setup.audit_retention,
            holding: setup.holding,
        };
        if setup.stripe {
            upstream.take_payments(STRIPE_KEY);
        }
        let running = base.start(folder.path(), &upstream).await;
        let recorder = Recorder::default();
        recorder.secret(CANARY);
        let owner = sign_up(&running.api_url, "owner@example.com", "Acme Inc", &recorder).await;
        Self::of(running, owner, upstream, folder, base, recorder)
    }

    fn of(
        running: Running,
        owner: Client,
        upstream: FakeUpstream,
        folder: TempDir,
        base: Base,
        recorder: Recorder,
    ) -> Self {
        Self {
            app: running.app,
            serving: running.serving,
            proxy_url: running.proxy_url,
            api_url: running.api_url,
            owner,
            upstream,
            folder,
            base,
            recorder,
            ending: Ending::default(),
        }
    }

    /// Stops the server and starts it again on the same data, on other ports.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(async |_| ()).await
    }

    /// As [`TestApp::restart`], with something that happens to the data meanwhile.
    pub(crate) async fn restart_after(mut self, between: impl AsyncFnOnce(&Store)) -> Self {
        self.ending.0 = true;
        self.app.shut_down();
        self.serving.await.unwrap();
        let (clock, ids) = (Arc::clone(&self.base.clock), Arc::clone(&self.base.ids));
        let options = store_options(self.folder.path());
        let (store, _) = Store::open(&self.base.store_url, options, clock, ids)
            .await
            .unwrap();
        between(&store).await;
        store.close().await;
        let running = self.base.start(self.folder.path(), &self.upstream).await;
        let owner = self.owner.at(&running.api_url);
        Self::of(
            running,
            owner,
            self.upstream,
            self.folder,
            self.base,
            self.recorder,
        )
    }

    /// A caller of the data plane with this token, whose answers are kept for [`TestApp::finish`].
    pub(crate) fn caller(&self, token: &str) -> Caller {
        Caller::new(&self.proxy_url, token, &self.recorder)
    }

    /// A client in the session of the owner of the first organization.
    pub(crate) fn owner_client(&self) -> &Client {
        &self.owner
    }

    /// A client that is not signed in.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.api_url())
    }

    /// A client with a management key of this role, for the whole organization.
    pub(crate) async fn key_client(&self, role: &str) -> Client {
        let body = json!({"name": format!("key of a {role}"), "role": role});
        let made = self.owner.post("/v1/api-keys", &body).await.expect(201);
        self.anonymous().with_token(made["key"].as_str().unwrap())
    }

    /// A client in the session of somebody who has just signed up, with an organization of their own.
    pub(crate) async fn stranger(&self) -> Client {
        self.tenant("stranger@example.com", "Other GmbH").await
    }

    /// A client in the session of somebody with this address who has just signed up, with an organization of this name.
    pub(crate) async fn tenant(&self, email: &str, org: &str) -> Client {
        sign_up(&self.api_url, email, org, &self.recorder).await
    }

    /// The owner in the operator's organization, which is set up if it is not there.
    pub(crate) async fn operator(&self) -> Client {
        let made = self.owner.post("/v1/operator", &Value::Null).await.expect(200);
        let login = json!({"email": "owner@example.com", "password": PASSWORD});
        let session = self.anonymous().post("/v1/auth/login", &login).await.expect(200);
        let there = self.owner.with_token(session["token"].as_str().unwrap());
        let switch = json!({"orgId": made["orgId"]});
        there.post("/v1/auth/switch-org", &switch).await.expect(200);
        there
    }

    /// Where agents reach the data plane.
    pub(crate) fn proxy_url(&self) -> &str {
        &self.proxy_url
    }

    /// Where people reach the control plane.
    pub(crate) fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The code in the newest mail to this address that is for `ks account <command>`, once it is there.
    pub(crate) async fn mailed_code(&self, to: &str, command: &str) -> String {
        let code = self.base.mails.code(to, command).await;
        self.secret(&code);
        code
    }

    /// How many mails there were to this address.
    pub(crate) fn mails_to(&self, to: &str) -> usize {
        self.mails_about(to, "")
    }

    /// How many mails there were to this address with these words.
    pub(crate) fn mails_about(&self, to: &str, words: &str) -> usize {
        self.base.mails.count(to, words)
    }

    /// From now on the server counts on mails being read, as with a mail server.
    pub(crate) fn deliver_mails(&self) {
        self.base.mails.deliver();
    }

    /// Confirms an address by its mail.
    pub(crate) async fn confirm(&self, email: &str) {
        let code = self.mailed_code(email, "verify-email").await;
        self.anonymous()
            .post("/v1/auth/verify-email", &json!({"code": code}))
            .await
            .expect(204);
    }

    /// A client in the session of somebody new with this role, invited into the organization of `owner`.
    pub(crate) async fn member(&self, owner: &Client, email: &str, role: &str) -> Client {
        let invitation = json!({"email": email, "role": role});
        owner.post("/v1/invitations", &invitation).await.expect(201);
        let code = self.mailed_code(email, "accept").await;
        let body = json!({"code": code, "password": PASSWORD, "name": "Grace"});
        let signed_in = self
            .anonymous()
            .post("/v1/auth/accept-invitation", &body)
            .await
            .expect(200);
        self.anonymous().with_token(signed_in["token"].as_str().unwrap())
    }

    /// The fake provider.
    pub(crate) fn fake_upstream(&self) -> &FakeUpstream {
        &self.upstream
    }

    /// The temporary folder with database, root key and spool.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stores [`CANARY`] as the credential `default` of a provider, pointed at the fake upstream. Gives the credential.
    pub(crate) async fn create_credential(&self, provider: &str) -> Value {
        let body = json!({"provider": provider, "secret": CANARY, "baseUrl": self.upstream.url()});
        self.owner.post("/v1/credentials", &body).await.expect(201)
    }

    /// Makes an agent of this name with a `byok` grant for each provider, and its token. Gives the `ks_` value.
    pub(crate) async fn create_token(&self, name: &str, providers: &[&str]) -> String {
        self.create_token_with(name, providers, json!({})).await
    }

    /// As [`TestApp::create_token`], with further members of the request.
    pub(crate) async fn create_token_with(&self, name: &str, providers: &[&str], more: Value) -> String {
        let grants: Vec<_> = providers
            .iter()
            .map(|name| json!({"name": name, "source": "byok"}))
            .collect();
        let mut body = json!({"name": name, "providers": grants});
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        let made = self.owner.post("/v1/tokens", &body).await.expect(201);
        made["token"].as_str().unwrap().to_owned()
    }

    /// From now on this may appear nowhere, as little as a credential.
    pub(crate) fn secret(&self, secret: &str) {
        self.recorder.secret(secret);
    }

    /// Runs a statement beside the server, on either database.
    pub(crate) async fn statement(&self, statement: &'static str) {
        self::statement(&self.base.store_url, statement).await;
    }

    /// Where the database is.
    pub(crate) fn store_url(&self) -> String {
        self.base.store_url.clone()
    }

    /// What checkpoints of the audit log are checked with.
    pub(crate) async fn audit_key(&self) -> Verifier {
        self.app.audit_key().await.unwrap()
    }

    /// A checkpoint over everything that is recorded.
    pub(crate) async fn newest_note(&self) -> String {
        self.do_jobs().await;
        let found = self
            .owner_client()
            .get("/v1/audit/checkpoints?limit=1")
            .await
            .expect(200);
        found["data"][0]["note"].as_str().unwrap().to_owned()
    }

    /// The bytes of the root key.
    pub(crate) fn root_key(&self) -> Vec<u8> {
        let text = std::fs::read_to_string(self.folder.path().join("root.key")).unwrap();
        let text = text.trim();
        match text.len() {
            64 => (0..32)
                .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
                .collect(),
            _ => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap(),
        }
    }

    /// Signs a checkpoint to these sinks. What they failed with, where they did.
    pub(crate) async fn sign_to(&self, sinks: &Sinks) -> Option<String> {
        self.app.sign_to(sinks).await.unwrap()
    }

    /// Whether this server runs on PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        !self.base.store_url.starts_with("sqlite:")
    }

    /// One number from the database, read beside the server.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        use sqlx::Connection;
        let url = &self.base.store_url;
        if self.is_postgres() {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let found = sqlx::query_scalar(query).fetch_one(&mut connection).await;
            found.unwrap()
        } else {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            let found = sqlx::query_scalar(query).fetch_one(&mut connection).await;
            found.unwrap()
        }
    }

    /// Does what somebody does who can write to the database and has no key.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        let touched = self::statement(&self.base.store_url, statement).await;
        assert!(touched > 0, "{statement}");
    }

    /// Tops up at once what the server tops up by itself within seconds.
    pub(crate) async fn top_up(&self) {
        self.app.top_up().await.unwrap();
    }

    /// Does at once what the server does by itself within a minute.
    pub(crate) async fn do_jobs(&self) {
        self.app.do_jobs().await.unwrap();
    }

    /// Carries rotations on, in a task that may be ended at any time.
    pub(crate) fn rotating(&self) -> JoinHandle<()> {
        let app = Arc::clone(&self.app);
        tokio::spawn(async move { app.carry_rotations_on().await.unwrap() })
    }

    /// Where the server can be made to fail.
    pub(crate) fn failpoints(&self) -> &Failpoints {
        &self.base.failpoints
    }

    /// Shuts the server down as SIGTERM does, and waits until it has drained and closed its database.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.ending.0 = true;
        self.app.shut_down();
        self.serving.await.unwrap();
        self.folder
    }

    /// Leaves the server as it is, without a look at what it holds: for tests that have damaged it.
    pub(crate) fn leave(mut self) {
        self.ending.0 = true;
    }
}

/// Brings an empty database up to date, as the store does when it opens one.
async fn migrate(url: &str) {
    use sqlx::Connection;
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/migrations/postgres");
    let migrations = sqlx::migrate::Migrator::new(std::path::Path::new(migrations)).await;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    migrations.unwrap().run(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What may be dialled on this machine.
fn allowed(upstream: &FakeUpstream, receiver: Option<&Receiver>) -> BTreeSet<String> {
    let receiver = receiver.map(Receiver::authority);
    receiver.into_iter().chain([upstream.authority()]).collect()
}

/// Runs a statement on either database. Returns how many rows it touched.
pub(crate) async fn statement(url: &str, statement: &'static str) -> u64 {
    use sqlx::Connection;
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let done = sqlx::query(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let done = sqlx::query(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    }
}

async fn sign_up(api_url: &str, email: &str, org: &str, recorder: &Recorder) -> Client {
    let client = Client::new(api_url).recorded(recorder);
    let body = json!({"email": email, "password": PASSWORD, "name": "Ada", "orgName": org});
    let answer = client.post("/v1/auth/signup", &body).await.expect(201);
    let owner = client.with_token(answer["token"].as_str().unwrap());
    recorder.account(email, owner.token());
    owner
}

impl Base {
    fn mailer(&self) -> Arc<dyn Mailer> {
        let Some(server) = &self.smtp else {
            return Arc::new(self.mails.clone());
        };
        let settings = SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            tls: MailTls::None,
            login: None,
            from: "Keystore <keystore@example.com>".to_owned(),
        };
        Arc::new(Smtp::new(settings).unwrap())
    }

    async fn start(&self, folder: &std::path::Path, upstream: &FakeUpstream) -> Running {
        let (parts, sockets) = self.parts(folder, upstream).await;
        let (proxy_url, api_url) = (parts.settings.proxy_url.clone(), parts.settings.api_url.clone());
        let app = App::start(parts).await.unwrap();
        let serving = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.serve(sockets, Duration::from_secs(2)).await }
        });
        Running {
            app,
            serving,
            proxy_url,
            api_url,
        }
    }

    async fn parts(&self, folder: &std::path::Path, upstream: &FakeUpstream) -> (Parts, Sockets) {
        let listen = || async { TcpListener::bind(("127.0.0.1", 0)).await.unwrap() };
        let sockets = Sockets {
            proxy: listen().await,
            proxy_tls: None,
            api: listen().await,
            api_tls: None,
        };
        let proxy_url = format!("http://{}", sockets.proxy.local_addr().unwrap());
        let api_url = format!("http://{}", sockets.api.local_addr().unwrap());
        let parts = Parts {
            store_url: SecretText::new(self.store_url.clone()),
            store_options: Options {
                failpoints: self.failpoints.clone(),
                ..store_options(folder)
            },
            root_key: self.holding.root(folder),
            custody: self.holding.parts(folder),
            proxy: self.proxy.clone(),
            settings: Settings {
                signup: self.signup,
                secure_cookies: false,
                behind_tls: false,
                dev: self.dev,
                proxy_url: proxy_url.clone(),
                api_url: api_url.clone(),
                allow_upstream: allowed(upstream, self.receiver.as_ref()),
                audit_retention: self.audit_retention,
            },
            mailer: self.mailer(),
            payments: self.stripe.then(|| {
                let secret = |text: &str| SecretText::new(text.to_owned());
                Stripe::new(&upstream.url(), secret(STRIPE_KEY), &secret(STRIPE_SECRET)).unwrap()
            }),
            audit_sinks: (self.sinks)(folder),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
        };
        (parts, sockets)
    }
}

fn store_options(folder: &std::path::Path) -> Options {
    Options {
        spool: Some(folder.join("spool.bin")),
        spool_bytes: 1 << 20,
        ..Options::default()
    }
}

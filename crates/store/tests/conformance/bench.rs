//! What a test stands on: a database of its own, and words to fill it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::{
    AgentId, AttemptId, BudgetId, CredentialId, KekId, OrgId, ProjectId, RequestId, TokenId,
};
use keystore_core::policy::{AgentPolicy, Grant, Source, TokenPolicy};
use keystore_core::record::{ChargeFlags, Ending, HeldBudget, Intent, Outcome, Refusal};
use keystore_core::{Bucket, Clock, IdSource, Micros, NanoUsd, Usage};
use keystore_store::failpoints::Failpoints;
use keystore_store::{Options, Recovery, Store, Tx, agents, credentials, keks, orgs, projects, tokens};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use keystore_testkit::pg::{Database, PgCluster};

/// How many requests there are: their numbers have no gaps.
pub(crate) const REQUESTS: &str = "SELECT CAST(COALESCE(MAX(last), 0) AS BIGINT) FROM request_pages";

pub(crate) struct Bench {
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<MockClock>,
    pub(crate) ids: Arc<SeededIds>,
    pub(crate) failpoints: Failpoints,
    pub(crate) spool_bytes: u64,
    _postgres: Option<Database>,
}

impl Bench {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("keystore.db").display());
        Self::new(url, folder, None)
    }

    pub(crate) async fn postgres() -> Self {
        let database = PgCluster::shared_copy(migrate).await.unwrap();
        Self::new(database.url(), tempfile::tempdir().unwrap(), Some(database))
    }

    fn new(url: String, folder: tempfile::TempDir, postgres: Option<Database>) -> Self {
        Self {
            _postgres: postgres,
            url,
            folder,
            clock: Arc::new(MockClock::default()),
            ids: Arc::new(SeededIds::default()),
            failpoints: Failpoints::default(),
            spool_bytes: 1 << 20,
        }
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool.bin")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            spool: Some(self.spool()),
            spool_bytes: self.spool_bytes,
            failpoints: self.failpoints.clone(),
            ..Options::default()
        }
    }

    pub(crate) async fn try_open(&self) -> Result<(Store, Recovery), keystore_store::OpenError> {
        Store::open(&self.url, self.options(), self.clock.clone(), self.ids.clone()).await
    }

    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.unwrap().0
    }

    pub(crate) async fn reopen(&self, store: Store) -> (Store, Recovery) {
        store.close().await;
        self.try_open().await.unwrap()
    }

    pub(crate) fn now(&self) -> Micros {
        self.clock.now()
    }

    pub(crate) fn id<T>(&self, of: impl Fn(uuid::Uuid) -> T) -> T {
        of(self.ids.next())
    }

    /// One row and one column of a query, through the engine's own client: not through the store.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::Connection;
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
    }
}

/// Brings an empty database up to date, as the store does when it opens one.
async fn migrate(url: &str) {
    use sqlx::Connection;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let migrations = sqlx::migrate::Migrator::new(migrations).await.unwrap();
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    migrations.run(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

impl Bench {
    /// The tables that have this column.
    pub(crate) async fn tables_with(&self, column: &str) -> Vec<String> {
        use sqlx::Connection;
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            let query = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = $1 WHERE m.type = 'table'";
            let names = sqlx::query_scalar(query).bind(column.to_owned());
            names.fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            let query = "SELECT CAST(table_name AS TEXT) FROM information_schema.columns \
                WHERE column_name = $1 AND table_schema = 'public'";
            let names = sqlx::query_scalar(query).bind(column.to_owned());
            names.fetch_all(&mut connection).await.unwrap()
        }
    }

    /// How many rows of `table` are this organization's.
    pub(crate) async fn rows_of(&self, table: &str, org: uuid::Uuid) -> i64 {
        use sqlx::{AssertSqlSafe, Connection};
        let query = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table} WHERE org = $1"));
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            let count = sqlx::query_scalar(query).bind(org);
            count.fetch_one(&mut connection).await.unwrap()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            let count = sqlx::query_scalar(query).bind(org);
            count.fetch_one(&mut connection).await.unwrap()
        }
    }

    /// Runs a statement as somebody does who has the database and no key.
    pub(crate) async fn try_statement(&self, sql: &'static str) -> sqlx::Result<()> {
        use sqlx::Connection;
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await?;
            sqlx::query(sql).execute(&mut connection).await.map(|_| ())
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await?;
            sqlx::query(sql).execute(&mut connection).await.map(|_| ())
        }
    }
}

impl Bench {
    /// Runs statements in one transaction, as somebody does who has the database and no key.
    pub(crate) async fn try_transaction(&self, statements: &[String]) -> sqlx::Result<()> {
        use sqlx::{AssertSqlSafe, Connection};
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await?;
            let mut tx = connection.begin().await?;
            for sql in statements {
                sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *tx).await?;
            }
            tx.commit().await
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await?;
            let mut tx = connection.begin().await?;
            for sql in statements {
                sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *tx).await?;
            }
            tx.commit().await
        }
    }
}

/// An organization with a project, an agent with a token, and a credential.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) org: OrgId,
    pub(crate) project: ProjectId,
    pub(crate) agent: AgentId,
    pub(crate) token: TokenId,
    pub(crate) credential: CredentialId,
    pub(crate) policy: AgentPolicy,
    pub(crate) token_policy: TokenPolicy,
}

impl Bench {
    /// Makes a world whose names end in `name`.
    pub(crate) async fn world(&self, store: &Store, name: &str) -> World {
        let (org, project) = (self.id(OrgId::new), self.id(ProjectId::new));
        let (agent, token) = (self.id(AgentId::new), self.id(TokenId::new));
        let (credential, kek) = (self.id(CredentialId::new), self.id(KekId::new));
        let at = self.now();
        let mut tx = store.begin().await.unwrap();
        let new = orgs::Org {
            id: org,
            slug: format!("org-{name}"),
            name: name.into(),
            time_zone: "UTC".into(),
            previous_time_zone: None,
            time_zone_changed_at: None,
            event_mails: true,
            second_factor_required: false,
            created_at: at,
            updated_at: at,
        };
        orgs::insert(&mut tx, &new).await.unwrap();
        let new = projects::Project {
            id: project,
            org,
            slug: "default".into(),
            name: name.into(),
            labels: vec![],
            created_at: at,
            updated_at: at,
        };
        projects::insert(&mut tx, &new).await.unwrap();
        let new = keks::Kek {
            id: kek,
            org,
            generation: 1,
            wrapped: b"wrapped kek".to_vec(),
            customer: None,
            wraps: 0,
            imported: false,
            verified_at: None,
            state: keks::KekState::Active,
            created_at: at,
        };
        keks::insert(&mut tx, &new).await.unwrap();
        let new = self.credential(org, project, credential, "default");
        credentials::insert(&mut tx, &new, &version(credential, kek, 1, at))
            .await
            .unwrap();
        let policy = AgentPolicy {
            grants: vec![Grant::new("openai", Source::Byok, Some(credential))],
            ..AgentPolicy::new(agent, org, project)
        };
        let new = agents::NewAgent {
            name: &format!("agent-{name}"),
            policy: &policy,
            mac: b"agent mac",
            at,
        };
        agents::insert(&mut tx, &new).await.unwrap();
        let mut hash = [0; 32];
        hash[..16].copy_from_slice(token.uuid().as_bytes());
        let token_policy = TokenPolicy {
            token,
            hash,
            agent,
            expires_at: None,
            revoked: false,
        };
        let new = tokens::NewToken {
            org,
            name: "t",
            policy: &token_policy,
            mac: b"token mac",
            at,
        };
        assert!(tokens::insert(&mut tx, &new).await.unwrap());
        tx.commit().await.unwrap();
        World {
            org,
            project,
            agent,
            token,
            credential,
            policy,
            token_policy,
        }
    }

    /// Another project of an organization.
    pub(crate) async fn project(&self, tx: &mut Tx, org: OrgId) -> ProjectId {
        let new = projects::Project {
            id: self.id(ProjectId::new),
            org,
            slug: "other".into(),
            name: "Other".into(),
            labels: vec![],
            created_at: self.now(),
            updated_at: self.now(),
        };
        projects::insert(tx, &new).await.unwrap();
        new.id
    }

    pub(crate) fn credential(
        &self,
        org: OrgId,
        project: ProjectId,
        id: CredentialId,
        name: &str,
    ) -> credentials::Credential {
        credentials::Credential {
            id,
            org,
            project,
            provider: "openai".into(),
            name: name.into(),
            source: Source::Byok,
            status: credentials::CredentialStatus::Untested,
            current_version: 1,
            params: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
            base_url: None,
            labels: vec!["phi".into()],
            agreements: serde_json::json!({"dpa": {"link": "https://example.com"}}),
            expires_at: None,
            rotate_after: Some(Micros(7)),
            last_used_at: None,
            tested_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// An intent of the world's agent that holds `hold` against `budgets`.
    pub(crate) fn intent(&self, world: &World, hold: i64, budgets: &[BudgetId]) -> Intent<'static> {
        let window_start = Micros(0);
        Intent {
            attempt: self.id(AttemptId::new),
            request: self.id(RequestId::new),
            at: self.now(),
            org: world.org,
            project: world.project,
            agent: world.agent,
            token: world.token,
            provider: "openai",
            operation: "chat",
            method: "POST",
            path: "/v1/chat/completions",
            model: Some("gpt-5"),
            source: Source::Byok,
            credential: world.credential,
            credential_version: 1,
            hold: NanoUsd(hold),
            budgets: budgets
                .iter()
                .map(|budget| HeldBudget {
                    budget: *budget,
                    window_start,
                    unit: keystore_core::policy::Unit::Usd,
                    amount: None,
                })
                .collect(),
            end_user: None,
            query: None,
        }
    }

    pub(crate) fn refusal(&self, world: &World, code: &'static str) -> Refusal<'static> {
        Refusal {
            request: self.id(RequestId::new),
            at: self.now(),
            org: world.org,
            project: world.project,
            agent: world.agent,
            token: world.token,
            provider: "openai",
            code,
            status: 429,
            count: 1,
            model: None,
        }
    }
}

pub(crate) fn version(
    credential: CredentialId,
    kek: KekId,
    version: u32,
    at: Micros,
) -> credentials::CredentialVersion {
    credentials::CredentialVersion {
        credential,
        version,
        sealed: format!("sealed {version}").into_bytes(),
        policy: b"{\"version\":1}".to_vec(),
        kek,
        kek_generation: 1,
        created_at: at,
    }
}

/// How `intent` ended, at this cost.
pub(crate) fn outcome(intent: &Intent<'_>, cost: i64) -> Outcome<'static> {
    Outcome {
        attempt: intent.attempt,
        at: intent.at.plus(Duration::from_millis(300)),
        ending: Ending::Complete,
        status: 200,
        served_model: Some("gpt-5-0815"),
        usage: Usage::ZERO
            .with(Bucket::InputUncached, 10)
            .with(Bucket::CacheRead, 4)
            .with(Bucket::OutputText, 5),
        cost: NanoUsd(cost),
        flags: ChargeFlags::default(),
        first_byte_us: 120_000,
        total_us: 300_000,
        request_bytes: 512,
        response_bytes: 1_024,
        refusal: None,
        market: None,
        steps: None,
    }
}

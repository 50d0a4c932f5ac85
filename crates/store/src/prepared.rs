//! Every SQL text of the crate is prepared on both engines.

use sqlx::{Executor, SqlSafeStr};

use crate::db::{Conn, Handle};
use crate::store::{Options, Store};

type Texts = &'static [(&'static str, &'static str)];

const MODULES: &[(&str, Texts)] = &[
    ("access_requests", crate::access_requests::SQL),
    ("agents", crate::agents::SQL),
    ("api_keys", crate::api_keys::SQL),
    ("audit", crate::audit::SQL),
    ("audit_keys", crate::audit_keys::SQL),
    ("audit_tree", crate::audit_tree::SQL),
    ("backup", crate::backup::SQL),
    ("billing", crate::billing::SQL),
    ("budgets", crate::budgets::SQL),
    ("changes", crate::changes::SQL),
    ("credentials", crate::credentials::SQL),
    ("credentials::versions", crate::credentials::versions::SQL),
    ("credits", crate::credits::SQL),
    ("deliveries", crate::deliveries::SQL),
    ("deployment", crate::deployment::SQL),
    ("events", crate::events::SQL),
    ("factors", crate::factors::SQL),
    ("holds", crate::holds::SQL),
    ("idempotency", crate::idempotency::SQL),
    ("invitations", crate::invitations::SQL),
    ("kek_jobs", crate::kek_jobs::SQL),
    ("keks", crate::keks::SQL),
    ("key_plans", crate::key_plans::SQL),
    ("ledger", crate::ledger::SQL),
    ("ledger::promos", crate::ledger::promos::SQL),
    ("ledger::read", crate::ledger::read::SQL),
    ("login_attempts", crate::login_attempts::SQL),
    ("mails", crate::mails::SQL),
    ("members", crate::members::SQL),
    ("moves", crate::moves::SQL),
    ("open", crate::open::SQL),
    ("orgs", crate::orgs::SQL),
    ("passkeys", crate::passkeys::SQL),
    ("payments", crate::payments::SQL),
    ("policies", crate::policies::SQL),
    ("pool_tenants", crate::pool_tenants::SQL),
    ("pool_uses", crate::pool_uses::SQL),
    ("pools", crate::pools::SQL),
    ("price_books", crate::price_books::SQL),
    ("projections", crate::projections::SQL),
    ("projects", crate::projects::SQL),
    ("providers", crate::providers::SQL),
    ("recovery", crate::recovery::SQL),
    ("requests", crate::requests::SQL),
    ("rotations", crate::rotations::SQL),
    ("sales", crate::sales::SQL),
    ("scopes", crate::scopes::SQL),
    ("sessions", crate::sessions::SQL),
    ("sign_in_codes", crate::sign_in_codes::SQL),
    ("tokens", crate::tokens::SQL),
    ("top_ups", crate::top_ups::SQL),
    ("users", crate::users::SQL),
    ("webhooks", crate::webhooks::SQL),
];

async fn prepare_all(conn: &mut Conn) {
    for (module, texts) in MODULES {
        assert!(!texts.is_empty(), "{module}");
        for (name, text) in *texts {
            let prepared = match conn.handle() {
                Handle::Sqlite(connection) => connection.prepare(text.into_sql_str()).await.map(|_| ()),
                Handle::Postgres(connection) => connection.prepare(text.into_sql_str()).await.map(|_| ()),
            };
            assert!(prepared.is_ok(), "{module}::{name}: {prepared:?}");
        }
    }
}

async fn open_and_prepare(url: &str, options: Options) {
    let clock = std::sync::Arc::new(keystore_testkit::clock::MockClock::default());
    let ids = std::sync::Arc::new(keystore_testkit::ids::SeededIds::default());
    let (store, _) = Store::open(url, options, clock, ids).await.unwrap();
    prepare_all(&mut store.read().await.unwrap()).await;
    store.close().await;
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("k.db").display());
    open_and_prepare(
        &url,
        Options {
            spool_bytes: 4096,
            ..Options::default()
        },
    )
    .await;
}

#[tokio::test]
async fn on_postgres() {
    let url = keystore_testkit::pg::PgCluster::shared_database().unwrap();
    open_and_prepare(&url, Options::default()).await;
}

//! Whether the process lives, whether it can work, and what the API is. No right is needed for any of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use keystore_store::deployment;
use keystore_vault::{fips, memory};
use keystore_wire::health::{Check, Readiness};

use crate::app::App;
use crate::audit::sinks::Standing;
use crate::sealed;

/// The process lives: always 200.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can work, part by part. 503 when a part cannot, or during a drain.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let readiness = readiness(&app).await;
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}

async fn readiness(app: &App) -> Readiness {
    let deployment = match app.store.read().await {
        Ok(mut conn) => deployment::get(&mut conn).await.ok().flatten(),
        Err(_) => None,
    };
    let store = deployment.is_some();
    let kms = match &deployment {
        Some(row) => Some(app.root.check(row).await),
        None => None,
    };
    let journal = app.store.journal().is_available();
    let draining = app.is_draining();
    let sinks = app.notary.sinks();
    let refusing = sinks.as_ref().is_some_and(|sinks| sinks.refusing);
    let mut checks = vec![
        match store {
            true => well("store", "the database answers"),
            false => ill("store", "the database does not answer", "see the server's log"),
        },
        match &kms {
            Some(Ok(())) => well("kms", "the root key opens the vault"),
            Some(Err(error)) => sealed::check(error),
            None => ill(
                "kms",
                "not checked, because the database does not answer",
                "see the server's log",
            ),
        },
        match journal {
            true => well("journal", "calls can be recorded"),
            false => ill(
                "journal",
                "calls cannot be recorded, so they are refused",
                "make room on the disk; it recovers by itself",
            ),
        },
        match memory::is_locked() {
            true => well("memory", "it is not dumped, and kept out of swap"),
            false => well(
                "memory",
                "it is not dumped; it may be swapped out: allow to lock it (`LimitMEMLOCK=infinity`, `ulimit -l unlimited`), or \
                 switch swap off",
            ),
        },
        match draining {
            false => well("accepting", "requests are taken"),
            true => ill("accepting", "the server is shutting down", "use another one"),
        },
    ];
    if fips::BUILT {
        // It does not start otherwise.
        checks.push(well("fips", "the cryptographic module is in FIPS mode"));
    }
    checks.extend(sinks.map(sink_check));
    Readiness {
        ready: matches!(kms, Some(Ok(()))) && journal && !refusing && !draining,
        now: Some(app.clock.now().into()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        checks,
    }
}

/// Which sinks fail. Why stands in the log and in the operator's event: what a sink answers, and where it is, is nothing for anybody who
/// asks.
fn sink_check(standing: Standing) -> Check {
    let Some(failure) = standing.failing else {
        return well("audit", "checkpoints of the audit log get to every sink");
    };
    let (mut found, remedy) = match failure.sinks[..] {
        [] => (
            "nothing of the audit log is signed".to_owned(),
            "the server's log says why; `ks audit verify` shows what is wrong with the log",
        ),
        _ => (
            format!(
                "checkpoints of the audit log do not get to {}",
                failure.sinks.join(", ")
            ),
            "make the sink reachable (`[audit]`), the server's log says why it is not; it recovers by itself",
        ),
    };
    if standing.refusing {
        found.push_str(", so calls are refused");
    }
    ill("audit", &found, remedy)
}

fn well(name: &str, found: &str) -> Check {
    Check {
        name: name.to_owned(),
        ok: true,
        detail: Some(found.to_owned()),
        remedy: None,
    }
}

fn ill(name: &str, found: &str, remedy: &str) -> Check {
    Check {
        name: name.to_owned(),
        ok: false,
        detail: Some(found.to_owned()),
        remedy: Some(remedy.to_owned()),
    }
}

/// The description of the API.
pub(super) async fn openapi_document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::DESCRIPTION).into_response()
}

//! The audit log as a whole: what is in it, what it proves and to whom, where it is signed to, and what follows when it cannot be.

mod changed;
mod put_back;
mod retention;
mod sinks;

use std::time::Duration;

use keystore_core::Clock as _;
use keystore_server::audit::Verifier;
use keystore_server::audit::exported::{Exported, check_proof};
use keystore_server::audit::offline::check_database;
use keystore_wire::audit_proofs::AuditProof;
use serde_json::{Value, json};

use crate::support::{Client, Setup, TestApp};

/// A call that is answered, and one that is refused, and a change: eight records or so.
async fn some_traffic(app: &TestApp, token: &str, round: usize) -> String {
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": format!("{round}")}]});
    let caller = app.caller(token);
    let answered = caller
        .post(
            &format!("/v1/openai/v1/chat/completions?cursor=value-{round}"),
            &body,
        )
        .await
        .expect(200);
    caller
        .post("/v1/anthropic/v1/messages", &json!({"model": "m"}))
        .await;
    let key = json!({"name": format!("key {round}"), "role": "viewer"});
    app.owner_client().post("/v1/api-keys", &key).await.expect(201);
    answered.id()
}

async fn key_of(client: &Client) -> Verifier {
    let key = client.get("/v1/audit/key").await.expect(200);
    Verifier::parse(key["key"].as_str().unwrap()).unwrap()
}

async fn export(client: &Client, query: &str) -> String {
    let answer = client.get(&format!("/v1/audit/export{query}")).await;
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    match answer.body {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn checked(text: &str, key: &Verifier) -> Result<u64, String> {
    let mut exported = Exported::new(key, None);
    for line in text.lines() {
        exported.line(line).map_err(|problem| problem.to_string())?;
    }
    exported
        .end()
        .map(|good| good.records)
        .map_err(|problem| problem.to_string())
}

async fn everything_is_proven(postgres: bool) {
    let app = TestApp::with(Setup {
        postgres,
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let mut last = String::new();
    for round in 0..5 {
        last = some_traffic(&app, &token, round).await;
    }
    let (owner, stranger) = (app.owner_client(), app.stranger().await);
    let key = key_of(owner).await;
    let proof = owner.get(&format!("/v1/audit/proofs/{last}")).await.expect(200);
    let proof: AuditProof = serde_json::from_value(proof).unwrap();
    let kinds: Vec<_> = proof
        .records
        .iter()
        .map(|record| record.record["kind"].clone())
        .collect();
    assert_eq!(kinds, ["call", "outcome"]);
    let said = check_proof(&proof, &key).unwrap();
    assert!(said.size > proof.records[1].index);
    let mut lie = proof.clone();
    lie.records[0].record["model"] = json!("gpt-4o");
    assert!(
        check_proof(&lie, &key).is_err(),
        "the words are those of the bytes"
    );
    lie = proof.clone();
    lie.records[0].index += 1;
    assert!(check_proof(&lie, &key).is_err());
    // What stood in the query is found by who knows it, and not read.
    let query = proof.records[0].record["query"].as_str().unwrap().to_owned();
    let hash = owner
        .post("/v1/audit/hash", &json!({"value": "value-4"}))
        .await
        .expect(200);
    assert_eq!(query, format!("cursor={}", hash["hash"].as_str().unwrap()));
    assert!(!query.contains("value-4"));
    let other = stranger
        .post("/v1/audit/hash", &json!({"value": "value-4"}))
        .await
        .expect(200);
    assert_ne!(hash, other, "each organization has its own");
    // A change by its number, with what it was.
    let entry = owner.get("/v1/audit/proofs/1").await.expect(200);
    let entry: AuditProof = serde_json::from_value(entry).unwrap();
    check_proof(&entry, &key).unwrap();
    assert!(entry.records[0].payload.is_some());
    assert_eq!(entry.records[0].record["seq"], 1);
    stranger
        .get(&format!("/v1/audit/proofs/{last}"))
        .await
        .expect_problem(404, "not_found");
    owner
        .get("/v1/audit/proofs/99999")
        .await
        .expect_problem(404, "not_found");

    let text = export(owner, "").await;
    let records = checked(&text, &key).unwrap();
    let calls = text.matches("\"kind\":\"call\"").count();
    assert_eq!((calls, text.matches("\"kind\":\"outcome\"").count()), (5, 5));
    assert_eq!(text.matches("\"kind\":\"refusal\"").count(), 5);
    assert!(records > 20, "{records}");
    let foreign = export(&stranger, "").await;
    checked(&foreign, &key).unwrap();
    assert!(
        !foreign.contains("\"kind\":\"call\"") && !foreign.contains("key 1"),
        "{foreign}"
    );
    exports_that_were_changed_are_not_taken(&text, &key);
    let csv = export(owner, "?format=csv").await;
    assert_eq!(csv.lines().count() as u64, records + 1);
    let ocsf = export(owner, "?format=ocsf").await;
    assert_eq!(ocsf.lines().count() as u64, records);
    let found = owner.post("/v1/audit/verify", &json!({})).await.expect(200);
    assert_eq!((&found["ok"], &found["records"]), (&json!(true), &json!(records)));
    goes_on_from_older_checkpoints(&app, &token, &key).await;
    app.finish().await;
}

/// Every line flipped, left out, doubled, or moved.
fn exports_that_were_changed_are_not_taken(text: &str, key: &Verifier) {
    let lines: Vec<&str> = text.lines().collect();
    let refused = |lines: &[&str], what: &str| {
        assert!(checked(&lines.join("\n"), key).is_err(), "{what}");
    };
    for at in 0..lines.len() {
        let mut changed = lines.clone();
        changed.remove(at);
        refused(&changed, "a line is missing");
        let mut changed = lines.clone();
        changed.insert(at, lines[at]);
        refused(&changed, "a line stands twice");
        refused(&lines[..at], "it is cut off");
        if at > 0 {
            let mut changed = lines.clone();
            changed.swap(at, at - 1);
            refused(&changed, "lines were moved");
        }
    }
}

async fn goes_on_from_older_checkpoints(app: &TestApp, token: &str, key: &Verifier) {
    let owner = app.owner_client();
    let found = owner.get("/v1/audit/checkpoints").await.expect(200);
    let older = found["data"][0].clone();
    some_traffic(app, token, 9).await;
    let note = older["note"].as_str().unwrap();
    let text = export(owner, &format!("?from={}", older["size"])).await;
    let run = |from: &str| {
        let mut exported = Exported::new(key, Some(key.open(from).unwrap()));
        text.lines().try_for_each(|line| exported.line(line))?;
        exported.end()
    };
    let good = run(note).unwrap();
    assert!(good.size > older["size"].as_u64().unwrap());
    let first = found["data"].as_array().unwrap().last().unwrap()["note"]
        .as_str()
        .unwrap();
    if first != note {
        assert!(run(first).is_err(), "the proof is for another size");
    }
    let asked = json!({"checkpoint": note});
    assert_eq!(
        owner.post("/v1/audit/verify", &asked).await.expect(200)["ok"],
        true
    );
    let from_another = note.replacen("keystore/", "keystone/", 2);
    owner
        .post("/v1/audit/verify", &json!({"checkpoint": from_another}))
        .await
        .expect_problem(422, "invalid_request");
}

#[tokio::test]
async fn every_call_and_change_is_proven_and_nobody_sees_another_organizations() {
    everything_is_proven(false).await;
}

#[tokio::test]
async fn every_call_and_change_is_proven_on_postgresql() {
    everything_is_proven(true).await;
}

/// What waits of the journal comes into the tree before the entries that wait, also calls of a later time.
#[tokio::test]
async fn an_export_of_a_time_has_the_changes_that_came_into_the_tree_behind_later_calls() {
    let (app, clock) = TestApp::clocked().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    app.do_jobs().await;
    let until = clock.now().plus(Duration::from_secs(60));
    let new = json!({"name": "made in time", "role": "viewer"});
    owner.post("/v1/api-keys", &new).await.expect(201);
    clock.advance(Duration::from_secs(600));
    some_traffic(&app, &token, 0).await;
    let text = export(owner, &format!("?until={until}")).await;
    assert!(text.contains("made in time"), "{text}");
    assert!(
        !text.contains("key 0") && !text.contains("\"kind\":\"call\""),
        "{text}"
    );
    checked(&text, &key_of(owner).await).unwrap();
    app.finish().await;
}

/// The key of an organization is destroyed: what its changes said is gone for ever, and the log is whole.
#[tokio::test]
async fn an_organization_is_erased_and_the_log_stays_whole() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.owner_client()
        .post(
            "/v1/api-keys",
            &json!({"name": "a telling name", "role": "viewer"}),
        )
        .await
        .expect(201);
    let key = key_of(owner).await;
    let before = export(owner, "").await;
    assert!(before.contains("a telling name"));
    assert_eq!(
        app.number(
            "SELECT COUNT(*) FROM audit_log WHERE payload IS NOT NULL AND org IN (SELECT id FROM orgs)"
        )
        .await,
        0
    );
    let listed = owner.get("/v1/audit?action=create_api_key").await.expect(200);
    assert_eq!(listed["data"][0]["after"]["name"], "a telling name");
    assert_eq!(listed["data"][0]["address"], "127.0.0.1");
    // As destroying it leaves it: no KEK opens the private half.
    app.tamper("UPDATE audit_keys SET sealed = SUBSTR(sealed, 2)")
        .await;
    let after = export(owner, "").await;
    assert!(!after.contains("a telling name"));
    assert_eq!(checked(&after, &key), checked(&before, &key));
    let listed = owner.get("/v1/audit?action=create_api_key").await.expect(200);
    assert_eq!(listed["data"][0]["after"], Value::Null);
    let report = check_database(&app.store_url(), &key, &[], &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(report.problem, None);
    app.finish().await;
}

/// A database of an older version has payloads as they are: they are sealed where they lie.
#[tokio::test]
async fn old_payloads_are_sealed_by_a_job_and_a_changed_key_is_not_used() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.tamper("DELETE FROM audit_keys").await;
    let make = |name: &str| json!({"name": name, "role": "viewer"});
    owner.post("/v1/api-keys", &make("an old one")).await.expect(201);
    let plain = "SELECT COUNT(*) FROM audit_log WHERE payload LIKE '%an old one%'";
    assert_eq!(app.number(plain).await, 1);
    app.do_jobs().await;
    assert_eq!(app.number(plain).await, 0);
    let listed = owner.get("/v1/audit?action=create_api_key").await.expect(200);
    assert_eq!(listed["data"][0]["after"]["name"], "an old one");
    // Who writes a key of their own into the database reads nothing: nothing is changed any more.
    app.tamper("UPDATE audit_keys SET mac = SUBSTR(mac, 2)").await;
    let answer = owner.post("/v1/api-keys", &make("another")).await;
    assert_eq!(answer.status, 500, "{:#}", answer.body);
    app.finish().await;
}

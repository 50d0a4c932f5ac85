//! A call that is on its way when it is taken back is looked at once more. That none is forwarded that arrives after a revocation was
//! acknowledged is shown in `faults/revoked.rs`.

use std::time::Duration;

use keystore_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::{CHAT, chat, openai, record};
use crate::support::{Setup, TestApp};

#[tokio::test]
async fn what_is_taken_back_while_the_connection_is_made_is_not_sent() {
    let app = TestApp::with(Setup {
        upstream: Some(FakeUpstream::start_tls().await),
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let owner = app.owner_client();
    // The credential is open, the intent is written, the handshake does not come.
    app.fake_upstream().hold_connections(true);
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &chat(json!({"max_tokens": 100}))).await }
    });
    while app.fake_upstream().connections() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    owner
        .post("/v1/agents/agent/pause", &Value::Null)
        .await
        .expect(200);
    app.fake_upstream().hold_connections(false);
    let reply = call.await.unwrap();
    reply.refused(403, "agent_paused");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["cost"]),
        (&json!("not_sent"), &json!("0.00")),
        "{record:#}"
    );
    owner
        .post("/v1/agents/agent/resume", &Value::Null)
        .await
        .expect(200);
    assert_eq!(app.fake_upstream().count(), 0, "nothing was sent");
    caller
        .post(CHAT, &chat(json!({"max_tokens": 100})))
        .await
        .expect(200);
    app.finish().await;
}

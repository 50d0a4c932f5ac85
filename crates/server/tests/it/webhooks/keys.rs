//! Secrets of webhooks lie under the organization's key, and go where it goes.

use serde_json::{Value, json};

use super::{HOOK, Site, names, signed_by};

#[tokio::test]
async fn secrets_move_to_another_generation_and_the_old_one_can_be_retired() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    let secret = webhook["secret"].as_str().unwrap();
    let rotate = format!("/v1/webhooks/{}/rotate-secret", super::id(&webhook));
    let new = owner.post(&rotate, &json!({})).await.expect(200);
    let new = new["endpoint"]["secret"].as_str().unwrap();
    owner.post("/v1/kek/rotate", &Value::Null).await.expect(200);
    site.agent("before").await;
    site.app.do_jobs().await;
    site.app.carry_keys_on().await;
    owner
        .post("/v1/kek/retire", &json!({"generation": 1}))
        .await
        .expect(200);
    owner
        .post("/v1/kek/destroy", &json!({"generation": 1, "confirm": 1}))
        .await
        .expect(200);
    let app = site.app.restart().await;
    let site = Site { app, ..site };
    site.agent("after").await;
    site.app.do_jobs().await;
    let got = site.receiver.got();
    assert_eq!(names(&got), ["before", "after"]);
    assert!(
        got.iter()
            .all(|one| signed_by(one, secret) && signed_by(one, new))
    );
    site.app.finish().await;
}

#[tokio::test]
async fn a_damaged_secret_is_named_and_keeps_the_old_generation_until_there_is_another() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    site.app
        .tamper("UPDATE webhooks SET secret = SUBSTR(secret, 2)")
        .await;
    owner.post("/v1/kek/rotate", &Value::Null).await.expect(200);
    site.app.carry_keys_on().await;
    let retire = json!({"generation": 1});
    let refused = owner.post("/v1/kek/retire", &retire).await;
    let refused = refused.expect_problem(409, "conflict").to_string();
    let words = format!("a secret of the webhook {} was changed", super::id(&webhook));
    assert!(refused.contains(&words), "{refused}");
    // As the answer says.
    let rotate = format!("/v1/webhooks/{}/rotate-secret", super::id(&webhook));
    owner
        .post(&rotate, &json!({"overlapSeconds": 0}))
        .await
        .expect(200);
    owner.post("/v1/kek/retire", &retire).await.expect(200);
    site.app.finish().await;
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    owner
        .post("/v1/kek/shred", &json!({"confirm": "acme-inc"}))
        .await
        .expect(200);
    site.agent("ada").await;
    site.app.do_jobs().await;
    assert!(site.receiver.got().is_empty());
    assert_eq!(site.show(&webhook).await["disabledBecause"], "lost");
    site.app.finish().await;
}

#[tokio::test]
async fn a_row_that_is_pointed_elsewhere_in_the_database_signs_nothing() {
    let site = Site::start().await;
    site.webhook(HOOK, json!(["agent.*"])).await;
    site.app
        .statement("UPDATE webhooks SET url = replace(url, '/hook', '/elsewhere')")
        .await;
    site.agent("ada").await;
    site.app.do_jobs().await;
    assert!(site.receiver.got().is_empty());
    site.app.finish().await;
}

#[tokio::test]
async fn another_address_is_signed_for_with_the_same_secret() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    let path = format!("/v1/webhooks/{}", super::id(&webhook));
    let moved = json!({"url": site.receiver.url("/other"), "name": "moved", "description": "for the books"});
    let changed = owner.patch(&path, &moved).await.expect(200);
    assert_eq!(changed["name"], "moved");
    site.agent("ada").await;
    site.app.do_jobs().await;
    let got = site.receiver.got_at("/other");
    assert!(signed_by(&got[0], webhook["secret"].as_str().unwrap()));
    assert!(site.receiver.got_at(HOOK).is_empty());
    site.app.finish().await;
}

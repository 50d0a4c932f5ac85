//! `/v1/…/abuse-rules`.

use serde_json::{Value, json};

use crate::support::TestApp;

const ORG: &str = "/v1/org/abuse-rules";
const PROJECT: &str = "/v1/projects/default/abuse-rules";
const AGENT: &str = "/v1/agents/bot/abuse-rules";

#[tokio::test]
async fn rules_are_set_changed_and_taken_away_where_they_belong() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    owner
        .post("/v1/agents", &json!({"name": "bot"}))
        .await
        .expect(201);
    let none = json!({"refusals": null, "spendRate": null, "identicalRequests": null});
    for place in [ORG, PROJECT, AGENT] {
        assert_eq!(owner.get(place).await.expect(200), none, "{place}");
    }
    let some = json!({"refusals": {"action": "alert"}, "spendRate": {"action": "pause", "threshold": "2.5", "windowSeconds": 60}});
    let set = owner.patch(ORG, &some).await.expect(200);
    let refusals = json!({"action": "alert", "threshold": "60", "windowSeconds": 60, "setBy": "org"});
    let spend = json!({"action": "pause", "threshold": "2.50", "windowSeconds": 60, "setBy": "org"});
    let both = json!({"refusals": refusals, "spendRate": spend, "identicalRequests": null});
    assert_eq!(set, both);
    assert_eq!(owner.get(AGENT).await.expect(200), both, "the agent has them too");

    owner
        .patch(PROJECT, &json!({"refusals": {"action": "off"}}))
        .await
        .expect(200);
    owner
        .patch(
            AGENT,
            &json!({"identicalRequests": {"action": "pause", "threshold": "9"}}),
        )
        .await
        .expect(200);
    let seen = owner.get(AGENT).await.expect(200);
    let of = |rule: &str| (seen[rule]["action"].clone(), seen[rule]["setBy"].clone());
    assert_eq!(of("refusals"), (json!("off"), json!("project")));
    assert_eq!(of("spendRate"), (json!("pause"), json!("org")));
    assert_eq!(of("identicalRequests"), (json!("pause"), json!("agent")));
    // A change of something else leaves what is set.
    owner
        .patch("/v1/agents/bot", &json!({"rpmLimit": 5}))
        .await
        .expect(200);
    owner
        .patch("/v1/org/limits", &json!({"rpmLimit": 5}))
        .await
        .expect(200);
    assert_eq!(owner.get(AGENT).await.expect(200), seen);

    for place in [AGENT, PROJECT, ORG] {
        let cleared = owner.patch(place, &none).await.expect(200);
        if place == ORG {
            assert_eq!(cleared, none);
        }
    }
    let log = owner
        .get("/v1/audit?action=update_project_abuse_rules")
        .await
        .expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_rule_is_refused_by_its_field() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for (rules, pointer) in [
        (
            json!({"refusals": {"action": "alert", "threshold": "0"}}),
            "/refusals/threshold",
        ),
        (
            json!({"refusals": {"action": "alert", "threshold": "1.5"}}),
            "/refusals/threshold",
        ),
        (
            json!({"identicalRequests": {"action": "pause", "threshold": "1000001"}}),
            "/identicalRequests/threshold",
        ),
        (
            json!({"spendRate": {"action": "pause", "threshold": "-1"}}),
            "/spendRate/threshold",
        ),
        (
            json!({"spendRate": {"action": "pause", "windowSeconds": 9}}),
            "/spendRate/windowSeconds",
        ),
        (
            json!({"spendRate": {"action": "pause", "windowSeconds": 3601}}),
            "/spendRate/windowSeconds",
        ),
    ] {
        let problem = owner
            .patch(ORG, &rules)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    for rules in [
        json!({"refusals": {"threshold": "5"}}),
        json!({"refusals": {"action": "kill"}}),
        json!({"refusal": null}),
    ] {
        owner
            .patch(ORG, &rules)
            .await
            .expect_problem(422, "invalid_request");
    }
    let after = owner.get(ORG).await.expect(200);
    assert_eq!(after["refusals"], Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn a_key_of_one_project_sees_what_watches_it_and_lifts_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    owner
        .post("/v1/agents", &json!({"name": "bot"}))
        .await
        .expect(201);
    let key = json!({"name": "ci", "role": "admin", "project": "default"});
    let key = owner.post("/v1/api-keys", &key).await.expect(201);
    let bound = app.anonymous().with_token(key["key"].as_str().unwrap());
    for place in [ORG, PROJECT, AGENT] {
        bound.get(place).await.expect(200);
        let off = json!({"refusals": {"action": "off"}});
        bound.patch(place, &off).await.expect_problem(403, "forbidden");
    }
    app.finish().await;
}

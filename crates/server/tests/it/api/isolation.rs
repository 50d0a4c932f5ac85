//! Two organizations, and two projects of one, that must not learn of each other: every operation, as every role, on every
//! place where it takes a thing's id.

use serde_json::{Value, json};

use super::operations::{CANARY_NAME, May, Operation, ROLES, Things, operations};
use crate::support::{Client, TestApp};

/// A client with a key of this role that `owner` made.
async fn key(owner: &Client, role: &str, more: Value) -> Client {
    let mut body = json!({"name": format!("{role} {more}"), "role": role});
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    let made = owner.post("/v1/api-keys", &body).await.expect(201);
    owner.with_token(made["key"].as_str().unwrap())
}

/// What the owner sees of everything, but for what merely counts.
async fn all_lists(owner: &Client) -> Vec<Value> {
    let mut lists = Vec::new();
    for operation in lists_of(&operations()) {
        // What is called is recorded, and notes that its session was used.
        let moving = [
            "list_audit",
            "list_audit_checkpoints",
            "export_audit",
            "list_sessions",
        ];
        if !moving.contains(&operation.name.as_str()) {
            let list = operation.call(&Things::nothing()).send(owner).await;
            lists.push(without_what_jobs_write(list.expect(200)));
        }
    }
    lists
}

fn without_what_jobs_write(mut list: Value) -> Value {
    let rows = list.get_mut("data").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("failingSince");
        row.remove("lastUsedAt");
    }
    list
}

fn lists_of(operations: &[Operation]) -> impl Iterator<Item = &Operation> {
    operations
        .iter()
        .filter(|operation| operation.may != May::Operator)
        .filter(|operation| operation.name.starts_with("list_") || operation.name == "export_audit")
        .filter(|operation| operation.name != "list_providers" && !operation.names_a_thing())
}

/// Calls every operation as `client` on what is foreign to it. Gives how many calls there were.
async fn try_everything(client: &Client, role: &str, in_person: bool, foreign: &Things) -> usize {
    let own = &Things::nothing();
    let mut count = 0;
    for operation in operations() {
        let allowed = match operation.may {
            May::Roles(roles) => roles.split(' ').any(|name| name == role),
            May::People(roles) => in_person && roles.split(' ').any(|name| name == role),
            May::Anybody => continue,
            May::Operator => false,
        };
        for call in operation.calls_on_foreign(own, foreign) {
            count += 1;
            let answer = call.send(client).await;
            let text = format!("{:?} {}", answer.headers, answer.body);
            assert!(!text.contains(CANARY_NAME), "{role} {call:?}: {text}");
            for id in foreign.ids() {
                assert!(!text.contains(id), "{role} {call:?}: {text}");
            }
            match allowed {
                true => answer.expect_problem(404, "not_found"),
                false => answer.expect_problem(403, "forbidden"),
            };
        }
    }
    for operation in lists_of(&operations()) {
        let answer = operation.call(own).send(client).await;
        let text = answer.body.to_string();
        for id in foreign.ids() {
            assert!(!text.contains(id), "{role} {}: {text}", operation.name);
        }
        assert!(!text.contains(CANARY_NAME), "{role} {}: {text}", operation.name);
    }
    count
}

#[tokio::test]
async fn what_is_another_organizations_does_not_exist() {
    let app = TestApp::start().await;
    let foreign = Things::make(&app, app.owner_client()).await;
    let before = all_lists(app.owner_client()).await;
    let calls = app.fake_upstream().count();
    let stranger = app.stranger().await;
    for role in ROLES {
        let client = key(&stranger, role, json!({})).await;
        let count = try_everything(&client, role, false, &foreign).await;
        assert!(count >= 40, "{count}");
    }
    try_everything(&stranger, "owner", true, &foreign).await;
    assert_eq!(
        app.fake_upstream().count(),
        calls,
        "no credential of another organization was tried"
    );
    assert_eq!(all_lists(app.owner_client()).await, before, "nothing was changed");
    app.finish().await;
}

#[tokio::test]
async fn what_is_another_projects_does_not_exist_for_a_key_that_is_bound_to_one() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let foreign = Things::make(&app, owner).await;
    owner
        .post("/v1/projects", &json!({"name": "Other"}))
        .await
        .expect(201);
    let before = all_lists(owner).await;
    for role in ROLES {
        let client = key(owner, role, json!({"project": "other"})).await;
        try_everything(&client, role, false, &foreign).await;
    }
    let without_keys = |mut lists: Vec<Value>| {
        lists.retain(|list| !list.to_string().contains("key_"));
        lists
    };
    assert_eq!(
        without_keys(all_lists(owner).await),
        without_keys(before),
        "nothing was changed"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_grant_cannot_name_another_organizations_credential() {
    let app = TestApp::start().await;
    let credential = app.create_credential("openai").await;
    let stranger = app.stranger().await;
    let own = json!({"provider": "openai", "secret": "sk-of-ones-own"});
    stranger.post("/v1/credentials", &own).await.expect(201);
    let grant = json!([{"name": "openai", "source": "byok", "credential": credential["id"]}]);
    stranger
        .post("/v1/agents", &json!({"name": "a", "providers": grant}))
        .await
        .expect_problem(404, "not_found");
    app.finish().await;
}

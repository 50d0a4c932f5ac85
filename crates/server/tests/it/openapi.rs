//! The description of the API is committed, so that a change of the API is a diff in review; so is the page of errors.

use std::collections::BTreeSet;

use keystore_testkit::generated::is_up_to_date;
use keystore_wire::problem::Code;
use serde_json::Value;

const ERRORS: &str = "\
# Errors

Every code that an answer of either port can carry. A code is stable: programs branch on it; the words beside it are for people and may
change. On the API a code stands in `code` of a problem ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), whose `type` is
`urn:keystore:problem:` and the code; on the proxy it stands in `error.code`, in the shape that the vendors' clients read
([refusals](proxy.md#refusals), with what to do about each). `remedy` beside it says what to do about this one. Where \"again\" says yes, the same
request may succeed later without anybody changing anything; where it does not, the proxy adds `x-should-retry: false`.

This page is made from the code (`make gen`).

| code | status | meaning | again |
| --- | --- | --- | --- |
";

#[test]
fn the_committed_description_is_the_served_one() {
    is_up_to_date("openapi.json", &keystore_server::api::openapi_json().unwrap());
}

/// The catalogue of errors, by status.
#[test]
fn the_page_of_errors_names_every_code() {
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    let rows: String = codes
        .iter()
        .map(|code| {
            let again = if code.retry_can_help() { "yes" } else { "" };
            let (name, status, meaning) = (code.as_str(), code.status(), code.meaning());
            format!("| <a id=\"{name}\"></a>`{name}` | {status} | {meaning} | {again} |\n")
        })
        .collect();
    is_up_to_date("docs/errors.md", &format!("{ERRORS}{rows}"));
}

#[test]
fn every_operation_is_named_answers_problems_and_says_who_may_call_it() {
    let document: Value = serde_json::from_str(&keystore_server::api::openapi_json().unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{method} {path}"));
            assert!(ids.insert(id.to_owned()), "{id} is used twice");
            assert!(operation["summary"].is_string(), "{id} has a summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(!responses.contains_key("default"), "{id} says what it answers");
            for (status, answer) in responses {
                let name = answer["$ref"].as_str().unwrap_or_default();
                let name = name.strip_prefix("#/components/responses/Problem.");
                assert_eq!(name.is_some(), status.as_str() >= "400", "{id} {status}");
                for code in name.into_iter().flat_map(|codes| codes.split('.')) {
                    let code = Code::of(code).unwrap();
                    assert_eq!(code.status().to_string(), *status, "{id} {code}");
                }
                let content = answer["content"].as_object();
                for (kind, content) in content.into_iter().flatten() {
                    assert!(
                        !content["example"].is_null(),
                        "{id} {status} {kind} has an example"
                    );
                }
            }
            let body = &operation["requestBody"]["content"];
            for (kind, content) in body.as_object().into_iter().flatten() {
                assert!(!content["example"].is_null(), "{id} {kind} has an example");
            }
            for status in ["401", "403", "500", "503"] {
                assert!(responses.contains_key(status), "{id} {status}");
            }
        }
    }
    assert!(ids.len() >= 30, "{ids:?}");
    assert!(ids.contains("create_token") && ids.contains("list_agents"));
}

/// What `limit`, `after` and `Idempotency-Key` are, on every operation that takes them.
#[test]
fn every_list_is_paged_and_every_post_can_be_repeated() {
    let document: Value = serde_json::from_str(&keystore_server::api::openapi_json().unwrap()).unwrap();
    let takes = |operation: &Value, name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let (mut lists, mut posts) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let get = &item["get"];
        let answer = &get["responses"]["200"]["content"]["application/json"]["schema"];
        let answer = match answer["$ref"].as_str() {
            Some(name) => &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
            None => answer,
        };
        if get["operationId"]
            .as_str()
            .is_some_and(|id| id.starts_with("list_"))
        {
            lists += 1;
            assert!(takes(get, "limit") && takes(get, "after"), "{path} is not paged");
            let members = answer["properties"].as_object().unwrap();
            assert!(
                members.contains_key("data") && members.contains_key("next"),
                "{path}"
            );
        }
        if item["post"].is_object() {
            let takes_key = !path.starts_with("/v1/auth/");
            assert_eq!(takes(&item["post"], "Idempotency-Key"), takes_key, "{path}");
            posts += 1;
        }
    }
    assert!(lists >= 7 && posts >= 10, "{lists} lists, {posts} posts");
}

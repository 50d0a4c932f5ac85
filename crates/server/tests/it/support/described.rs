//! What the tests are answered, against what the description of the API says: every problem has a code that its operation names.

use std::sync::LazyLock;

use serde_json::Value;

/// The operations, by method and template of the path.
static OPERATIONS: LazyLock<Vec<(String, Vec<String>, Value)>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&keystore_server::api::openapi_json().unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let segments: Vec<_> = path.split('/').map(str::to_owned).collect();
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), segments.clone(), operation.clone()));
        }
    }
    all
});

/// The operation of a request, those first that have no parameter where others have one.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &[String]| {
        let pairs = || template.iter().zip(&segments);
        template.len() == segments.len()
            && pairs().all(|(one, segment)| one.starts_with('{') || one == segment)
    };
    let parameters = |template: &[String]| template.iter().filter(|one| one.starts_with('{')).count();
    OPERATIONS
        .iter()
        .filter(|(own, template, _)| own == method && fits(template))
        .min_by_key(|(_, template, _)| parameters(template))
        .map(|(_, _, operation)| operation)
}

/// That an answer is one of those that its operation is described with.
///
/// # Panics
///
/// It is not.
pub(super) fn check(method: &str, path: &str, status: u16, body: &Value) {
    let Some(operation) = operation(method, path) else {
        return;
    };
    let id = &operation["operationId"];
    let answer = &operation["responses"][status.to_string()];
    assert!(
        answer.is_object(),
        "{id} is not described to answer {status}: {body:#}"
    );
    if let Some(code) = body["code"].as_str().filter(|_| status >= 400) {
        let name = answer["$ref"].as_str().unwrap_or_default();
        let listed = name.split('.').any(|listed| listed == code);
        assert!(
            listed,
            "{id} is not described to answer {code} ({status}): {body:#}"
        );
    }
}

//! An example of every request and every answer, composed of the examples that the schemas' fields have. What a schema says as a whole
//! (`#[schema(example = …)]` at a type) goes before what its fields say.
//!
//! It knows the names of a few fields that are alike in every schema. `e2e/test_description.py` checks every example against its schema.

use keystore_core::ids::{
    AccessRequestId, AgentId, ApiKeyId, BudgetId, CredentialId, DeliveryId, InvitationId, MoveId, PasskeyId,
    PaymentId, ProjectId, RequestId, RevocationId, RotationId, SessionId, TokenId, UserId, WebhookId,
};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::operations;

/// How deep schemas are followed; those that hold themselves end there.
const DEEPEST: usize = 8;

/// Fields that mean the same wherever they stand.
const FIELDS: &[(&str, &str)] = &[
    ("code", "9f86d081884c7d659a2feaa0c55ad015"),
    ("email", "ada@example.com"),
    ("key", "sk-proj-…"),
    ("model", "gpt-5-nano"),
    ("password", "correct horse battery staple"),
    ("provider", "openai"),
    ("requestId", "req_01jd3w8f0qe7ys4c9p2m5n6r7t"),
    ("secret", "sk-proj-…"),
];

const NUMBERS: &[(&str, i64)] = &[
    ("inputTokens", 1_204),
    ("maxConcurrency", 20),
    ("outputTokens", 350),
    ("rpdLimit", 50_000),
    ("rpmLimit", 120),
    ("status", 200),
    ("tpmLimit", 100_000),
];

/// What stands in paths, by its name: ids, by their kinds, and what has no id.
const IDS_IN_PATHS: &[(&str, &str)] = &[
    ("accessRequest", AccessRequestId::PREFIX),
    ("agent", AgentId::PREFIX),
    ("apiKey", ApiKeyId::PREFIX),
    ("budget", BudgetId::PREFIX),
    ("credential", CredentialId::PREFIX),
    ("delivery", DeliveryId::PREFIX),
    ("invitation", InvitationId::PREFIX),
    ("member", UserId::PREFIX),
    ("migration", MoveId::PREFIX),
    ("passkey", PasskeyId::PREFIX),
    ("payment", PaymentId::PREFIX),
    ("pooled", CredentialId::PREFIX),
    ("project", ProjectId::PREFIX),
    ("request", RequestId::PREFIX),
    ("revocation", RevocationId::PREFIX),
    ("rotation", RotationId::PREFIX),
    ("session", SessionId::PREFIX),
    ("token", TokenId::PREFIX),
    ("webhook", WebhookId::PREFIX),
];
const NAMES_IN_PATHS: &[(&str, &str)] = &[
    ("invoice", "KS-2026-000042"),
    ("listing", "openai"),
    ("provider", "openai"),
];

/// What follows the prefix of an id in examples.
const ID: &str = "01jd3w8f0qe7ys4c9p2m5n6r7t";

/// Gives every request and every answer of the document its example, and every parameter of a path.
pub(super) fn add(document: &mut OpenApi) {
    let schemas = serde_json::to_value(&document.components).unwrap_or_default();
    let schemas = Schemas(schemas["schemas"].as_object().cloned().unwrap_or_default());
    for (_, operation) in operations(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                name_in_path(parameter);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            for (media_type, content) in &mut body.content {
                schemas.complete(media_type, content);
            }
        }
        for answer in operation.responses.responses.values_mut() {
            if let RefOr::T(answer) = answer {
                for (media_type, content) in &mut answer.content {
                    schemas.complete(media_type, content);
                }
            }
        }
    }
}

fn name_in_path(parameter: &mut Parameter) {
    if parameter.parameter_in != ParameterIn::Path {
        return;
    }
    let find = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(name, _)| *name == parameter.name);
        found.map(|(_, text)| *text)
    };
    let id = find(IDS_IN_PATHS).map(|prefix| format!("{prefix}_{ID}"));
    let text = id.or_else(|| find(NAMES_IN_PATHS).map(ToOwned::to_owned));
    *parameter = ParameterBuilder::from(parameter.clone())
        .example(text.map(Value::String))
        .build();
}

/// The schemas of the document by name.
struct Schemas(Map<String, Value>);

impl Schemas {
    fn complete(&self, media_type: &str, content: &mut RefOr<Content>) {
        let RefOr::T(content) = content else { return };
        if content.example.is_some() || !content.examples.is_empty() {
            return;
        }
        let schema = serde_json::to_value(&content.schema).unwrap_or_default();
        content.example = match media_type {
            "application/json" => self.compose(&schema, "", 0),
            "application/x-ndjson" => self.named("ProvenRecord").map(|line| json!(format!("{line}\n"))),
            "text/event-stream" => self
                .named("Request")
                .map(|data| json!(format!("event: request\nid: 4711\ndata: {data}\n\n"))),
            "text/csv" => Some(json!(
                "provider,model,calls,amount\r\nopenai,gpt-5-nano,1204,3.42\r\n"
            )),
            "text/html" => Some(json!("<!doctype html><title>Invoice KS-2026-000042</title>…")),
            "application/pdf" => Some(json!("%PDF-1.7 …")),
            _ => None,
        };
    }

    fn named(&self, schema: &str) -> Option<Value> {
        self.compose(self.0.get(schema)?, "", 0)
    }

    /// An example of a schema; `name` is that of the field whose value it is.
    fn compose(&self, schema: &Value, name: &str, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let first = |member: &str| schema[member].get(0).cloned();
        let own = schema.get("example").cloned();
        if let Some(given) = own
            .or_else(|| first("examples"))
            .or_else(|| schema.get("const").cloned())
        {
            return Some(given);
        }
        if let Some(target) = schema["$ref"].as_str() {
            let target = self.0.get(target.rsplit('/').next()?)?;
            return self.compose(target, name, depth + 1);
        }
        if let Some(value) = first("enum") {
            return Some(value);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut whole = Map::new();
            for part in parts {
                whole.extend(self.compose(part, name, depth + 1)?.as_object()?.clone());
            }
            return Some(Value::Object(whole));
        }
        let either = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
        if let Some(either) = either {
            let usual = either.iter().filter(|one| one["type"] != "null");
            return usual
                .into_iter()
                .find_map(|one| self.compose(one, name, depth + 1));
        }
        self.of_type(schema, name, depth)
    }

    fn of_type(&self, schema: &Value, name: &str, depth: usize) -> Option<Value> {
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.clone(),
            kind => vec![kind.clone()],
        };
        let kind = kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null");
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") => {
                let entry = self.compose(&schema["items"], name, depth + 1);
                Some(entry.into_iter().collect())
            }
            Some("boolean") => Some(json!(false)),
            Some("integer") => {
                let known = NUMBERS.iter().find(|(field, _)| *field == name);
                let least = schema["minimum"].as_i64().unwrap_or(0).max(1);
                Some(json!(known.map_or(least, |(_, number)| *number)))
            }
            Some("number") => Some(json!(1.5)),
            Some("string") => {
                let known = FIELDS.iter().find(|(field, _)| *field == name);
                known.map(|(_, text)| json!(text))
            }
            // A value of any kind.
            _ => Some(json!({})),
        }
    }

    /// The fields that are always there, and those whose schema has an example of its own; where none has to be there, all.
    fn object(&self, schema: &Value, depth: usize) -> Option<Value> {
        let required = schema["required"].as_array();
        let is_required =
            |name: &str| required.is_none_or(|all| all.iter().any(|one| one.as_str() == Some(name)));
        let mut whole = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if !is_required(name) && field.get("example").is_none() {
                continue;
            }
            let value = self.compose(field, name, depth + 1);
            if let Some(value) = value {
                whole.insert(name.clone(), value);
            }
        }
        Some(Value::Object(whole))
    }
}

//! JSON Schemas of tools, from the same description that the API has of its shapes. A schema of a tool stands alone: what it refers to is
//! in it, under `$defs`.

use serde_json::{Map, Value, json};

const COMPONENTS: &str = "#/components/schemas/";

/// The shapes of a description.
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// Those of `document`, an OpenAPI description.
    pub(super) fn of(document: &Value) -> Self {
        let all = document.pointer("/components/schemas").and_then(Value::as_object);
        Self(all.cloned().unwrap_or_default())
    }

    /// An object without members.
    pub(super) fn nothing() -> Value {
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    }

    /// A shape by its name, as the description has it.
    pub(super) fn raw(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// A shape by its name, which stands alone.
    pub(super) fn component(&self, name: &str) -> Value {
        self.alone(self.raw(name))
    }

    /// A schema, which may be a reference, as one that stands alone.
    pub(super) fn alone(&self, schema: Value) -> Value {
        let mut schema = match referred(&schema) {
            Some(name) => self.raw(name),
            None => schema,
        };
        let mut found = Map::new();
        self.localize(&mut schema, &mut found);
        if !found.is_empty() {
            schema["$defs"] = Value::Object(found);
        }
        schema
    }

    /// Points every reference into `$defs`, and puts there what it refers to.
    fn localize(&self, schema: &mut Value, found: &mut Map<String, Value>) {
        match schema {
            Value::Object(members) => {
                // An example of the API is none of a tool's.
                members.remove("example");
                if let Some(Value::String(reference)) = members.get_mut("$ref")
                    && let Some(name) = reference.strip_prefix(COMPONENTS).map(str::to_owned)
                {
                    *reference = format!("#/$defs/{name}");
                    if !found.contains_key(&name) {
                        found.insert(name.clone(), Value::Null);
                        let mut shape = self.raw(&name);
                        self.localize(&mut shape, found);
                        found.insert(name, shape);
                    }
                }
                for member in members.values_mut() {
                    self.localize(member, found);
                }
            }
            Value::Array(entries) => {
                for entry in entries {
                    self.localize(entry, found);
                }
            }
            _ => {}
        }
    }
}

/// The shape that a schema refers to, if it is a reference.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(COMPONENTS)
}

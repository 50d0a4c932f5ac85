//! Whether an answer says something that the catalog knows how it reads: that the credential is not valid, or that a vendor sees abuse.

use serde_json::Value;

use crate::provider::Sign;

/// Whether one of `rules` fits. A body that is not JSON fits only a rule that does not ask for one.
pub(crate) fn fits(rules: &[Sign], status: u16, body: &[u8]) -> bool {
    let mut parsed: Option<Value> = None;
    rules
        .iter()
        .filter(|rule| rule.status == status)
        .any(|rule| match &rule.pointer {
            None => true,
            Some(pointer) => {
                let value = parsed.get_or_insert_with(|| serde_json::from_slice(body).unwrap_or(Value::Null));
                let segments: Vec<&str> = pointer.split('/').skip(1).collect();
                stands_at(value, &segments, rule)
            }
        })
}

fn stands_at(value: &Value, segments: &[&str], rule: &Sign) -> bool {
    let Some((segment, rest)) = segments.split_first() else {
        return match value {
            Value::String(text) => rule.values.iter().any(|known| known == text),
            Value::Number(number) => rule.values.iter().any(|known| *known == number.to_string()),
            _ => false,
        };
    };
    match value {
        Value::Object(fields) => {
            let name = segment.replace("~1", "/").replace("~0", "~");
            fields
                .get(&name)
                .is_some_and(|value| stands_at(value, rest, rule))
        }
        Value::Array(items) if *segment == "*" => items.iter().any(|value| stands_at(value, rest, rule)),
        Value::Array(items) => {
            let item = segment.parse::<usize>().ok().and_then(|number| items.get(number));
            item.is_some_and(|value| stands_at(value, rest, rule))
        }
        _ => false,
    }
}

//! Rules that find the row of a model by its name.

use keystore_core::price::ModelMatch;

use super::super::section::{Read, Section};
use crate::provider::Str;

/// The rule by which a model is found that has neither the id nor an alias.
pub(super) fn read(model: &mut Section) -> Read<Option<ModelMatch>> {
    let rules = read_rules(model, "match")?;
    Ok(match <[ModelMatch; 1]>::try_from(rules) {
        Ok([rule]) => Some(rule),
        Err(rules) if rules.is_empty() => None,
        Err(rules) => Some(ModelMatch::Any(rules.into())),
    })
}

/// A list of rules. The conditions of one rule hold together.
fn read_rules(section: &mut Section, key: &'static str) -> Read<Vec<ModelMatch>> {
    let mut rules = Vec::new();
    for mut rule in section.sections(key)? {
        let mut conditions = Vec::new();
        for (key, condition) in [
            ("equals", ModelMatch::Equals as fn(Str) -> ModelMatch),
            ("starts_with", ModelMatch::StartsWith),
            ("ends_with", ModelMatch::EndsWith),
            ("contains", ModelMatch::Contains),
        ] {
            match rule.text(key)? {
                Some(text) if text.is_empty() => {
                    return Err(rule.error(key, "is empty, which matches every model; write a text"));
                }
                Some(text) => conditions.push(condition(text.into())),
                None => {}
            }
        }
        let excluded = read_rules(&mut rule, "not")?;
        if conditions.is_empty() {
            return Err(rule.error(
                "",
                "matches every model; write `equals`, `starts_with`, `ends_with` or `contains`",
            ));
        }
        if !excluded.is_empty() {
            conditions.push(ModelMatch::Not(excluded.into()));
        }
        rule.finish()?;
        rules.push(match <[ModelMatch; 1]>::try_from(conditions) {
            Ok([condition]) => condition,
            Err(conditions) => ModelMatch::All(conditions.into()),
        });
    }
    Ok(rules)
}

//! Finding the price row of a model.
//!
//! What a row costs is `core::price`; this only finds it.

use keystore_core::price::{ModelMatch, ModelPrice};
use keystore_core::time::Micros;

use crate::provider::{PriceRow, PriceTable, TimeWindow};

const MINUTES_PER_DAY: i64 = 24 * 60;

impl PriceTable {
    /// The row of `model` that is in force at a time: by id, else by alias, else the first whose rule it matches.
    pub fn find(&self, model: &str, at: Micros) -> Option<&ModelPrice> {
        self.position(model, at).map(|row| &self.rows[row].price)
    }

    /// As [`Self::find`], the number of the row.
    pub(crate) fn position(&self, model: &str, at: Micros) -> Option<usize> {
        let start = self.index.partition_point(|(name, _)| name.as_ref() < model);
        let mut named = self.index[start..]
            .iter()
            .take_while(|(name, _)| name == model)
            .map(|(_, row)| *row);
        let in_force = |number: &u32| self.row(*number).is_some_and(|row| row.in_force(at));
        let fits = |number: &u32| {
            self.row(*number)
                .and_then(|row| row.price.rule.as_ref())
                .is_some_and(|rule| matches(rule, model))
        };
        let mut ruled = self.ruled.iter().copied();
        let number = named
            .find(in_force)
            .or_else(|| ruled.find(|number| in_force(number) && fits(number)))?;
        usize::try_from(number).ok()
    }

    fn row(&self, number: u32) -> Option<&PriceRow> {
        self.rows.get(usize::try_from(number).ok()?)
    }
}

impl PriceRow {
    /// Whether the row is in force at a time.
    pub fn in_force(&self, at: Micros) -> bool {
        let seconds = at.seconds();
        self.price.effective_from.is_none_or(|from| seconds >= from)
            && self.price.effective_to.is_none_or(|to| seconds < to)
            && (self.windows.is_empty() || self.windows.iter().any(|window| window.covers(seconds)))
    }
}

impl TimeWindow {
    fn covers(self, seconds: i64) -> bool {
        let minutes = seconds.div_euclid(60);
        let minute = minutes.rem_euclid(MINUTES_PER_DAY);
        // The epoch was a Thursday, the fourth day from Monday.
        let weekday = (minutes.div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7);
        self.weekdays >> weekday & 1 == 1
            && (i64::from(self.from_minute)..i64::from(self.to_minute)).contains(&minute)
    }
}

fn matches(rule: &ModelMatch, model: &str) -> bool {
    match rule {
        ModelMatch::Equals(text) => model == text,
        ModelMatch::StartsWith(text) => model.starts_with(text.as_ref()),
        ModelMatch::EndsWith(text) => model.ends_with(text.as_ref()),
        ModelMatch::Contains(text) => model.contains(text.as_ref()),
        ModelMatch::All(rules) => rules.iter().all(|rule| matches(rule, model)),
        ModelMatch::Any(rules) => rules.iter().any(|rule| matches(rule, model)),
        ModelMatch::Not(rules) => !rules.iter().any(|rule| matches(rule, model)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Micros>().unwrap().seconds()
    }

    #[test]
    fn a_window_is_minutes_of_some_days() {
        let weekday_mornings = TimeWindow {
            from_minute: 60,
            to_minute: 240,
            weekdays: 0b001_1111,
        };
        assert!(weekday_mornings.covers(at("2026-11-23T01:00:00Z")), "a Monday");
        assert!(weekday_mornings.covers(at("2026-11-27T03:59:59Z")), "a Friday");
        assert!(!weekday_mornings.covers(at("2026-11-23T00:59:59Z")));
        assert!(!weekday_mornings.covers(at("2026-11-23T04:00:00Z")));
        assert!(!weekday_mornings.covers(at("2026-11-28T02:00:00Z")), "a Saturday");
        assert!(!weekday_mornings.covers(at("2026-11-29T02:00:00Z")), "a Sunday");
        assert!(
            weekday_mornings.covers(at("1969-12-29T02:00:00Z")),
            "a Monday before the epoch"
        );
    }

    #[test]
    fn rules_combine() {
        let rule = ModelMatch::All(
            vec![
                ModelMatch::StartsWith("gemini-".into()),
                ModelMatch::Not(
                    vec![
                        ModelMatch::EndsWith("-tts".into()),
                        ModelMatch::Contains("-tts-".into()),
                    ]
                    .into(),
                ),
                ModelMatch::Any(
                    vec![
                        ModelMatch::Contains("pro".into()),
                        ModelMatch::Equals("gemini-x".into()),
                    ]
                    .into(),
                ),
            ]
            .into(),
        );
        for (model, expected) in [
            ("gemini-pro", true),
            ("gemini-x", true),
            ("gemini-flash", false),
            ("gemini-pro-tts", false),
            ("gemini-pro-tts-preview", false),
            ("x-gemini-pro", false),
        ] {
            assert_eq!(matches(&rule, model), expected, "{model}");
        }
    }
}

use proptest::prelude::*;
use serde::Deserialize;

use super::super::parse;
use super::*;
use crate::meter::count::Count;

/// Counters of every kind that a shape has.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Counters {
    tokens: Count,
    #[serde(alias = "b")]
    a: Count,
    details: Option<Details>,
    list: Vec<Details>,
    tier: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Details {
    tokens: Count,
}

fn by_serde<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

#[test]
fn counters_as_they_are_mostly_written_are_plain() {
    for text in [
        "{}",
        "\r\n\t {\"tokens\" : 7 , \"other\":[{\"a\":[]},true,false,null,\"x\"] , \"a\":18446744073709551615} ",
        r#"{"tokens":7,"details":{"tokens":0},"list":[{"tokens":1},{}],"tier":"default"}"#,
        r#"{"tokens":null,"details":null,"tier":null,"cost":1.25e-2,"is_byok":false}"#,
        r#"{"tokens":-1,"b":1.5,"details":{"tokens":"9"}}"#,
        r#"[7,8]"#,
    ] {
        let read: Option<Counters> = read(text.as_bytes());
        assert!(read.is_some(), "{text}");
        assert_eq!(read, by_serde(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_not_plain_is_left() {
    for text in [
        "",
        "{",
        "{}}",
        "{,}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "{1:1}",
        "{\"list\":[,]}",
        "{\"list\":[{},]}",
        "{\"list\":[{}}}",
        "[1,2,[],[],null,3]",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":1-2}",
        "{\"a\":-}",
        "{\"a\":1e999}",
        "{\"a\":nul}",
        "{\"a\":nulll}",
        "{\"a\":1}\u{c}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":2}",
        "{\"\\u0061\":1}",
        "{\"tier\":\"\\n\"}",
        "{\"tier\":\"\n\"}",
        "{\"tier\":\"é\"}",
        "{\"tier\":7}",
        "{\"details\":7}",
        "{\"x\":[[[[[[[[]]]]]]]]}",
    ] {
        assert_eq!(read::<Counters>(text.as_bytes()), None, "{text}");
    }
    // Nor does depth take the stack.
    assert_eq!(read::<Counters>("[".repeat(1 << 20).as_bytes()), None);
}

/// What might stand in a statement of usage, and what might break it.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\u{c}",
        "\"tokens\":",
        "\"a\":",
        "\"b\":",
        "\"details\":{",
        "\"list\":[{",
        "\"tier\":\"x\"",
        "\"other\":",
        "null",
        "true",
        "false",
        "0",
        "7",
        "12345678901234567890",
        "1.5",
        "-3",
        "-0",
        "1e3",
        "1e999",
        "e",
        ".",
        "\"",
        "\"7\"",
        "\"7.2\"",
        "\\n",
        "\\u0061",
        "é",
        "\u{1}",
        "\u{7f}",
    ];
    prop_oneof![
        12 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ]
}

/// A statement that is mostly well-formed.
fn statement() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        4 => (0..1000_u64).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:e}")),
        1 => (0.0..10.0_f64).prop_map(|number| number.to_string()),
        1 => "\"[ -~]{0,8}\"",
        1 => prop::sample::select(vec!["null", "true", "{}", "[]", "{\"tokens\":3}", "[{\"tokens\": 4}]"]).prop_map(str::to_owned),
    ];
    let name = prop::sample::select(vec![
        "tokens", "a", "b", "details", "list", "tier", "other", "more",
    ]);
    prop::collection::vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

/// A statement with a piece somewhere in the middle, or nothing but pieces.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let broken = (statement(), any::<prop::sample::Index>(), piece()).prop_map(|(mut text, at, piece)| {
        let at = at.index(text.len());
        text.splice(at..at, piece);
        text
    });
    let pieces = prop::collection::vec(piece(), 0..16).prop_map(|pieces| pieces.concat());
    prop_oneof![2 => statement(), 2 => broken, 1 => pieces]
}

proptest! {
    /// What is read is what `serde_json` reads.
    #[test]
    fn nothing_is_read_in_another_way(text in text()) {
        for counters in [read::<Counters>(&text)].into_iter().flatten() {
            prop_assert_eq!(Some(counters), by_serde(&text));
        }
        for count in [read::<Count>(&text)].into_iter().flatten() {
            prop_assert_eq!(Some(count), by_serde(&text));
        }
        for value in [read::<serde_json::Value>(&text)].into_iter().flatten() {
            prop_assert_eq!(Some(value), by_serde(&text));
        }
    }

    /// What is not plain is read all the same.
    #[test]
    fn all_is_read_that_serde_reads(text in text()) {
        let merged = |text: &[u8]| serde_json::from_value(by_serde(text)?).ok();
        let expected: Option<Counters> = by_serde(&text).or_else(|| merged(&text));
        prop_assert_eq!(parse::<Counters>(&text), expected);
        prop_assert_eq!(Count::of(&text), by_serde::<Count>(&text).unwrap_or_default());
    }
}

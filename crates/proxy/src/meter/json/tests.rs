use super::*;
use proptest::prelude::*;

fn members(text: &str) -> Vec<(String, String)> {
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer::whole(text.as_bytes())
        .members("")
        .map(|(name, value)| (owned(name), owned(value)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn members_as_far_as_they_are_complete() {
    let text = r#" { "a" : 1, "b":{"c":[{"d":"}\""}]} ,"e":"x\\", "f":[1.5,"]"],"g":null}"#;
    let all = pairs(&[
        ("a", "1"),
        ("b", r#"{"c":[{"d":"}\""}]}"#),
        ("e", r#""x\\""#),
        ("f", r#"[1.5,"]"]"#),
        ("g", "null"),
    ]);
    assert_eq!(members(text), all);
    assert_eq!(
        members(&text[..text.len() - 1]),
        all[..4],
        "a number at the end may go on"
    );
    assert_eq!(members(&text[..text.find("]\"]").unwrap()]), all[..3]);
    for none in [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{a:1}",
        "\"{\"",
        "{\"a\" 1}",
    ] {
        assert_eq!(members(none), [], "{none}");
    }
}

#[test]
fn a_path_leads_to_the_last_one_of_its_name() {
    let answer = Answer::whole(br#"{"usage":{"a":1},"x":{"usage":{"a":9}},"usage":{"a":2,"a":3}}"#);
    assert_eq!(answer.get(&["usage", "a"]), Some(&b"3"[..]));
    assert_eq!(answer.get(&["x", "usage", "a"]), Some(&b"9"[..]));
    assert_eq!(answer.get(&["usage", "b"]), None);
    assert_eq!(answer.get(&["usage", "a", "b"]), None);
}

#[test]
fn a_tail_gives_only_what_stands_outermost() {
    let usage = |text: &str| {
        Answer::tail(text.as_bytes())
            .get(&["usage", "n"])
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(
        usage(r#"rest of a text"}],"usage":{"n":7}}"#).as_deref(),
        Some("7")
    );
    assert_eq!(
        usage("…\"}], \"usage\" : {\"n\":7} , \"x\":[{}] }\n").as_deref(),
        Some("7")
    );
    assert_eq!(
        usage(r#""}],"usage":{"n":7}} ] "#).as_deref(),
        Some("7"),
        "the last element of a list"
    );
    // What the model wrote.
    assert_eq!(usage(r#""input":{"usage":{"n":0}}}],"stop_reason":"end"}"#), None);
    assert_eq!(
        usage(r#""input":{"usage":{"n":0}}}],"usage":{"n":7},"stop":{}}"#).as_deref(),
        Some("7")
    );
    assert_eq!(usage(r#"text \"usage\":{\"n\":0}}"#), None);
    assert_eq!(usage(r#""usage":{"n":7}"#), None, "cut");
}

#[test]
fn elements_of_a_list() {
    let elements = |text: &str| {
        Answer::whole(text.as_bytes())
            .elements()
            .map(|elements| elements.map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    assert_eq!(
        elements("[ {\"a\":1}\r\n, 2 ,[]"),
        Some(vec![b"{\"a\":1}".to_vec(), b"2".to_vec(), b"[]".to_vec()])
    );
    assert_eq!(elements("[]"), Some(vec![]));
    assert_eq!(elements("{}"), None);
}

#[test]
fn an_object_of_a_name() {
    for (text, expected) in [
        (r#"{"usage":{"a":1}}"#, true),
        (r#"{"usage" : {}}"#, true),
        (r#"{"usage":null}"#, false),
        (r#"{"usage":null,"x":{"usage":{}}}"#, true),
        (r#"{"content":"\"usage\":{}"}"#, false),
        (r#"{"usages":{}}"#, false),
    ] {
        assert_eq!(states(text.as_bytes(), b"\"usage"), expected, "{text}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,60}".prop_map(serde_json::Value::from),
        "[\"\\\\{}\\[\\],:]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(".{0,12}", inner, 0..6)
                .prop_map(|members| serde_json::Value::from(serde_json::Map::from_iter(members))),
        ]
    })
}

proptest! {
    /// What is walked is what a parser reads, for every JSON there is.
    #[test]
    fn members_are_those_that_a_parser_reads(value in json(), pretty: bool) {
        let object = serde_json::json!({"first": value, "last": 0});
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
        let walked: serde_json::Map<String, serde_json::Value> = Answer::whole(text.as_bytes())
            .members("")
            .map(|(name, value)| {
                (String::from_utf8(name.to_vec()).unwrap(), serde_json::from_slice(value).unwrap())
            })
            .collect();
        prop_assert_eq!(serde_json::Value::from(walked), object);
    }

    /// Any bytes at all.
    #[test]
    fn nothing_panics(bytes in "[\"\\\\{}\\[\\],: a1]{0,40}") {
        let bytes = bytes.as_bytes();
        for answer in [Answer::whole(bytes), Answer::tail(bytes)] {
            answer.members("a").for_each(drop);
            let _ = answer.get(&["a", "a"]);
            if let Some(elements) = answer.elements() {
                elements.for_each(drop);
            }
        }
        let _ = states(bytes, b"\"a");
    }

    /// Strings and containers end where they do byte by byte, whatever is in them and however they break off.
    #[test]
    fn values_end_where_they_end_byte_by_byte(
        pieces in prop::collection::vec(prop_oneof![
            3 => "[\"\\\\{}\\[\\],: ]{0,3}",
            1 => "[a-z0-9 ,.é]{0,40}",
        ], 0..20),
        first in prop::sample::select(vec!['"', '{', '[']),
    ) {
        let text = format!("{first}{}", pieces.concat());
        let text = text.as_bytes();
        prop_assert_eq!(value_end(text, 0), end_by_byte(text));
    }
}

/// Where a string or a container ends that begins with the text.
fn end_by_byte(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 && !in_string {
            return Some(at + 1);
        }
    }
    None
}

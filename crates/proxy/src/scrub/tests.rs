use super::*;
use proptest::prelude::*;

const KEY: &str = "sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY";

fn scrub(needles: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
    let mut scrubber = Scrubber::new(Needles::of(needles));
    let mut clean = Vec::new();
    for chunk in chunks {
        clean.extend_from_slice(&scrubber.push(Bytes::copy_from_slice(chunk)));
    }
    clean.extend_from_slice(&scrubber.finish());
    clean
}

/// What the scrubber must do, said the slow way: of all secrets the first, of two at one place the longer.
fn reference(needles: &[&str], text: &[u8]) -> Vec<u8> {
    let mut clean = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let longest = needles
            .iter()
            .filter(|needle| text[at..].starts_with(needle.as_bytes()))
            .map(|needle| needle.len())
            .max();
        match longest {
            Some(length) => {
                clean[at..at + length].fill(b'*');
                at += length;
            }
            None => at += 1,
        }
    }
    clean
}

#[test]
fn a_secret_is_replaced_wherever_it_is_cut() {
    let text = format!("data: {{\"echo\":\"{KEY}\"}}\n\n");
    let expected = text.replace(KEY, &"*".repeat(KEY.len()));
    for cut in 0..text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        assert_eq!(scrub(&[KEY], &[head, tail]), expected.as_bytes(), "cut at {cut}");
    }
}

#[test]
fn every_form_is_replaced() {
    let secret = "p@ss/w\"ord+1&2";
    for form in [
        "p@ss/w\"ord+1&2",
        "p%40ss%2Fw%22ord%2B1%262",
        "p%40ss%2fw%22ord%2b1%262",
        "p@ss/w\\\"ord+1&2",
        "p@ss\\/w\\\"ord+1&2",
    ] {
        let text = format!("a {form} b");
        assert_eq!(
            scrub(&[secret], &[text.as_bytes()]),
            format!("a {} b", "*".repeat(form.len())).as_bytes(),
            "{form}"
        );
    }
}

/// Digits and letters that hold a secret, wherever it stands in what was written so.
#[test]
fn a_secret_in_hexadecimal_digits_or_base64_is_replaced_wherever_it_is_cut() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let secret = "sk-~~??>>aB3dE5fG7hJ9kL1m";
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut texts = vec![hex.clone(), hex.to_uppercase()];
    for before in ["", "x", "xy", "xyz"] {
        for after in ["", "x", "xy"] {
            let around = format!("{before}{secret}{after}");
            texts.push(STANDARD.encode(&around));
            texts.push(URL_SAFE_NO_PAD.encode(&around));
        }
    }
    for text in texts {
        let told = format!("{{\"t\":\"{text}\"}}");
        for cut in 0..told.len() {
            let (head, tail) = told.as_bytes().split_at(cut);
            let clean = scrub(&[secret], &[head, tail]);
            assert_eq!(clean.len(), told.len());
            // At most the letters at the borders, which hold only some bits, are left.
            let left = clean
                .iter()
                .zip(told.as_bytes())
                .skip(6)
                .filter(|(now, before)| now == before);
            assert!(
                left.count() <= 2 + 8 + 4,
                "{text} cut at {cut}: {}",
                String::from_utf8_lossy(&clean)
            );
        }
    }
}

#[test]
fn a_short_secret_is_not_searched_for() {
    assert!(Needles::of(&["secret7"]).is_empty());
    assert_eq!(scrub(&["secret7"], &[b"my secret7"]), b"my secret7");
}

#[test]
fn a_clean_chunk_passes_as_it_is() {
    let mut scrubber = Scrubber::new(Needles::of(&[KEY]));
    let chunk = Bytes::from_static(b"data: {\"delta\":\"all is well\"}\n\n");
    let passed = scrubber.push(chunk.clone());
    assert_eq!(passed.as_ptr(), chunk.as_ptr(), "not copied");
    assert_eq!(passed.len(), chunk.len(), "not delayed");
}

#[test]
fn only_what_may_become_a_secret_is_held_back() {
    let mut scrubber = Scrubber::new(Needles::of(&[KEY]));
    assert_eq!(scrubber.push(Bytes::from_static(b"xxsk-pro")), "xx");
    assert_eq!(
        scrubber.push(Bytes::from_static(b"fessional ")),
        "sk-professional "
    );
    assert_eq!(scrubber.push(Bytes::from_static(b"s")), "");
    assert_eq!(scrubber.finish(), "s");
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(
        text in proptest::collection::vec(
            prop_oneof![Just("abcabcab"), Just("abcabcabcd"), Just("cabcabxy"), Just("abcab"), Just("c"), Just("xy"), Just(" ")], 0..30),
        cuts in proptest::collection::vec(0_usize..200, 0..12),
    ) {
        let needles = ["abcabcab", "abcabcabcd", "cabcabxy"];
        let text = text.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(scrub(&needles, &chunks), reference(&needles, &text));
    }

    #[test]
    fn what_is_held_back_is_the_begin_of_a_secret(
        chunks in proptest::collection::vec("(abc|ab|c|x|abcabcabc){0,6}", 1..10),
    ) {
        let needles = ["abcabcabcx", "cabcabcab"];
        let mut scrubber = Scrubber::new(Needles::of(&needles));
        for chunk in chunks {
            scrubber.push(Bytes::from(chunk));
            let held = std::str::from_utf8(&scrubber.held).unwrap();
            prop_assert!(held.is_empty() || needles.iter().any(|needle| needle.len() > held.len() && needle.starts_with(held)), "{}", held);
        }
    }
}

fn error_body(provider: &str, secret: &str, body: &str) -> String {
    let provider = keystore_catalog::provider(provider).unwrap();
    String::from_utf8(scrub_error_body(body.as_bytes(), provider, &Needles::of(&[secret])).into_owned())
        .unwrap()
}

#[test]
fn error_bodies_lose_exact_keys_and_masked_ones() {
    for (body, expected) in [
        (format!("bad key {KEY}."), "bad key [redacted].".to_owned()),
        (
            "Incorrect API key provided: sk-proj-***************************W1xY. You".into(),
            "Incorrect API key provided: [redacted]. You".into(),
        ),
        (
            "Incorrect API key provided: sk-ab***…***wxyz.".into(),
            "Incorrect API key provided: [redacted].".into(),
        ),
        (
            "Your api key: ****wxyz is invalid".into(),
            "Your api key: [redacted] is invalid".into(),
        ),
        (
            "Invalid API Key provided: sk_test_********1234".into(),
            "Invalid API Key provided: [redacted]".into(),
        ),
        (
            "Incorrect API key provided: xa***yz".into(),
            "Incorrect API key provided: [redacted]".into(),
        ),
        ("key sk-proj-aB…1xY is".into(), "key [redacted] is".into()),
        ("ends with ...vW1xY".into(), "ends with [redacted]".into()),
    ] {
        assert_eq!(error_body("openai", KEY, &body), expected);
    }
}

#[test]
fn prose_of_error_bodies_stays() {
    for body in [
        "Please wait... then retry.",
        "skip...more",
        "{\"error\":{\"message\":\"Rate limit reached for gpt-4o… see docs\"}}",
        "* item\n* other",
        "a ** b",
    ] {
        assert_eq!(error_body("openai", KEY, body), body);
    }
}

#[test]
fn other_keys_of_the_provider_are_taken_out_of_error_bodies() {
    let other = format!("sk-ant-api03-{}AA", "a1B2c3D4e5".repeat(10).split_at(93).0);
    let body = format!("key {other} is disabled");
    assert_eq!(error_body("anthropic", KEY, &body), "key [redacted] is disabled");
}

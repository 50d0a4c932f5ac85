use std::convert::identity;

use proptest::prelude::*;

use super::*;

/// Of each form one, which nobody ever had.
fn examples() -> Vec<(&'static str, String)> {
    let of = |letters: &str, count: usize| letters.chars().cycle().take(count).collect::<String>();
    let mixed = |count| of("aB3dE5fG7hJ9", count);
    let hex = |count| of("0a1b2c3d", count);
    vec![
        ("anthropic", format!("sk-ant-api03-{}", mixed(95))),
        ("openai", format!("sk-proj-{}", mixed(48))),
        ("openai", format!("sk-{}T3BlbkFJ{}", mixed(20), mixed(20))),
        ("openrouter", format!("sk-or-v1-{}", hex(64))),
        ("aws", format!("AKIA{}", of("ABC234", 16))),
        ("aws", format!("ASIA{}", of("XYZ567", 16))),
        ("github", format!("ghp_{}", mixed(36))),
        ("github", format!("github_pat_{}_{}", mixed(22), mixed(59))),
        ("gitlab", format!("glpat-{}", mixed(20))),
        ("google", format!("AIza{}", mixed(35))),
        ("stripe", format!("sk_live_{}", mixed(24))),
        ("slack", format!("xoxb-1234567890-{}", mixed(24))),
        ("npm", format!("npm_{}", mixed(36))),
        ("pypi", format!("pypi-AgEIcHlwaS5vcmc{}", mixed(60))),
        ("sendgrid", format!("SG.{}.{}", mixed(22), mixed(43))),
        ("huggingface", format!("hf_{}", of("aBcDeF", 34))),
        ("groq", format!("gsk_{}", mixed(52))),
        ("xai", format!("xai-{}", mixed(80))),
        ("digitalocean", format!("dop_v1_{}", hex(64))),
        ("shopify", format!("shpat_{}", hex(32))),
    ]
}

/// What passes of these chunks, and whether a key was found.
fn pass(takes_out: bool, chunks: &[&[u8]]) -> (Vec<u8>, Option<&'static str>) {
    let mut stray = Stray {
        told: Some(Told::to_nobody()),
        takes_out,
        kept: BytesMut::new(),
    };
    let mut passed = Vec::new();
    for chunk in chunks {
        passed.extend_from_slice(&stray.push(Bytes::copy_from_slice(chunk)));
    }
    passed.extend_from_slice(&stray.finish());
    (passed, stray.told.and_then(|told| told.form))
}

#[test]
fn each_form_is_known_wherever_it_is_cut() {
    let found: std::collections::BTreeSet<_> = examples().iter().map(|(form, _)| *form).collect();
    assert_eq!(found, FORMS.iter().map(|(form, _)| *form).collect());
    for (form, key) in examples() {
        assert!(key.len() < LONGEST);
        let text = format!("{{\"token\":\"{key}\",\"more\":1}}");
        let clean = text.replace(&key, &"*".repeat(key.len()));
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let blocked = (clean.clone().into_bytes(), Some(form));
            assert_eq!(pass(true, &[head, tail]), blocked, "{key} cut at {cut}");
            let flagged = (text.clone().into_bytes(), Some(form));
            assert_eq!(pass(false, &[head, tail]), flagged, "{key} cut at {cut}");
        }
        let single: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(pass(true, &single), (clean.into_bytes(), Some(form)));
        assert_eq!(pass(false, &single), (text.clone().into_bytes(), Some(form)));
    }
}

#[test]
fn prose_identifiers_and_masked_keys_are_none() {
    for text in [
        "a task-proj-description of sk- and ghp_ keys: sk-proj-***************************************abcd",
        "chatcmpl-aB3dE5fG7hJ9aB3dE5fG7hJ9 req_011CSHoEeqs5C35K2UUqR7Fy msg_01XFDUDYJgAACzvnptvVoYEL",
        "MAKIAABCDEFGHIJKLMNOP AKIAABCDEFGHIJKLMNOPQRSTUV AKIA",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "sk_test_aB3dE5fG7hJ9aB3dE5fG7hJ9 pk_live_aB3dE5fG7hJ9aB3dE5fG7hJ9",
    ] {
        assert_eq!(pass(true, &[text.as_bytes()]), (text.into(), None));
        let single: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(pass(false, &single), (text.into(), None));
    }
}

#[test]
fn an_event_of_a_stream_is_not_held_back() {
    let mut stray = Stray {
        told: Some(Told::to_nobody()),
        takes_out: true,
        kept: BytesMut::new(),
    };
    for event in ["data: {\"delta\":\"sk-\"}\n\n", "data: [DONE]\n\n"] {
        assert_eq!(stray.push(event.into()), event);
    }
}

proptest! {
    /// However text with keys arrives, what passes is the same, and with `flag` it is what came.
    #[test]
    fn chunks_make_no_difference(
        parts in prop::collection::vec(prop_oneof![
            (0..20_usize).prop_map(|at| examples()[at].1.clone()),
            "[ -~]{0,40}",
            "[a-zA-Z0-9_.-]{0,300}".prop_map(identity),
            Just("\n\n".to_owned()),
        ], 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = parts.join(" ").into_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let whole = pass(true, &[&text]);
        prop_assert_eq!(pass(true, &chunks).0.len(), text.len());
        let (passed, found) = pass(false, &chunks);
        prop_assert_eq!(&passed, &text);
        // A run of key letters that is longer than any key is passed on as it comes: only such a run may differ.
        let longest = text.split(|byte| !is_of_a_key(*byte)).map(<[u8]>::len).max().unwrap_or(0);
        if longest <= LONGEST {
            prop_assert_eq!(found, whole.1);
            prop_assert_eq!(pass(true, &chunks), whole);
        }
    }
}

proptest! {
    #[test]
    fn every_key_is_a_run_that_is_held_back(
        key in prop::sample::select(FORMS.map(|(_, form)| form.replace(r"(?-u:\b)", "")).to_vec())
            .prop_flat_map(|form| prop::string::string_regex(&form).unwrap()),
    ) {
        prop_assert!(key.len() < LONGEST, "{}", key);
        prop_assert!(key.bytes().all(is_of_a_key), "{}", key);
    }
}

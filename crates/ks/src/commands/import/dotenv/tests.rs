use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn read(text: &str) -> Vec<(String, String)> {
    let file = Dotenv::parse(text).unwrap_or_else(|line| panic!("line {line} of {text:?}"));
    let pairs = file
        .assigned()
        .iter()
        .map(|one| (one.name.clone(), one.value.to_string()));
    pairs.collect()
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, Change> {
    let set = |(name, value): &(&str, &str)| ((*name).to_owned(), Change::Set((*value).to_owned()));
    pairs.iter().map(set).collect()
}

#[test]
fn values_are_read_as_every_reader_does() {
    let text = "\u{feff}# A=no\n\nA=one\nexport B = two words # a comment\nC='a#b\nnext'\nD=\"x\\\"y\\n\" # z\nE=\nF=a#b\r\nG=`q`\rH= # none\nJ=#fff\nnot one\nexport\tI=1";
    let expected = [
        ("A", "one"),
        ("B", "two words"),
        ("C", "a#b\nnext"),
        ("D", "x\"y\n"),
        ("E", ""),
        ("F", "a#b"),
        ("G", "q"),
        ("H", ""),
        ("J", "#fff"),
        ("I", "1"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read(text), expected);
}

#[test]
fn what_readers_do_not_agree_on_is_refused_by_its_line() {
    for (text, line) in [
        ("A=1\nB='open", 2),
        ("A=\"begun\nended\nB=1", 1),
        ("A='x'y", 1),
        ("A B=1", 1),
        ("\r\n\r\n=1", 3),
        ("A='it\\'s'", 1),
        ("A='x\\", 1),
    ] {
        assert_eq!(Dotenv::parse(text).err(), Some(line), "{text}");
    }
}

#[test]
fn a_value_is_put_where_there_was_none() {
    for (before, after) in [
        ("A=", "A=x"),
        ("A= # why", "A=x # why"),
        ("A=''", "A='x'"),
        ("A=\r\n", "A=x\r\n"),
    ] {
        let file = Dotenv::parse(before).unwrap();
        let changed = file.changed(&set(&[("A", "x")]), &BTreeMap::new());
        assert_eq!(changed.as_str(), after);
        assert_eq!(read(&changed), [("A".to_owned(), "x".to_owned())]);
    }
}

#[test]
fn only_the_value_is_replaced() {
    let text = "# keys\nexport OPENAI_API_KEY='sk-1' # mine\nDEBUG = 1\r\nURL= x\nRESEND_API_KEY=re_1 # ours\nURL=\"y\"";
    let file = Dotenv::parse(text).unwrap();
    let mut changes = set(&[("OPENAI_API_KEY", "ks_1"), ("URL", "http://proxy")]);
    changes.insert(
        "RESEND_API_KEY".to_owned(),
        Change::TakeOut("RESEND_API_KEY is away".to_owned()),
    );
    let added = ["URL", "KS_TOKEN"].map(|name| (name.to_owned(), "added".to_owned()));
    assert_eq!(
        file.changed(&changes, &BTreeMap::from(added)).as_str(),
        "# keys\nexport OPENAI_API_KEY='ks_1' # mine\nDEBUG = 1\r\nURL= http://proxy\n# RESEND_API_KEY is away # ours\n\
         URL=\"http://proxy\"\r\nKS_TOKEN=added\r\n"
    );
}

/// A line of a generated file: what stands around the value, and the value as it is written and as it is meant.
#[derive(Debug, Clone)]
struct Piece {
    before: String,
    variable: Option<(String, String, String)>,
    after: String,
}

fn written(pieces: &[Piece], new: &BTreeMap<String, String>) -> String {
    let each = pieces.iter().map(|piece| {
        let value = piece
            .variable
            .as_ref()
            .map_or("", |(name, value, _)| new.get(name).unwrap_or(value));
        format!("{}{value}{}", piece.before, piece.after)
    });
    each.collect()
}

fn ending() -> impl Strategy<Value = &'static str> {
    select(vec!["\n", "\r\n", "\n\n", " \n", "\t\r\n"])
}

fn name() -> impl Strategy<Value = String> {
    // Few, so that names stand twice.
    select(vec!["A", "OPENAI_API_KEY", "app.key", "B-2", "export_x"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = (&'static str, String, String)> {
    let plain = "[a-zA-Z0-9_/:#.$-]{1,20}".prop_filter("a comment", |text| !text.starts_with('#'));
    prop_oneof![
        plain.prop_map(|text| ("", text.clone(), text)),
        "[^'\\\\]{0,20}".prop_map(|text| ("'", text.clone(), text)),
        "[^`\\\\]{0,20}".prop_map(|text| ("`", text.clone(), text)),
        "[a-z \"\\\\\n#='é]{0,20}".prop_map(|text| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            ("\"", escaped, text)
        }),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let comment = ("[ \t]{0,2}(#[^\r\n]{0,20})?", ending()).prop_map(|(text, ending)| Piece {
        before: text,
        variable: None,
        after: ending.to_owned(),
    });
    let comments = option::of("[^\r\n]{0,10}".prop_map(|text| format!(" #{text}")));
    let exports = select(vec!["", "", "export ", "  export\t", "\t"]);
    let equals = select(vec!["=", " = ", "= ", "\t="]);
    let line = (exports, name(), equals, value(), comments, ending()).prop_map(
        |(export, name, equals, (quote, value, meant), comment, ending)| Piece {
            before: format!("{export}{name}{equals}{quote}"),
            variable: Some((name, value, meant)),
            after: format!("{quote}{}{ending}", comment.unwrap_or_default()),
        },
    );
    prop_oneof![1 => comment, 3 => line]
}

proptest! {
    #[test]
    fn a_file_is_read_as_it_was_meant_and_only_values_change(
        pieces in vec(piece(), 0..12),
        bom in any::<bool>(),
        replaced in vec(name(), 0..3),
    ) {
        let bom = if bom { "\u{feff}" } else { "" };
        let text = format!("{bom}{}", written(&pieces, &BTreeMap::new()));
        let meant: Vec<_> = pieces.iter().filter_map(|piece| piece.variable.clone()).collect();
        let pairs: Vec<_> = meant.iter().map(|(name, _, value)| (name.clone(), value.clone())).collect();
        prop_assert_eq!(read(&text), pairs);
        let file = Dotenv::parse(&text).unwrap();
        prop_assert!(*file.changed(&BTreeMap::new(), &BTreeMap::new()) == text);
        let new: BTreeMap<_, _> = replaced.iter().map(|name| (name.clone(), format!("ks_of_{name}"))).collect();
        let changes = new.iter().map(|(name, value)| (name.clone(), Change::Set(value.clone()))).collect();
        let after = file.changed(&changes, &BTreeMap::new());
        prop_assert_eq!(after.as_str(), &format!("{bom}{}", written(&pieces, &new)));
        let values: Vec<_> = meant
            .into_iter()
            .map(|(name, _, value)| (name.clone(), new.get(&name).cloned().unwrap_or(value)))
            .collect();
        prop_assert_eq!(read(&after), values);
    }

    #[test]
    fn whatever_can_be_read_stays_where_nothing_changes(text in "[A=\"'`#\\\\ \n\réx]{0,30}") {
        if let Ok(file) = Dotenv::parse(&text) {
            prop_assert!(*file.changed(&BTreeMap::new(), &BTreeMap::new()) == text);
            let before: Vec<_> = read(&text);
            let taken = before.iter().map(|(name, _)| (name.clone(), Change::TakeOut("away".to_owned()))).collect();
            let after = file.changed(&taken, &BTreeMap::new());
            prop_assert_eq!(read(&after), vec![], "nothing is assigned any more");
        }
    }
}

//! Writing into a body without touching what stands there.

use std::fmt::Write;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Edits, Layout, Object, OutputCap};

/// The body with `edits`, every other byte as it was. `layout` must have been read from these very bytes.
pub fn splice(body: &Bytes, layout: &Layout, edits: Edits) -> Bytes {
    let mut patches = Vec::new();
    let mut members = String::new();
    if edits.include_usage {
        include_usage(layout, &mut patches, &mut members);
    }
    if let Some((member, cap)) = edits.output_cap {
        output_cap(layout, member, cap, &mut patches, &mut members);
    }
    if !members.is_empty() {
        patches.push(insertion(layout.top, members));
    }
    if patches.is_empty() {
        return body.clone();
    }
    patches.sort_by_key(|(place, _)| place.start);
    apply(body, &patches)
}

type Patch = (Range<usize>, String);

fn apply(body: &Bytes, patches: &[Patch]) -> Bytes {
    let added: usize = patches.iter().map(|(_, text)| text.len()).sum();
    let mut spliced = BytesMut::with_capacity(body.len() + added);
    let mut from = 0;
    for (place, text) in patches {
        spliced.extend_from_slice(&body[from..place.start]);
        spliced.extend_from_slice(text.as_bytes());
        from = place.end;
    }
    spliced.extend_from_slice(&body[from..]);
    spliced.freeze()
}

fn insertion(object: Object, mut members: String) -> Patch {
    if !object.empty {
        members.push(',');
    }
    (object.inside..object.inside, members)
}

fn include_usage(layout: &Layout, patches: &mut Vec<Patch>, members: &mut String) {
    let Some(options) = &layout.stream_options else {
        members.push_str(r#""stream_options":{"include_usage":true}"#);
        return;
    };
    patches.push(match (&options.include_usage, options.object) {
        (Some(value), _) => (value.clone(), "true".to_owned()),
        (None, Some(object)) => insertion(object, r#""include_usage":true"#.to_owned()),
        (None, None) => (options.value.clone(), r#"{"include_usage":true}"#.to_owned()),
    });
}

fn output_cap(layout: &Layout, member: OutputCap, cap: u64, patches: &mut Vec<Patch>, members: &mut String) {
    if let Some(value) = &layout.caps[member as usize] {
        patches.push((value.clone(), cap.to_string()));
        return;
    }
    let separator = if members.is_empty() { "" } else { "," };
    // Writing to a `String` cannot fail.
    let _ = write!(members, "{separator}\"{}\":{cap}", member.as_str());
}

//! Writing into a body without touching what stands there.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Edits, Layout, Nested, Object, OutputCap};

/// The body with `edits`, every other byte as it was. `layout` must have been read from these very bytes.
pub fn splice(body: &Bytes, layout: &Layout, edits: Edits<'_>) -> Bytes {
    let mut patches = Vec::new();
    let mut members = String::new();
    if edits.include_usage {
        include_usage(layout, &mut patches, &mut members);
    }
    if let Some((member, cap)) = edits.output_cap {
        output_cap(layout, member, cap, &mut patches, &mut members);
    }
    if let Some((member, value)) = edits.end_user {
        add(
            &mut members,
            &match member.split_once('.') {
                Some((object, name)) => format!("\"{object}\":{{\"{name}\":\"{value}\"}}"),
                None => format!("\"{member}\":\"{value}\""),
            },
        );
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
    nested(
        layout.stream_options.as_ref(),
        "stream_options",
        ("include_usage", "true"),
        patches,
        members,
    );
}

fn output_cap(layout: &Layout, member: OutputCap, cap: u64, patches: &mut Vec<Patch>, members: &mut String) {
    let cap = cap.to_string();
    let (object, name) = member.place();
    if let Some(object) = object {
        return nested(layout.config.as_ref(), object, (name, &cap), patches, members);
    }
    match &layout.caps[member as usize] {
        Some(value) => patches.push((value.clone(), cap)),
        None => add(members, &format!("\"{name}\":{cap}")),
    }
}

/// Sets a member of an object: in the object, in place of what is none, or with a new one.
fn nested(
    place: Option<&Nested>,
    object: &str,
    (name, value): (&str, &str),
    patches: &mut Vec<Patch>,
    members: &mut String,
) {
    let member = format!("\"{name}\":{value}");
    let Some(place) = place else {
        return add(members, &format!("\"{object}\":{{{member}}}"));
    };
    patches.push(match (&place.member, place.object) {
        (Some(old), _) => (old.clone(), value.to_owned()),
        (None, Some(object)) => insertion(object, member),
        (None, None) => (place.value.clone(), format!("{{{member}}}")),
    });
}

fn add(members: &mut String, member: &str) {
    if !members.is_empty() {
        members.push(',');
    }
    members.push_str(member);
}

//! A body that is full of the request's own credential, written in every form in which a vendor might give it back, and cut everywhere.

use std::collections::VecDeque;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;

/// Lengths of the pieces, one after the other, again and again: none shares a factor with the others, so that in time every place is a border.
const LENGTHS: [usize; 5] = [16_381, 1, 7, 1_021, 131];

/// About `length` bytes, at least once every form, in pieces.
pub(super) fn body(key: &str, length: u64) -> VecDeque<Bytes> {
    let block = Bytes::from(forms(key));
    let (mut pieces, mut made, mut at) = (VecDeque::new(), 0, 0);
    for piece in LENGTHS.into_iter().cycle() {
        if made >= length && at == 0 {
            return pieces;
        }
        let piece = block.slice(at..block.len().min(at + piece));
        at = (at + piece.len()) % block.len();
        made += piece.len() as u64;
        pieces.push_back(piece);
    }
    pieces
}

/// Every form among words.
fn forms(key: &str) -> String {
    let digits = |form: fn(u8) -> String| key.bytes().map(form).collect::<String>();
    let mut text = format!("plain {key}, {{\"quoted\":\"{key}\"}}\r\n");
    let mut add = |name: &str, form: String| writeln!(text, "{name}: {form};").unwrap_or(());
    add("hex", digits(|byte| format!("{byte:02x}")));
    add("HEX", digits(|byte| format!("{byte:02X}")));
    add("percent", digits(|byte| format!("%{byte:02x}")));
    add("PERCENT", digits(|byte| format!("%{byte:02X}")));
    for before in ["", "a", "ab"] {
        for after in ["", "z"] {
            let around = format!("{before}{key}{after}");
            add("base64", STANDARD.encode(&around));
            add("base64url", URL_SAFE.encode(&around));
        }
    }
    text
}

//! Cells of tables for spreadsheets (RFC 4180).

/// Text that others chose: what a spreadsheet would take for a formula is made text by an apostrophe.
pub fn text(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// A cell, in quotes where it must be.
pub fn cell(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

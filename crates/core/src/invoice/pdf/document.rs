//! As much of PDF as an invoice needs: pages with text and lines.

use std::fmt::Write as _;

/// A font that every reader has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    /// Helvetica.
    Plain,
    /// Helvetica-Bold.
    Bold,
}

/// The widths of the characters from space to `~` in thousandths of the size, as Adobe's metrics of Helvetica have them.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// What letters outside of the table have at most, nearly all of them.
const OTHER: u16 = 778;

/// How wide a text is, in points; a little more than it is in bold, which is never set close to anything.
pub(super) fn width(font: Font, size: f32, text: &str) -> f32 {
    let of = |character: char| {
        let place = (character as usize).checked_sub(0x20);
        place
            .and_then(|place| WIDTHS.get(place))
            .copied()
            .unwrap_or(OTHER)
    };
    let thousandths: f32 = text.chars().map(|character| f32::from(of(character))).sum();
    let wider = if font == Font::Bold { 1.08 } else { 1.0 };
    thousandths * size / 1_000.0 * wider
}

/// The document that is being written.
#[derive(Default)]
pub(super) struct Document {
    /// The content of each page.
    pages: Vec<Vec<u8>>,
}

impl Document {
    /// Begins a page.
    pub(super) fn page(&mut self) {
        self.pages.push(Vec::new());
    }

    fn content(&mut self) -> &mut Vec<u8> {
        if self.pages.is_empty() {
            self.page();
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    /// Sets a text, in points from the lower left corner.
    pub(super) fn text(&mut self, font: Font, size: f32, x: f32, y: f32, text: &str) {
        let font = match font {
            Font::Plain => "F1",
            Font::Bold => "F2",
        };
        let content = self.content();
        content.extend(format!("BT /{font} {size:.0} Tf {x:.2} {y:.2} Td (").bytes());
        for byte in text.chars().map(windows_1252) {
            if matches!(byte, b'(' | b')' | b'\\') {
                content.push(b'\\');
            }
            content.push(byte);
        }
        content.extend(b") Tj ET\n");
    }

    /// Draws a level line.
    pub(super) fn rule(&mut self, from: f32, to: f32, y: f32) {
        let line = format!("0.5 w {from:.2} {y:.2} m {to:.2} {y:.2} l S\n");
        self.content().extend(line.bytes());
    }

    /// The bytes of the file.
    pub(super) fn finish(self) -> Vec<u8> {
        // Objects: 1 the catalog, 2 the list of pages, 3 and 4 the fonts, then a page and its content in turn.
        let count = self.pages.len();
        let kids: String = (0..count).fold(String::new(), |mut kids, page| {
            // Writing to a string does not fail.
            let _ = write!(kids, "{} 0 R ", 5 + 2 * page);
            kids
        });
        let font = |name: &str| {
            format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>")
                .into_bytes()
        };
        let mut objects = vec![
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            format!("<< /Type /Pages /Count {count} /Kids [ {kids}] >>").into_bytes(),
            font("Helvetica"),
            font("Helvetica-Bold"),
        ];
        for (page, content) in self.pages.into_iter().enumerate() {
            objects.push(
                format!(
                    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
                     /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
                    6 + 2 * page
                )
                .into_bytes(),
            );
            let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
            stream.extend(content);
            stream.extend(b"\nendstream");
            objects.push(stream);
        }
        written(&objects)
    }
}

/// The file with these objects, numbered from 1 on.
fn written(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(objects) {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 1);
    file.extend(
        format!(
            "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        )
        .bytes(),
    );
    file
}

/// A character in the encoding of the fonts; `?` for one that it does not have, and for control characters.
fn windows_1252(character: char) -> u8 {
    /// The characters from 0x80 to 0x9f; five places are free.
    const SPECIAL: &str = "€\u{0}‚ƒ„…†‡ˆ‰Š‹Œ\u{0}Ž\u{0}\u{0}‘’“”•–—˜™š›œ\u{0}žŸ";
    match u8::try_from(character) {
        Ok(byte @ (0x20..=0x7e | 0xa0..=0xff)) => byte,
        Ok(_) => b'?',
        Err(_) => {
            let place = SPECIAL.chars().position(|special| special == character);
            place
                .and_then(|place| u8::try_from(place).ok())
                .map_or(b'?', |place| 0x80 + place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_those_of_the_encoding() {
        let encoded: Vec<u8> = "Zürich €–…Ÿ 日\n".chars().map(windows_1252).collect();
        assert_eq!(encoded, b"Z\xfcrich \x80\x96\x85\x9f ??");
    }

    #[test]
    fn a_text_cannot_end_its_string() {
        let mut document = Document::default();
        document.text(Font::Plain, 8.0, 1.0, 2.0, r"a) Tj (\");
        let file = document.finish();
        let written = String::from_utf8_lossy(&file);
        assert!(written.contains(r"(a\) Tj \(\\) Tj ET"), "{written}");
    }

    #[test]
    fn the_table_points_at_every_object() {
        let mut document = Document::default();
        document.text(Font::Bold, 8.0, 1.0, 2.0, "one");
        document.page();
        document.rule(1.0, 2.0, 3.0);
        let file = document.finish();
        let text = String::from_utf8_lossy(&file[file.len() - 600..]).into_owned();
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        let table = std::str::from_utf8(&file[start..]).unwrap();
        let places = table.lines().skip(3).take(8);
        for (number, place) in (1..).zip(places) {
            let at: usize = place[..10].parse().unwrap();
            assert!(file[at..].starts_with(format!("{number} 0 obj\n").as_bytes()));
        }
        assert!(table.contains("/Size 9"));
    }
}

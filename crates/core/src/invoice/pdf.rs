//! An invoice as a PDF (ISO 32000-1): text in two of the fonts that every reader has, lines, and nothing else. No time and no
//! id is in it, so the same invoice is always the same bytes.

mod document;

use document::{Document, Font, width};

use super::{Invoice, Line, Party, shown};

/// Points of an A4 page, and what is left free around.
const HEIGHT: f32 = 842.0;
const LEFT: f32 = 40.0;
const RIGHT: f32 = 555.0;
const TOP: f32 = HEIGHT - 50.0;
const BOTTOM: f32 = 50.0;

/// Size of the text, and from one row to the next.
const SIZE: f32 = 8.0;
const ROW: f32 = 13.0;

/// The left edges of the columns with text, and where each ends; the right edges of those with numbers.
const TEXTS: [(&str, f32, f32); 4] = [
    ("Project", LEFT, 120.0),
    ("Provider", 125.0, 190.0),
    ("Model", 195.0, 305.0),
    ("Item", 310.0, 372.0),
];
const NUMBERS: [(&str, f32); 3] = [("Units", 420.0), ("Calls", 450.0), ("USD", RIGHT)];

pub(super) fn pdf(invoice: &Invoice) -> Vec<u8> {
    let mut sheet = Sheet {
        document: Document::default(),
        number: &invoice.number,
        y: 0.0,
    };
    sheet.first_page(invoice);
    sheet.columns();
    for line in &invoice.lines {
        if sheet.y < BOTTOM {
            sheet.next_page();
            sheet.columns();
        }
        sheet.line(line);
    }
    sheet.sums(invoice);
    sheet.document.finish()
}

struct Sheet<'a> {
    document: Document,
    number: &'a str,
    /// Where the next row stands.
    y: f32,
}

impl Sheet<'_> {
    fn text(&mut self, font: Font, size: f32, x: f32, text: &str) {
        self.document.text(font, size, x, self.y, text);
    }

    fn right(&mut self, font: Font, x: f32, text: &str) {
        let from = x - width(font, SIZE, text);
        self.document.text(font, SIZE, from, self.y, text);
    }

    fn first_page(&mut self, invoice: &Invoice) {
        self.document.page();
        self.y = TOP;
        let title = format!("Invoice {}", self.number);
        self.text(Font::Bold, 16.0, LEFT, &title);
        self.y -= 20.0;
        let about = format!("Usage in {}, issued on {}", invoice.month, invoice.issued_on);
        self.text(Font::Plain, SIZE, LEFT, &about);
        self.y -= 2.0 * ROW;
        let top = self.y;
        let left = self.party(LEFT, "From", &invoice.seller);
        self.y = top;
        let right = self.party(310.0, "To", &invoice.buyer);
        self.y = left.min(right) - ROW;
    }

    fn party(&mut self, x: f32, title: &str, party: &Party) -> f32 {
        self.text(Font::Bold, SIZE, x, title);
        for line in shown::party(party) {
            self.y -= ROW;
            self.text(Font::Plain, SIZE, x, &shortened(Font::Plain, &line, 240.0));
        }
        self.y - ROW
    }

    fn next_page(&mut self) {
        self.document.page();
        self.y = TOP;
        let title = format!("Invoice {}, continued", self.number);
        self.text(Font::Bold, SIZE, LEFT, &title);
        self.y -= 2.0 * ROW;
    }

    fn columns(&mut self) {
        for (name, left, _) in TEXTS {
            self.text(Font::Bold, SIZE, left, name);
        }
        for (name, right) in NUMBERS {
            self.right(Font::Bold, right, name);
        }
        self.document.rule(LEFT, RIGHT, self.y - 3.0);
        self.y -= ROW;
    }

    fn line(&mut self, line: &Line) {
        let texts = [&line.project, &line.provider, &line.model, &line.item];
        for ((_, left, right), text) in TEXTS.into_iter().zip(texts) {
            self.text(
                Font::Plain,
                SIZE,
                left,
                &shortened(Font::Plain, text, right - left),
            );
        }
        let numbers = [
            line.units.to_string(),
            line.calls.to_string(),
            shown::amount(line),
        ];
        for ((_, right), text) in NUMBERS.into_iter().zip(numbers) {
            self.right(Font::Plain, right, &text);
        }
        self.y -= ROW;
    }

    fn sums(&mut self, invoice: &Invoice) {
        let sums = shown::sums(invoice);
        self.document.rule(LEFT, RIGHT, self.y + ROW - 3.0);
        for (name, amount) in sums {
            if self.y < BOTTOM {
                self.next_page();
            }
            self.right(Font::Bold, 450.0, &shortened(Font::Bold, &name, 400.0));
            self.right(Font::Plain, RIGHT, &amount.to_string());
            self.y -= ROW;
        }
    }
}

/// The text, or as much of it as has room, and an ellipsis.
fn shortened(font: Font, text: &str, room: f32) -> String {
    if width(font, SIZE, text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(font, SIZE, &kept) + width(font, SIZE, "…") > room {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

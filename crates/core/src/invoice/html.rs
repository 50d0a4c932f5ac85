//! An invoice as a page.

use std::fmt;

use super::{Invoice, Party, shown};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;color:#111;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}table{border-collapse:collapse;width:100%}th,td{padding:.25rem .5rem;text-align:left;vertical-align:top;\
border-bottom:1px solid #ddd;overflow-wrap:anywhere}.n{text-align:right;white-space:nowrap}.parties{display:flex;gap:4rem;margin-bottom:1.5rem}\
.parties p{white-space:pre-line;margin:0}thead{display:table-header-group}tr{break-inside:avoid}\
@page{size:A4;margin:15mm}@media print{body{margin:0;max-width:none}}";

pub(super) fn html(invoice: &Invoice) -> String {
    let number = Escaped(&invoice.number);
    let lines: String = invoice
        .lines
        .iter()
        .map(|line| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                Escaped(&line.project),
                Escaped(&line.provider),
                Escaped(&line.model),
                Escaped(&line.item),
                line.units,
                line.calls,
                Escaped(&shown::amount(line)),
            )
        })
        .collect();
    let sums: String = shown::sums(invoice)
        .iter()
        .map(|(name, amount)| {
            format!(
                "<tr><th colspan=\"6\" class=\"n\">{}</th><td class=\"n\">{amount}</td></tr>\n",
                Escaped(name)
            )
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Invoice {number}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n\
         <h1>Invoice {number}</h1>\n<p>Usage in {}, issued on {}</p>\n\
         <div class=\"parties\"><p><strong>From</strong>\n{}</p><p><strong>To</strong>\n{}</p></div>\n\
         <table><thead><tr><th>Project</th><th>Provider</th><th>Model</th><th>Item</th><th class=\"n\">Units</th>\
         <th class=\"n\">Calls</th><th class=\"n\">USD</th></tr></thead>\n<tbody>\n{lines}</tbody>\n<tfoot>\n{sums}</tfoot></table>\n\
         </body></html>\n",
        invoice.month,
        Escaped(&invoice.issued_on),
        party(&invoice.seller),
        party(&invoice.buyer),
    )
}

fn party(party: &Party) -> String {
    let lines = shown::party(party);
    lines.map(|line| format!("{}\n", Escaped(&line))).collect()
}

/// A text that is only that, in an element or in an attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

//! An invoice for spreadsheets.

use super::{BilledBy, Invoice};
use crate::csv::{cell, text};

const HEAD: &str = "invoice,month,billed_by,project,provider,model,item,units,calls,exact_usd,amount_usd\r\n";

pub(super) fn csv(invoice: &Invoice) -> String {
    let mut out = HEAD.to_owned();
    let mut row = |cells: [&str; 11]| {
        out.push_str(&cells.map(cell).join(","));
        out.push_str("\r\n");
    };
    let (number, month) = (invoice.number.as_str(), invoice.month.to_string());
    for line in &invoice.lines {
        let billed_by = match line.billed_by {
            BilledBy::Operator => "operator",
            BilledBy::Provider => "provider",
        };
        row([
            number,
            &month,
            billed_by,
            &text(&line.project),
            &text(&line.provider),
            &text(&line.model),
            &text(&line.item),
            &line.units.to_string(),
            &line.calls.to_string(),
            &line.exact.to_string(),
            &line.amount.to_string(),
        ]);
    }
    for tax in &invoice.taxes {
        let (base, amount) = (tax.base.to_string(), tax.amount.to_string());
        let item = text(&tax.name);
        row([
            number, &month, "operator", "", "", "", &item, "", "", &base, &amount,
        ]);
    }
    out
}

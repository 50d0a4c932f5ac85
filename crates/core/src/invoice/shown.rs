//! What every form of an invoice shows in the same words.

use super::{BilledBy, Invoice, Line, Party, TaxLine};
use crate::money::NanoUsd;

/// What a line costs: in cents, or who bills it.
pub(super) fn amount(line: &Line) -> String {
    match line.billed_by {
        BilledBy::Operator => line.amount.to_string(),
        BilledBy::Provider => format!("{} (billed by provider)", line.amount),
    }
}

/// A tax with its rate in percent: `VAT (19 %)`.
pub(super) fn tax(tax: &TaxLine) -> String {
    let (percent, tenths) = (tax.per_mille / 10, tax.per_mille % 10);
    match tenths {
        0 => format!("{} ({percent} %)", tax.name),
        _ => format!("{} ({percent}.{tenths} %)", tax.name),
    }
}

/// The sums below the lines, in order.
pub(super) fn sums(invoice: &Invoice) -> Vec<(String, NanoUsd)> {
    let mut sums = vec![("Subtotal".to_owned(), invoice.subtotal)];
    sums.extend(invoice.taxes.iter().map(|line| (tax(line), line.amount)));
    sums.push(("Total".to_owned(), invoice.total));
    if invoice.from_credit > NanoUsd::ZERO {
        sums.push(("Paid from credit".to_owned(), invoice.from_credit));
    }
    if invoice.from_credit < NanoUsd::ZERO {
        let before = invoice.due.checked_sub(invoice.total).unwrap_or(NanoUsd::ZERO);
        sums.push(("Open from before".to_owned(), before));
    }
    sums.push(("Amount due (USD)".to_owned(), invoice.due));
    sums
}

/// The lines that name a party.
pub(super) fn party(party: &Party) -> impl Iterator<Item = String> {
    let tax_id = party.tax_id.as_ref().map(|id| format!("Tax id: {id}"));
    [party.name.clone()]
        .into_iter()
        .chain(party.address.iter().cloned())
        .chain(tax_id)
}

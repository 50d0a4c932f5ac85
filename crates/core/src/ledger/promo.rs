//! What is left of credit that was given away.
//!
//! Charges use such credit before any other, and of several grants the one that ends first. What a grant is worth at its end follows
//! from what the customer was charged, all in all, when it was given and when others ended.

use crate::ids::TransactionId;
use crate::money::NanoUsd;
use crate::time::Micros;

/// Credit that was given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The transaction that gave it.
    pub id: TransactionId,
    /// How much it was, more than nothing.
    pub amount: NanoUsd,
    /// When it ends; `None`: never.
    pub expires_at: Option<Micros>,
    /// What the customer had been charged, ever, when it was given.
    pub charged_before: NanoUsd,
    /// The same when it ended; `None` while it lasts.
    pub charged_at_end: Option<NanoUsd>,
}

/// What is left of each of a customer's grants, in the order in which they are used, now that it has been charged `charged`. `grants` are
/// those that were ever given; of one that ended, it is what was left at its end.
pub fn unused(grants: &[Grant], charged: NanoUsd) -> Vec<(Grant, NanoUsd)> {
    let mut left: Vec<_> = grants.iter().map(|grant| (*grant, grant.amount.0)).collect();
    left.sort_by_key(|(grant, _)| (grant.expires_at.unwrap_or(Micros(i64::MAX)), grant.id));
    // Between two of these, the same grants are there.
    let mut marks: Vec<i64> = grants
        .iter()
        .flat_map(|grant| [Some(grant.charged_before), grant.charged_at_end])
        .flatten()
        .map(|mark| mark.0)
        .chain([charged.0])
        .collect();
    marks.sort_unstable();
    for span in marks.windows(2) {
        let (from, to) = (span[0], span[1]);
        let mut used = to.saturating_sub(from);
        for (grant, left) in &mut left {
            let lasts = grant.charged_at_end.is_none_or(|end| to <= end.0);
            if grant.charged_before.0 <= from && lasts {
                let taken = used.min(*left);
                (used, *left) = (used - taken, *left - taken);
            }
        }
    }
    left.into_iter()
        .map(|(grant, left)| (grant, NanoUsd(left)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn grant(id: u128, amount: i64, expires: Option<i64>, before: i64, end: Option<i64>) -> Grant {
        Grant {
            id: TransactionId::new(Uuid::from_u128(id)),
            amount: NanoUsd(amount),
            expires_at: expires.map(Micros),
            charged_before: NanoUsd(before),
            charged_at_end: end.map(NanoUsd),
        }
    }

    fn left(grants: &[Grant], charged: i64) -> Vec<i64> {
        let mut left = unused(grants, NanoUsd(charged));
        left.sort_by_key(|(grant, _)| grant.id);
        left.into_iter().map(|(_, left)| left.0).collect()
    }

    #[test]
    fn charges_use_it_up_and_no_more() {
        let one = [grant(1, 100, Some(9), 40, None)];
        assert_eq!(left(&one, 40), [100]);
        assert_eq!(left(&one, 100), [40]);
        assert_eq!(left(&one, 1_000), [0]);
    }

    #[test]
    fn what_ends_first_is_used_first() {
        let two = [grant(1, 100, None, 0, None), grant(2, 50, Some(9), 0, None)];
        assert_eq!(left(&two, 30), [100, 20]);
        assert_eq!(left(&two, 70), [80, 0]);
    }

    #[test]
    fn a_grant_pays_only_for_what_was_charged_while_it_lasted() {
        // 1 lasts from the charge 0 to 30, 2 from 20 on.
        let two = [
            grant(1, 100, Some(5), 0, Some(30)),
            grant(2, 100, Some(9), 20, None),
        ];
        assert_eq!(left(&two, 30), [70, 100]);
        assert_eq!(left(&two, 60), [70, 70]);
    }

    #[test]
    fn a_charge_that_was_undone_does_not_count() {
        // The sum of charges went back behind the grant.
        assert_eq!(left(&[grant(1, 100, None, 50, None)], 20), [100]);
    }

    #[test]
    fn the_edges_do_not_wrap() {
        let grants = [
            grant(1, i64::MAX, None, i64::MIN, None),
            grant(2, 1, None, 0, None),
        ];
        assert_eq!(left(&grants, i64::MAX)[1], 0);
    }
}

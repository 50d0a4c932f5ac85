//! Random transactions balance, and add up to nothing, up to the edges of the range.

use super::*;
use proptest::prelude::*;
use uuid::Uuid;

fn about(id: u128) -> About {
    About {
        id: TransactionId::new(Uuid::from_u128(id)),
        org: OrgId::new(Uuid::from_u128(1)),
        at: Micros(5),
        subject: String::new(),
        memo: String::new(),
    }
}

/// Amounts as they occur, and those at the edges.
fn amount() -> impl Strategy<Value = NanoUsd> {
    prop_oneof![
        8 => 1..1_000_000_000_000_i64,
        2 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ]
    .prop_map(NanoUsd)
}

/// One of every kind, from three amounts.
fn make(kind: usize, [a, b, c]: [NanoUsd; 3]) -> Result<Transaction, LedgerError> {
    let about = about(kind as u128);
    match kind {
        0 => Transaction::usage(about, a, b),
        1 => Transaction::crash(about, a),
        2 => {
            let crash = Transaction::crash(about.clone(), a)?;
            let ruling = CrashRuling {
                charge: b,
                vendor_cost: c,
            };
            Transaction::rule_on_crash(about, &crash, ruling)
        }
        3 => Transaction::top_up(about, a),
        4 => Transaction::pay_back(about.clone(), &Transaction::top_up(about, a)?, b, c),
        5 => Transaction::promo_grant(about, a),
        6 => Transaction::promo_expiry(about, a),
        7 => Transaction::refund(about, a),
        8 => Transaction::invoice(
            about,
            Close {
                rounding: a,
                tax: b,
                due: c,
            },
        ),
        9 => Transaction::payment(about, a, b),
        _ => Transaction::cost_adjustment(about, a),
    }
}

const KINDS: usize = 11;

proptest! {
    // 50 each: a million where there are 20,000 cases.
    #[test]
    fn everything_sums_to_nothing(
        steps in prop::collection::vec((0..KINDS, [amount(), amount(), amount()], any::<bool>()), 50),
    ) {
        let (mut balances, mut exact) = (Balances::default(), [0_i128; Account::ALL.len()]);
        for (kind, amounts, undone) in steps {
            let Ok(transaction) = make(kind, amounts) else { continue };
            let sum: i128 = transaction.entries().iter().map(|entry| i128::from(entry.amount.0)).sum();
            prop_assert_eq!(sum, 0);
            let before = balances;
            if balances.add(&transaction).is_err() {
                prop_assert_eq!(balances, before);
                continue;
            }
            for entry in transaction.entries() {
                prop_assert!(entry.amount != NanoUsd::ZERO);
                exact[entry.account as usize] += i128::from(entry.amount.0);
            }
            prop_assert_eq!(balances.sum(), 0);
            for account in Account::ALL {
                prop_assert_eq!(i128::from(balances.of(account).0), exact[account as usize]);
            }
            if let (true, Ok(reversal)) = (undone, Transaction::reversal(about(9), &transaction)) {
                balances.add(&reversal).unwrap();
                prop_assert_eq!(balances, before);
                for entry in reversal.entries() {
                    exact[entry.account as usize] += i128::from(entry.amount.0);
                }
            }
        }
    }

    // What the request path counts by itself, and what it is told, is what the customer owes.
    #[test]
    fn what_is_granted_less_what_is_charged_is_what_is_owed(
        steps in prop::collection::vec((0..KINDS, [1..1_000_000_i64, 0..1_000, 0..1_000]), 0..40),
    ) {
        let (mut balances, mut granted, mut charged) = (Balances::default(), 0, 0);
        for (kind, amounts) in steps {
            let Ok(transaction) = make(kind, amounts.map(NanoUsd)) else { continue };
            balances.add(&transaction).unwrap();
            granted += i128::from(transaction.granted().unwrap().0);
            if transaction.kind().is_charge() {
                charged += i128::from(transaction.owed().unwrap().0);
            }
        }
        prop_assert_eq!(charged - granted, balances.owed());
    }
}

fn entries(transaction: &Transaction) -> Vec<(Account, i64)> {
    let entries = transaction.entries().iter();
    entries.map(|entry| (entry.account, entry.amount.0)).collect()
}

#[test]
fn each_kind_moves_what_it_says() {
    use Account::{
        Cash, Cogs, CustomerCredit, Promo, ProviderPayable, Receivable, Refund, Revenue, Rounding, Suspense,
        TaxPayable,
    };
    let made = |kind, amounts: [i64; 3]| make(kind, amounts.map(NanoUsd)).unwrap();
    let cases = [
        (
            made(0, [10, 7, 0]),
            vec![
                (CustomerCredit, 10),
                (Revenue, -10),
                (ProviderPayable, -7),
                (Cogs, 7),
            ],
            0,
        ),
        (
            made(1, [10, 0, 0]),
            vec![(CustomerCredit, 10), (Suspense, -10)],
            0,
        ),
        (
            made(2, [10, 4, 3]),
            vec![
                (CustomerCredit, -6),
                (Revenue, -4),
                (ProviderPayable, -3),
                (Cogs, 3),
                (Suspense, 10),
            ],
            6,
        ),
        (made(3, [10, 0, 0]), vec![(CustomerCredit, -10), (Cash, 10)], 10),
        (made(4, [10, 4, 6]), vec![(CustomerCredit, 6), (Cash, -6)], -6),
        (made(5, [10, 0, 0]), vec![(CustomerCredit, -10), (Promo, 10)], 10),
        (made(6, [10, 0, 0]), vec![(CustomerCredit, 10), (Promo, -10)], -10),
        (made(7, [10, 0, 0]), vec![(CustomerCredit, -10), (Refund, 10)], 10),
        (
            made(8, [-2, 5, 30]),
            vec![
                (CustomerCredit, -27),
                (Receivable, 30),
                (Rounding, 2),
                (TaxPayable, -5),
            ],
            -3,
        ),
        (made(9, [10, 4, 0]), vec![(Receivable, -4), (Cash, 4)], 4),
        (made(10, [-3, 0, 0]), vec![(ProviderPayable, 3), (Cogs, -3)], 0),
    ];
    for (transaction, expected, granted) in cases {
        assert_eq!(entries(&transaction), expected, "{:?}", transaction.kind());
        assert_eq!(
            transaction.granted(),
            Ok(NanoUsd(granted)),
            "{:?}",
            transaction.kind()
        );
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let top_up = Transaction::top_up(about(1), NanoUsd(10)).unwrap();
    let crash = Transaction::crash(about(2), NanoUsd(10)).unwrap();
    let too_much = |asked, there| {
        Err(LedgerError::TooMuch {
            asked: NanoUsd(asked),
            there: NanoUsd(there),
        })
    };
    let ruling = |charge| CrashRuling {
        charge: NanoUsd(charge),
        vendor_cost: NanoUsd::ZERO,
    };
    assert_eq!(
        Transaction::rule_on_crash(about(3), &crash, ruling(11)),
        too_much(11, 10)
    );
    assert_eq!(
        Transaction::rule_on_crash(about(3), &top_up, ruling(1)),
        Err(LedgerError::WrongKind(Kind::TopUp))
    );
    assert_eq!(
        Transaction::pay_back(about(3), &top_up, NanoUsd(8), NanoUsd(3)),
        too_much(3, 2)
    );
    assert_eq!(
        Transaction::payment(about(3), NanoUsd(5), NanoUsd(6)),
        too_much(6, 5)
    );
    assert_eq!(
        Transaction::top_up(about(3), NanoUsd(-1)),
        Err(LedgerError::NotPositive(NanoUsd(-1)))
    );
    assert_eq!(
        Transaction::usage(about(3), NanoUsd::ZERO, NanoUsd::ZERO),
        Err(LedgerError::Empty)
    );
    assert_eq!(
        Transaction::cost_adjustment(about(3), NanoUsd(i64::MIN)),
        Err(LedgerError::Overflow)
    );
    let reversal = Transaction::reversal(about(3), &top_up).unwrap();
    assert_eq!(reversal.regards(), Some(about(1).id));
    assert_eq!(
        Transaction::reversal(about(4), &reversal),
        Err(LedgerError::WrongKind(Kind::Reversal))
    );
    let promo = Transaction::promo_grant(about(4), NanoUsd(1)).unwrap();
    assert_eq!(
        Transaction::reversal(about(5), &promo),
        Err(LedgerError::WrongKind(Kind::PromoGrant))
    );
    let entries = vec![Entry {
        account: Account::Cash,
        amount: NanoUsd(3),
    }];
    assert_eq!(
        Transaction::stored(about(5), Kind::TopUp, None, entries),
        Err(LedgerError::Unbalanced(3))
    );
}

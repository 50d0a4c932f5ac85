//! Price tables.

use keystore_core::price::ModelPrice;

use super::{List, Str};

/// The list prices of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceTable {
    /// Changes whenever a row does: 16 hex digits. Empty for an empty table.
    pub version: Str,
    /// The rows.
    pub rows: List<PriceRow>,
    /// Row numbers by model id and alias, sorted by name, ids before aliases.
    pub index: List<(Str, u32)>,
    /// The numbers of the rows that have a rule, in the order in which they are tried.
    pub ruled: List<u32>,
}

/// A row of the price table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// The prices, and from when until when they hold.
    pub price: ModelPrice,
    /// The row holds in these windows of the week only; empty is always.
    pub windows: List<TimeWindow>,
}

/// A part of some days of the week, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// The first minute of the day, 0 to 1,439.
    pub from_minute: u16,
    /// The minute of the day at which it ends (exclusive), up to 1,440, after `from_minute`.
    pub to_minute: u16,
    /// The days as bits, Monday the lowest.
    pub weekdays: u8,
}

//! Statements over many rows: `INSERT`s with their texts and values, and lists of ids. There are few different numbers of rows, so
//! that the text of every `INSERT` is made once and stays prepared in its connection.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::error::BoxDynError;
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

/// Rows of a statement, the most first. SQLite takes 32,766 parameters, and no row has more than 16.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// `items` in pieces of [`ROWS`].
pub(crate) fn pieces<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let rows = ROWS.into_iter().find(|rows| *rows <= items.len())?;
        let (piece, rest) = items.split_at(rows);
        items = rest;
        Some(piece)
    })
}

/// How an engine takes parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Placeholders {
    /// `?`: SQLite, which would look up every `$1` by its name, one after the other, at every execution.
    Anonymous,
    /// `$1`: PostgreSQL, which knows no other.
    Numbered,
}

/// Texts by their head, their number of rows, and how they take parameters.
type Texts = HashMap<(&'static str, usize, Placeholders), Arc<str>>;

/// `head`, which ends with the list of its columns, the placeholders for that many rows, and `tail`.
pub(crate) fn text(
    head: &'static str,
    rows: usize,
    tail: &'static str,
    placeholders: Placeholders,
) -> AssertSqlSafe<Arc<str>> {
    static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let text = texts
        .entry((head, rows, placeholders))
        .or_insert_with(|| put_together(head, rows, tail, placeholders).into());
    // Static texts and the numbers of parameters, nothing else.
    AssertSqlSafe(Arc::clone(text))
}

fn put_together(head: &str, rows: usize, tail: &str, placeholders: Placeholders) -> String {
    let columns = head.matches(',').count() + 1;
    let mut text = format!("{head}VALUES ");
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            text.push_str(if column == 0 { "" } else { ", " });
            // Writing to a string does not fail.
            let _ = match placeholders {
                Placeholders::Anonymous => text.write_char('?'),
                Placeholders::Numbered => write!(text, "${}", row * columns + column + 1),
            };
        }
        text.push(')');
    }
    text + tail
}

/// The values of a statement, in the order of its placeholders.
#[derive(Default)]
pub(crate) struct Values<A> {
    arguments: A,
    failed: Option<BoxDynError>,
}

impl<A: Arguments> Values<A> {
    pub(crate) fn push_bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, A::Database> + Type<A::Database>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.failed = Some(error);
        }
        self
    }

    /// All of them, unless one could not be encoded.
    pub(crate) fn finish(self) -> sqlx::Result<A> {
        match self.failed {
            None => Ok(self.arguments),
            Some(error) => Err(sqlx::Error::Encode(error)),
        }
    }
}

/// Ids in a list.
pub(crate) const IDS_A_STATEMENT: usize = 500;

/// What an `INSERT` of sums does where there is a row already: it adds, up to the largest number. Sums are never negative. What a vendor
/// says that a call used is not to be able to stop the rest: `sums!("ON CONFLICT (…)", "table": "column", "column")`.
macro_rules! sums {
    ($on:literal, $table:literal: $first:literal $(, $column:literal)*) => {
        concat!(
            " ", $on, " DO UPDATE SET ",
            $crate::rows::sums!(@ $table, $first),
            $(", ", $crate::rows::sums!(@ $table, $column),)*
        )
    };
    (@ $table:literal, $column:literal) => {
        concat!(
            $column, " = CASE WHEN ", $table, ".", $column, " > 9223372036854775807 - excluded.", $column,
            " THEN 9223372036854775807 ELSE ", $table, ".", $column, " + excluded.", $column, " END"
        )
    };
}

/// Runs an `INSERT` of many rows: `insert_rows!(conn, items, head, |values, item| …, tail)`.
macro_rules! insert_rows {
    ($conn:expr, $items:expr, $head:expr, |$values:ident, $item:pat_param| $push:expr, $tail:expr) => {{
        let items: Vec<_> = $items.into_iter().collect();
        for piece in $crate::rows::pieces(&items) {
            match $conn.handle() {
                $crate::db::Handle::Sqlite(connection) => {
                    let mut $values = $crate::rows::Values::<sqlx::sqlite::SqliteArguments>::default();
                    piece.iter().for_each(|$item| $push);
                    let (shape, kind) = (piece.len(), $crate::rows::Placeholders::Anonymous);
                    let text = $crate::rows::text($head, shape, $tail, kind);
                    sqlx::query_with(text, $values.finish()?)
                        .execute(connection)
                        .await?;
                }
                $crate::db::Handle::Postgres(connection) => {
                    let mut $values = $crate::rows::Values::<sqlx::postgres::PgArguments>::default();
                    piece.iter().for_each(|$item| $push);
                    let (shape, kind) = (piece.len(), $crate::rows::Placeholders::Numbered);
                    let text = $crate::rows::text($head, shape, $tail, kind);
                    sqlx::query_with(text, $values.finish()?)
                        .execute(connection)
                        .await?;
                }
            }
        }
    }};
}

/// Puts a list of ids in parentheses behind `head`.
macro_rules! with_ids {
    ($conn:expr, $row:ty, $head:expr, $ids:expr) => {{
        let mut rows: Vec<$row> = Vec::new();
        for chunk in $ids.chunks($crate::rows::IDS_A_STATEMENT) {
            rows.extend(match $conn.handle() {
                $crate::db::Handle::Sqlite(connection) => {
                    let mut builder = sqlx::QueryBuilder::<sqlx::Sqlite>::new($head);
                    builder.push_tuples(chunk, |mut values, id| {
                        values.push_bind($crate::column::Bind::raw(id));
                    });
                    builder
                        .build_query_as::<$row>()
                        .persistent(false)
                        .fetch_all(connection)
                        .await?
                }
                $crate::db::Handle::Postgres(connection) => {
                    let mut builder = sqlx::QueryBuilder::<sqlx::Postgres>::new($head);
                    builder.push_tuples(chunk, |mut values, id| {
                        values.push_bind($crate::column::Bind::raw(id));
                    });
                    builder
                        .build_query_as::<$row>()
                        .persistent(false)
                        .fetch_all(connection)
                        .await?
                }
            });
        }
        rows
    }};
}

pub(crate) use {insert_rows, sums, with_ids};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_there_and_of_few_lengths() {
        for count in [0, 1, 3, 4, 63, 64, 200] {
            let items: Vec<usize> = (0..count).collect();
            let lengths: Vec<_> = pieces(&items).map(<[usize]>::len).collect();
            assert_eq!(pieces(&items).flatten().copied().collect::<Vec<_>>(), items);
            assert!(lengths.iter().all(|length| ROWS.contains(length)), "{lengths:?}");
        }
    }

    #[test]
    fn a_text_has_a_placeholder_for_every_value() {
        let put_together = |placeholders| {
            put_together(
                "INSERT INTO t (a, b) ",
                2,
                " ON CONFLICT DO NOTHING",
                placeholders,
            )
        };
        assert_eq!(
            put_together(Placeholders::Numbered),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            put_together(Placeholders::Anonymous),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
        );
        let made = || text("INSERT INTO t (a) ", 1, "", Placeholders::Anonymous).0;
        assert!(Arc::ptr_eq(&made(), &made()));
    }
}

//! Lists as keyset pages: one entry more than asked for is read, and says whether there is a next page.

use std::str::FromStr;

use keystore_wire::Page;
use keystore_wire::page::{DEFAULT_LIMIT, MAX_LIMIT};

use super::problem::{ApiError, ApiResult};

/// Which part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice<K> {
    /// The key of the last entry of the page before.
    pub(super) after: Option<K>,
    /// The most entries that the page holds.
    pub(super) limit: u32,
}

impl<K: FromStr> Slice<K> {
    /// What `limit` and `after` of a query ask for.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(super) fn of(limit: Option<u32>, after: Option<&str>) -> ApiResult<Self> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::field("?limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let after = match after.map(str::parse) {
            Some(Ok(key)) => Some(key),
            Some(Err(_)) => return Err(ApiError::field("?after", "must be the `next` of the page before")),
            None => None,
        };
        Ok(Self { after, limit })
    }
}

impl<K> Slice<K> {
    /// How many entries to read: one more than the page holds.
    pub(super) fn read(&self) -> u32 {
        self.limit + 1
    }

    /// The page from what was read.
    pub(super) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> String,
        wire: impl FnMut(R) -> T,
    ) -> Page<T> {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(key);
        Page {
            data: rows.into_iter().map(wire).collect(),
            next,
        }
    }
}

impl<K: Ord + ToString> Slice<K> {
    /// The page from all that there is, in the order of their keys.
    pub(super) fn of_all<R, T>(
        &self,
        rows: impl IntoIterator<Item = R>,
        key: impl Fn(&R) -> K,
        wire: impl FnMut(R) -> T,
    ) -> Page<T> {
        let is_behind = |row: &R| self.after.as_ref().is_none_or(|after| key(row) > *after);
        let found = rows.into_iter().filter(is_behind).take(self.read() as usize);
        self.page(found.collect(), |row| key(row).to_string(), wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let slice = Slice::<u32>::of(Some(2), None).unwrap();
        let page = |rows| slice.page(rows, u32::to_string, |row| row * 10);
        assert_eq!(
            page(vec![1, 2, 3]),
            Page {
                data: vec![10, 20],
                next: Some("2".to_owned())
            }
        );
        assert_eq!(
            page(vec![1, 2]),
            Page {
                data: vec![10, 20],
                next: None
            }
        );
        let behind = |after| {
            let slice = Slice::<u32>::of(Some(2), after).unwrap();
            slice.of_all([1, 2, 3, 4], |row| *row, |row| row * 10)
        };
        assert_eq!(behind(None), page(vec![1, 2, 3]));
        assert_eq!(
            (behind(Some("1")).data, behind(Some("1")).next),
            (vec![20, 30], Some("3".to_owned()))
        );
        assert_eq!(behind(Some("2")).next, None);
        assert_eq!(
            page(vec![]),
            Page {
                data: vec![],
                next: None
            }
        );
    }

    #[test]
    fn limits_have_limits() {
        assert!(Slice::<u32>::of(Some(0), None).is_err());
        assert!(Slice::<u32>::of(Some(501), None).is_err());
        assert!(Slice::<u32>::of(Some(500), Some("x")).is_err());
    }
}

//! What stands between the upstream's bytes and the client's: the meter, the scrubber, and what waits to be taken.

use std::collections::VecDeque;

use bytes::Bytes;

use super::border::Border;
use crate::inject::Needles;
use crate::meter::{Framing, Meter, Metered};
use crate::scrub::{Scrubber, Stray};

/// The way of an answer's bytes.
pub(super) struct Tap {
    meter: Option<Meter>,
    scrubber: Scrubber,
    stray: Stray,
    out: VecDeque<Bytes>,
    /// Where what the client took ends.
    taken: Border,
    /// Bytes of the answer so far, as the upstream sent them.
    bytes: u64,
}

impl Tap {
    pub(super) fn new(meter: Option<Meter>, needles: Needles, stray: Stray, framing: Framing) -> Self {
        Self {
            meter,
            scrubber: Scrubber::new(needles),
            stray,
            out: VecDeque::new(),
            taken: Border::of(framing),
            bytes: 0,
        }
    }

    /// Takes a chunk; what may be forwarded now waits to be taken.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        let Self {
            meter,
            scrubber,
            stray,
            out,
            ..
        } = self;
        let mut forward = |piece| {
            let clean = stray.push(scrubber.push(piece));
            if !clean.is_empty() {
                out.push_back(clean);
            }
        };
        match meter {
            Some(meter) => meter.on_chunk(chunk).for_each(forward),
            None => forward(chunk),
        }
    }

    /// At the end of the body: what was held back.
    pub(super) fn end(&mut self) {
        let held = self.meter.as_mut().and_then(Meter::on_end);
        let clean = held.map(|held| self.scrubber.push(held));
        let rest = self.scrubber.finish();
        let clean = clean
            .into_iter()
            .chain([rest])
            .map(|piece| self.stray.push(piece));
        self.out.extend(clean.filter(|piece| !piece.is_empty()));
        self.out
            .extend(Some(self.stray.finish()).filter(|piece| !piece.is_empty()));
    }

    /// The next piece for the client.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let piece = self.out.pop_front()?;
        self.taken.pass(&piece);
        Some(piece)
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Throws away what waits.
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }

    /// Lets the client's stream end where a piece of it ends, with `last` behind it. `false` when none ends where the client is,
    /// nor in what waits for it: nothing is changed then.
    pub(super) fn end_with(&mut self, last: Bytes) -> bool {
        let mut border = self.taken;
        let mut at_border = border.is_at().then_some((0, 0));
        for (number, piece) in self.out.iter().enumerate() {
            for (index, byte) in piece.iter().enumerate() {
                border.pass(&[*byte]);
                if border.is_at() {
                    at_border = Some((number, index + 1));
                }
            }
        }
        let Some((number, length)) = at_border else {
            return false;
        };
        self.out.truncate(number + 1);
        if let Some(piece) = self.out.get_mut(number) {
            piece.truncate(length);
        }
        self.out.retain(|piece| !piece.is_empty());
        self.out.push_back(last);
        true
    }

    /// What was used, and how many bytes came.
    pub(super) fn finish(&mut self) -> (Option<Metered>, u64) {
        (self.meter.take().map(Meter::finish), self.bytes)
    }

    /// The meter, while the answer is metered and not finished.
    pub(super) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// Whether the answer is metered, and was not finished.
    pub(super) fn is_metered(&self) -> bool {
        self.meter.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(taken: &'static str, waiting: &[&'static str]) -> Tap {
        let mut tap = Tap::new(None, Needles::default(), Stray::off(), Framing::Events);
        tap.push(taken.into());
        while tap.take().is_some() {}
        for piece in waiting {
            tap.push((*piece).into());
        }
        tap
    }

    fn rest(mut tap: Tap) -> String {
        std::iter::from_fn(|| tap.take())
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_stream_ends_only_where_an_event_ends() {
        for (taken, waiting, expected) in [
            ("", &[][..], Some("LAST")),
            ("data: 1\n\n", &[], Some("LAST")),
            ("data: 1\n\n", &["data: 2\n"], Some("LAST")),
            ("data: 1\n\nda", &["ta: 2\n", "\ndata: 3"], Some("ta: 2\n\nLAST")),
            ("data: 1\n", &["\ndata: 2\n\ndata"], Some("\ndata: 2\n\nLAST")),
            ("data: 1\r\n", &["\r\ndata"], Some("\r\nLAST")),
            ("data: 1", &[], None),
            ("data: 1\n", &["data: 2\n"], None),
        ] {
            let mut tap = tap(taken, waiting);
            let ended = tap.end_with(Bytes::from_static(b"LAST"));
            assert_eq!(
                ended.then(|| rest(tap)).as_deref(),
                expected,
                "{taken:?} {waiting:?}"
            );
        }
    }
}

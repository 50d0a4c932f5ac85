//! Bytes that are wiped when they are dropped.

use zeroize::Zeroizing;

/// Secret bytes. Wiped on drop; cannot be printed, serialised or copied.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes `bytes`; this is their only copy from now on.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Keeps the first `length` bytes. The rest is wiped with the buffer.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0[length..].fill(0);
        self.0.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Fields, LocalKms, NewToken, Opened, RootKey, Secret};

    trait Absent {
        const HAS: bool = false;
    }

    impl<T: ?Sized> Absent for T {}

    /// A type answers `true` here only if it has the trait: the inherent constant hides the one of the blanket trait.
    macro_rules! has {
        ($kind:ty: $($bound:tt)+) => {{
            struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
            impl<T: ?Sized + $($bound)+> Probe<T> { const HAS: bool = true; }
            <Probe<$kind>>::HAS
        }};
    }

    #[test]
    fn what_holds_a_plaintext_cannot_be_printed_or_copied() {
        assert!(has!(String: std::fmt::Debug), "the probe itself works");
        macro_rules! check {
            ($($kind:ty),*) => {$(
                assert!(!has!($kind: std::fmt::Debug), "{} has Debug", stringify!($kind));
                assert!(!has!($kind: std::fmt::Display), "{} has Display", stringify!($kind));
                assert!(!has!($kind: Clone), "{} has Clone", stringify!($kind));
                assert!(!has!($kind: serde::Serialize), "{} has Serialize", stringify!($kind));
            )*};
        }
        check!(Secret, Fields, Opened, NewToken, RootKey, LocalKms);
    }
}

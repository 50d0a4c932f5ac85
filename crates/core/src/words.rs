//! Enumerations that have a number in storage and a word in the API.

/// Declares such enumerations; further derives may stand before one.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $number:literal $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash,
            serde::Serialize, serde::Deserialize, minicbor::Encode, minicbor::Decode,
        )]
        #[serde(rename_all = "snake_case")]
        #[cbor(index_only)]
        pub enum $name { $($(#[$each])* #[n($number)] $variant),* }

        impl $name {
            /// The name in the API and in storage.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    )*};
}

pub(crate) use words;

//! Values as vendors mostly write them, read at less cost than `serde_json` has with any.
//!
//! What is read here is read in the same way there. It gives up at what is not plain, be it an escape in a string or an error,
//! which is not told apart: who calls it asks `serde_json` then.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::words::{self, beyond_ascii, control, equal};

/// Deeper values are not plain.
const MAX_DEPTH: u8 = 8;
/// As many digits fit for sure.
const MAX_DIGITS: usize = 19;

/// The value, if it is plain.
pub(super) fn read<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    let mut reader = Reader {
        text: value,
        at: 0,
        depth: 0,
    };
    let read = T::deserialize(&mut reader).ok()?;
    reader.next().is_none().then_some(read)
}

struct Reader<'de> {
    text: &'de [u8],
    at: usize,
    depth: u8,
}

impl<'de> Reader<'de> {
    /// The byte after white space, which is skipped.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.next() != Some(byte) {
            return Err(not_plain());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string of ASCII without escapes.
    fn string(&mut self) -> Result<&'de [u8], Error> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let length = words::run_before(rest, |word| {
            equal(word, b'"') | equal(word, b'\\') | control(word) | beyond_ascii(word)
        });
        if rest.get(length) != Some(&b'"') {
            return Err(not_plain());
        }
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// Reads a number. Only digits are read here.
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let goes_on = matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        let leads_zero = length > 1 && rest[0] == b'0';
        if length == 0 || length > MAX_DIGITS || goes_on || leads_zero {
            return self.any_number(visitor);
        }
        self.at += length;
        visitor.visit_u64(
            rest[..length]
                .iter()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
        )
    }

    fn any_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(is_part).count();
        self.at += length;
        let number: serde_json::Number = serde_json::from_slice(&rest[..length]).map_err(Error::custom)?;
        match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => visitor.visit_u64(number),
            (_, Some(number), _) => visitor.visit_i64(number),
            (.., Some(number)) => visitor.visit_f64(number),
            _ => Err(not_plain()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Error> {
        if !self.text[self.at..].starts_with(word) {
            return Err(not_plain());
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads an object or a list that ends with `end`.
    fn inside<T>(
        &mut self,
        end: u8,
        read: impl FnOnce(Inside<'_, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(not_plain());
        }
        self.depth += 1;
        self.at += 1;
        let read = read(Inside {
            reader: &mut *self,
            end,
            begun: false,
        })?;
        self.depth -= 1;
        self.expect(end)?;
        Ok(read)
    }
}

fn not_plain() -> Error {
    Error::custom("not plain")
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.next() {
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(b'"') => {
                let text = std::str::from_utf8(self.string()?).map_err(Error::custom)?;
                visitor.visit_borrowed_str(text)
            }
            Some(b'{') => self.inside(b'}', |members| visitor.visit_map(members)),
            Some(b'[') => self.inside(b']', |elements| visitor.visit_seq(elements)),
            Some(b'n') => {
                self.word(b"null")?;
                visitor.visit_unit()
            }
            Some(b't') => {
                self.word(b"true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.word(b"false")?;
                visitor.visit_bool(false)
            }
            _ => Err(not_plain()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.next() == Some(b'n') {
            self.word(b"null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.string()?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum ignored_any
    }
}

/// The inside of an object or of a list.
struct Inside<'a, 'de> {
    reader: &'a mut Reader<'de>,
    end: u8,
    /// Something was read of it.
    begun: bool,
}

impl Inside<'_, '_> {
    /// Whether there is something more, to which it goes.
    fn goes_on(&mut self) -> Result<bool, Error> {
        if self.reader.next() == Some(self.end) {
            return Ok(false);
        }
        if self.begun {
            self.reader.expect(b',')?;
        }
        self.begun = true;
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.goes_on()? {
            return Ok(None);
        }
        if self.reader.next() != Some(b'"') {
            return Err(not_plain());
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = Error;

    fn next_element_seed<E: DeserializeSeed<'de>>(&mut self, seed: E) -> Result<Option<E::Value>, Error> {
        if !self.goes_on()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

#[cfg(test)]
mod tests;

//! Decodes content encodings (RFC 9110, 8.4.1) as the bytes arrive.
//!
//! Upstreams are asked for plain answers; this is for those that encode all the same: gzip, deflate and br. zstd is not among
//! them, since it is never sent unasked. What is decoded comes out in pieces of bounded size.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::UnknownEncoding;

/// The most decoded bytes of one answer.
const MAX_DECODED: u64 = 256 * 1024 * 1024;
/// Encoded bytes that are decoded at a time: deflate makes at most 1,032 of one (RFC 1951's limit), so 256 KiB.
const STEP: usize = 256;
/// The most that one step may give. Only a bomb gives more.
const MAX_STEP_OUTPUT: usize = 8 * 1024 * 1024;
/// Decoded bytes that are worth a frame of their own.
const FRAME: usize = 16 * 1024;
/// Brotli's output buffer.
const BROTLI_BUFFER: usize = 16 * 1024;

/// What cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The bytes are not in the encoding that they claim, or end early.
    #[error("the answer's content encoding is broken")]
    Broken,
    /// More than an answer may hold.
    #[error("the answer decodes to too much")]
    TooLarge,
}

/// A decoder and the encoded bytes that wait for it.
pub(crate) struct Decoder {
    kind: Kind,
    input: Bytes,
    /// Decoded bytes that may still come.
    left: u64,
}

enum Kind {
    Gzip(MultiGzDecoder<Output>),
    /// Two formats go by this name: with the header and checksum of zlib, as the RFC says, and without. The first byte tells.
    Deflate,
    Zlib(ZlibDecoder<Output>),
    Raw(DeflateDecoder<Output>),
    Brotli(Box<DecompressorWriter<Output>>),
}

/// Collects what the steps give, up to [`MAX_STEP_OUTPUT`] between two takes.
#[derive(Default)]
struct Output(Vec<u8>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_STEP_OUTPUT {
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// The decoder of an encoding, `None` for `identity`. `name` is in lower case.
    pub(crate) fn named(name: &[u8]) -> Result<Option<Self>, UnknownEncoding> {
        let kind = match name {
            b"identity" => return Ok(None),
            b"gzip" | b"x-gzip" => Kind::Gzip(MultiGzDecoder::new(Output::default())),
            b"deflate" => Kind::Deflate,
            b"br" => Kind::Brotli(Box::new(DecompressorWriter::new(
                Output::default(),
                BROTLI_BUFFER,
            ))),
            _ => return Err(UnknownEncoding),
        };
        Ok(Some(Self {
            kind,
            input: Bytes::new(),
            left: MAX_DECODED,
        }))
    }

    /// Takes encoded bytes, once [`Self::next`] has given everything of the last ones.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        debug_assert!(self.input.is_empty(), "the last bytes are not decoded yet");
        self.input = bytes;
    }

    /// Decoded bytes, or `None` when more encoded ones are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let mut output = Vec::new();
        while !self.input.is_empty() && output.len() < FRAME {
            let step = self.input.split_to(self.input.len().min(STEP));
            self.kind
                .decode(&step)
                .map_err(|error| DecodeError::from(&error))?;
            self.kind.take(&mut output);
        }
        self.count(output)
    }

    /// The last decoded bytes, when no encoded byte will come any more.
    pub(crate) fn end(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let mut output = Vec::new();
        self.kind.end().map_err(|error| DecodeError::from(&error))?;
        self.kind.take(&mut output);
        self.count(output)
    }

    fn count(&mut self, output: Vec<u8>) -> Result<Option<Bytes>, DecodeError> {
        self.left = self
            .left
            .checked_sub(output.len() as u64)
            .ok_or(DecodeError::TooLarge)?;
        Ok((!output.is_empty()).then(|| Bytes::from(output)))
    }
}

impl From<&io::Error> for DecodeError {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::QuotaExceeded => Self::TooLarge,
            _ => Self::Broken,
        }
    }
}

impl Kind {
    /// Decodes a few bytes, and pushes out whatever they complete.
    fn decode(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Self::Deflate = self {
            // RFC 1950: the low four bits are the method, 8; the high four the window, at most 7. No other byte begins so.
            let first = bytes.first().copied().unwrap_or_default();
            *self = if first & 0x0f == 8 && first >> 4 <= 7 {
                Self::Zlib(ZlibDecoder::new(Output::default()))
            } else {
                Self::Raw(DeflateDecoder::new(Output::default()))
            };
        }
        match self {
            Self::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Zlib(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Raw(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Brotli(decoder) => decoder.write_all(bytes),
            Self::Deflate => Ok(()),
        }
    }

    /// Fails when the encoded bytes end early.
    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Raw(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
            Self::Deflate => Ok(()),
        }
    }

    /// Moves what was decoded to the end of `output`.
    fn take(&mut self, output: &mut Vec<u8>) {
        let decoded = match self {
            Self::Gzip(decoder) => &mut decoder.get_mut().0,
            Self::Zlib(decoder) => &mut decoder.get_mut().0,
            Self::Raw(decoder) => &mut decoder.get_mut().0,
            Self::Brotli(decoder) => &mut decoder.get_mut().0,
            Self::Deflate => return,
        };
        output.append(decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(name: &str, plain: &[u8]) -> Vec<u8> {
        use flate2::Compression;
        use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
        match name {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            _ => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn decode(name: &str, encoded: &[u8], chunk: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::named(name.as_bytes()).unwrap().unwrap();
        let mut plain = Vec::new();
        for piece in encoded.chunks(chunk) {
            decoder.feed(Bytes::copy_from_slice(piece));
            while let Some(bytes) = decoder.next()? {
                plain.extend_from_slice(&bytes);
            }
        }
        plain.extend(decoder.end()?.unwrap_or_default());
        Ok(plain)
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back_however_it_is_cut(
            plain in proptest::collection::vec("[a-e ]{0,40}", 0..60), chunk in 1_usize..700, name in "gzip|deflate|raw",
        ) {
            let plain = plain.concat().into_bytes();
            let encoded = encode(&name, &plain);
            let claimed = if name == "raw" { "deflate" } else { name.as_str() };
            prop_assert_eq!(decode(claimed, &encoded, chunk).unwrap(), plain);
        }

        #[test]
        fn an_early_end_is_an_error(cut in 1_usize..60) {
            let encoded = encode("gzip", &b"some text that is long enough to be cut anywhere, with 0123456789".repeat(3));
            let kept = &encoded[..encoded.len().saturating_sub(cut)];
            prop_assert!(decode("gzip", kept, 64).is_err());
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..600), name in "gzip|deflate|br") {
            let _ = decode(&name, &noise, 100);
        }
    }

    #[test]
    fn brotli_is_decoded() {
        // RFC 7932: "hello hello hello hello\n" as an uncompressed meta-block and an empty last one.
        let plain = b"hello hello hello hello\n";
        let mut encoded = Vec::new();
        let length = plain.len() as u32 - 1;
        // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (two bits 00), MLEN-1 (16 bits), ISUNCOMPRESSED 1, then byte-aligned.
        let bits: u32 = (length << 4) | (1 << 20);
        encoded.extend_from_slice(&bits.to_le_bytes()[..3]);
        encoded.extend_from_slice(plain);
        encoded.push(0x03);
        for chunk in [1, 5, 100] {
            assert_eq!(decode("br", &encoded, chunk).unwrap(), plain);
        }
        assert!(
            decode("br", &encoded[..encoded.len() - 4], 100).is_err(),
            "cut off"
        );
    }

    #[test]
    fn a_flushed_piece_comes_out_at_once() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"data: one\n\n").unwrap();
        encoder.flush().unwrap();
        let mut decoder = Decoder::named(b"gzip").unwrap().unwrap();
        decoder.feed(Bytes::copy_from_slice(encoder.get_ref()));
        assert_eq!(decoder.next().unwrap().unwrap(), "data: one\n\n");
    }

    #[test]
    fn a_bomb_is_cut() {
        let encoded = encode("gzip", &vec![0; 4 * 1024 * 1024]);
        assert!(encoded.len() < 8 * 1024, "it is a bomb");
        let mut decoder = Decoder::named(b"gzip").unwrap().unwrap();
        decoder.left = 3 * 1024 * 1024;
        decoder.feed(Bytes::from(encoded));
        let mut total = 0;
        let end = loop {
            match decoder.next() {
                Ok(Some(bytes)) => {
                    assert!(bytes.len() <= FRAME + STEP * 1_032, "bounded pieces");
                    total += bytes.len() as u64;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(matches!(end, Err(DecodeError::TooLarge)));
        assert!(total <= 3 * 1024 * 1024);
    }

    #[test]
    fn names_are_known_or_refused() {
        assert!(Decoder::named(b"identity").unwrap().is_none());
        for name in ["gzip", "x-gzip", "deflate", "br"] {
            assert!(Decoder::named(name.as_bytes()).unwrap().is_some(), "{name}");
        }
        for name in ["zstd", "compress", "gzip, br", "", "dcb"] {
            assert!(Decoder::named(name.as_bytes()).is_err(), "{name}");
        }
    }
}

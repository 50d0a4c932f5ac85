//! Input that a body's size does not bound.
//!
//! A token of text takes at least a byte, so the bytes of a body bound the tokens of its text. They do not bound what the
//! body only refers to (files, addresses, earlier conversations), nor documents and images, which are packed. This finds
//! such things anywhere in the content of a request. It errs on the side of finding too much: that costs a larger hold.

use super::scan::{Kind, Scan, Scanner, Text};

/// No vendor makes more tokens of one inline image (OpenAI's `gpt-4o-mini` makes 48,169 of the largest).
pub(super) const TOKENS_PER_IMAGE: u64 = 49_152;

/// What was found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Images that stand in the body.
    pub(super) images: u64,
    /// Something that only the context window bounds.
    pub(super) unbounded: bool,
}

impl Found {
    /// Reads a value of any kind and what is in it.
    pub(super) fn search(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Object => scanner.object(|scanner, name| self.member(scanner, name)),
            Kind::Array => scanner.array(|scanner| self.search(scanner)),
            _ => scanner.skip(),
        }
    }

    fn member(&mut self, scanner: &mut Scanner<'_>, name: Text<'_>) -> Scan<()> {
        match &*name.decode()? {
            "file_id" | "file_ids" | "file_url" | "file_uri" | "fileUri" | "file_data" | "fileData"
            | "video_url" | "audio_url" | "vector_store_ids" => {
                self.unbounded |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            "image_url" => self.image(scanner),
            "inlineData" | "inline_data" => {
                self.images += 1;
                self.search(scanner)
            }
            "type" if scanner.kind()? == Kind::String => {
                match &*scanner.string()?.decode()? {
                    "image" => self.images += 1,
                    "item_reference" | "url" | "file" | "input_file" | "image_file" | "video" => {
                        self.unbounded = true;
                    }
                    _ => {}
                }
                Ok(())
            }
            "media_type" | "mime_type" | "mimeType" if scanner.kind()? == Kind::String => {
                let media = scanner.string()?.decode()?;
                self.unbounded |= media.eq_ignore_ascii_case("application/pdf");
                Ok(())
            }
            _ => self.search(scanner),
        }
    }

    /// `image_url`: an address, or an object with one in `url`.
    fn image(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::String => {
                let inline = is_inline(&scanner.string()?.decode()?);
                self.images += u64::from(inline);
                self.unbounded |= !inline;
                Ok(())
            }
            Kind::Object => scanner.object(|scanner, name| match &*name.decode()? {
                "url" => self.image(scanner),
                _ => self.member(scanner, name),
            }),
            _ => scanner.skip(),
        }
    }
}

fn is_inline(address: &str) -> bool {
    address
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

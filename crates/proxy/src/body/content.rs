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
            Kind::Object => scanner.object(|scanner, name| self.member(scanner, &name.decode()?)),
            Kind::Array => scanner.array(|scanner| self.search(scanner)),
            _ => scanner.skip(),
        }
    }

    /// Reads the value of a member.
    pub(super) fn member(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Scan<()> {
        match name {
            "file_id" | "file_ids" | "file_url" | "file_uri" | "fileUri" | "file_data" | "fileData"
            | "video_url" | "audio_url" | "vector_store_ids" | "s3Location" | "s3_location" | "video"
            | "document" => {
                self.unbounded |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            "image_url" | "image" | "images" => self.image(scanner),
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
                let media = media.to_ascii_lowercase();
                // A text with letters has more bytes than tokens; what is packed need not.
                self.unbounded |=
                    media == "application/pdf" || media.starts_with("video/") || media.starts_with("audio/");
                Ok(())
            }
            _ => self.search(scanner),
        }
    }

    /// An image or several: an address, the image itself in base64, or an object that holds either.
    fn image(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::String => {
                let elsewhere = is_address(scanner.string()?);
                self.images += u64::from(!elsewhere);
                self.unbounded |= elsewhere;
                Ok(())
            }
            Kind::Array => scanner.array(|scanner| self.image(scanner)),
            Kind::Object => scanner.object(|scanner, name| match &*name.decode()? {
                "url" | "bytes" => self.image(scanner),
                name => self.member(scanner, name),
            }),
            _ => scanner.skip(),
        }
    }
}

/// Whether a text leads to an image, and is not one itself.
fn is_address(text: Text<'_>) -> bool {
    let written = text.written();
    let scheme = |scheme: &str| {
        written
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    !scheme("data:") && written.contains(':')
}

//! What a request asks a vendor to do, where the vendor charges by that and not by tokens.
//!
//! Counted before the call, from the body alone, and never too low: what stands twice counts twice, names count in every spelling,
//! and of what two values mean the dearer one is taken. The figures are those of the vendors' price pages. Where nothing in a
//! request bounds what it costs, there is no most.

pub(crate) mod media;

use keystore_catalog::UsageShape;
use keystore_core::Bucket;

use super::scan::{Kind, NotJson, Scan, Scanner};
use super::value::number;
use crate::meter::{Asked, Stated};

/// What Mistral documents as the most pages of a document.
const MOST_PAGES: u64 = 1_000;
/// How many pages Tavily's crawler and mapper take where the request does not say.
const TAVILY_PAGES: u64 = 50;
/// How many images Imagen makes where the request does not say; also the most.
const IMAGEN_IMAGES: u64 = 4;
/// Cohere's unit of a search: so many documents, each of at most so many tokens together with the query.
const DOCUMENTS_PER_SEARCH: u64 = 100;
const TOKENS_PER_DOCUMENT: u64 = 500;

/// What the body of a request asks for, by the path that it goes to; `None` if the vendor does not charge by that, or if the body
/// is not JSON.
pub(crate) fn read(shape: UsageShape, path: &str, body: &[u8]) -> Option<Asked> {
    let exact = |bucket, units| Some(known(bucket, units));
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    let body = Body(body);
    match shape {
        UsageShape::Tavily => exact(Bucket::Credits, tavily(last, body).ok()?),
        UsageShape::Serper => exact(Bucket::Searches, body.sum(serper).ok()?),
        UsageShape::Resend => exact(Bucket::Emails, body.sum(resend).ok()?),
        UsageShape::Exa if last == "answer" => exact(Bucket::Requests, 1),
        UsageShape::Cohere if last == "rerank" => exact(Bucket::Searches, cohere_rerank(body).ok()?),
        UsageShape::Gemini if last == "predict" => exact(Bucket::Images, imagen(body).ok()?),
        UsageShape::OpenaiAudio if last == "speech" => {
            exact(Bucket::Characters, characters(body, "input").ok()?)
        }
        // A form escapes letters, and so has more bytes than letters.
        UsageShape::Deepl => exact(
            Bucket::Characters,
            characters(body, "text").unwrap_or(body.0.len() as u64),
        ),
        UsageShape::MistralOcr => mistral_ocr(body).ok(),
        _ => None,
    }
}

/// Units that a request says exactly, or at most.
pub(crate) fn known(bucket: Bucket, units: u64) -> Asked {
    Asked {
        bucket,
        units,
        most: Some(units),
        ..unknown(bucket, units)
    }
}

/// Units that only an answer can tell.
pub(crate) fn unknown(bucket: Bucket, units: u64) -> Asked {
    Asked {
        bucket,
        units,
        most: None,
        stated: Stated::Itself,
        also: None,
    }
}

#[derive(Clone, Copy)]
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// Calls `member` at each value of the object with its name in small letters; it must read the value.
    fn members(self, member: impl FnMut(&mut Scanner<'a>, &str) -> Scan<()>) -> Scan<()> {
        let mut scanner = Scanner::new(self.0)?;
        object(&mut scanner, member)?;
        scanner.end()
    }

    /// The sum of what `count` says of the object, or of each of a list of objects.
    fn sum(self, mut count: impl FnMut(&mut Scanner<'a>) -> Scan<u64>) -> Scan<u64> {
        let mut scanner = Scanner::new(self.0)?;
        let mut sum = 0_u64;
        if scanner.kind()? == Kind::Array {
            scanner.array(|scanner| {
                sum = sum.saturating_add(count(scanner)?);
                Ok(())
            })?;
        } else {
            sum = count(&mut scanner)?;
        }
        scanner.end()?;
        Ok(sum)
    }
}

fn object<'a>(
    scanner: &mut Scanner<'a>,
    mut member: impl FnMut(&mut Scanner<'a>, &str) -> Scan<()>,
) -> Scan<()> {
    if scanner.kind()? != Kind::Object {
        return Err(NotJson);
    }
    scanner.object(|scanner, name| member(scanner, &name.decode()?.to_ascii_lowercase()))
}

/// How many elements a list has; one for anything else but null.
fn length(scanner: &mut Scanner<'_>) -> Scan<u64> {
    let mut length = 0;
    match scanner.kind()? {
        Kind::Array => scanner.array(|scanner| {
            length += 1;
            scanner.skip()
        })?,
        Kind::Null => scanner.skip()?,
        _ => {
            length = 1;
            scanner.skip()?;
        }
    }
    Ok(length)
}

/// Credits by the pages that are asked for. An unknown depth is as dear as the deepest.
fn tavily(operation: &str, body: Body<'_>) -> Scan<u64> {
    let (mut urls, mut limit) = (0, None);
    let (mut depth, mut instructed) = (1, 1);
    body.members(|scanner, name| {
        match name {
            "search_depth" | "extract_depth" => {
                let written = scanner.slice()?;
                if !matches!(written, "\"basic\"" | "\"fast\"" | "\"ultra-fast\"" | "null") {
                    depth = 2;
                }
            }
            // It may choose the deeper search.
            "auto_parameters" if scanner.slice()? != "false" => depth = 2,
            "auto_parameters" => {}
            "instructions" => instructed += length(scanner)?.min(1),
            "urls" => urls += length(scanner)?,
            "limit" => limit = limit.max(number(scanner)?),
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    let pages = limit.unwrap_or(TAVILY_PAGES);
    let extracted = |pages: u64| pages.div_ceil(5).saturating_mul(depth);
    let mapped = pages.div_ceil(10).saturating_mul(u64::min(instructed, 2));
    match operation {
        "search" => Ok(depth),
        "extract" => Ok(extracted(urls)),
        "map" => Ok(mapped),
        "crawl" => Ok(mapped.saturating_add(extracted(pages))),
        _ => Err(NotJson),
    }
}

/// A search of up to ten results is one, one of more is two.
fn serper(scanner: &mut Scanner<'_>) -> Scan<u64> {
    let mut results = 0;
    object(scanner, |scanner, name| {
        match name {
            "num" => results = results.max(number(scanner)?.unwrap_or(0)),
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    Ok(if results > 10 { 2 } else { 1 })
}

/// Each recipient gets an e-mail.
fn resend(scanner: &mut Scanner<'_>) -> Scan<u64> {
    let mut recipients = 0;
    object(scanner, |scanner, name| {
        match name {
            "to" | "cc" | "bcc" => recipients += length(scanner)?,
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    Ok(recipients.max(1))
}

/// Units of a hundred documents. A long document counts as several, of which each has the query before it.
fn cohere_rerank(body: Body<'_>) -> Scan<u64> {
    let (mut query, mut documents, mut bytes) = (0, 0, 0);
    body.members(|scanner, name| {
        match name {
            "query" => query += scanner.value()?.len() as u64,
            "documents" => {
                scanner.kind()?;
                let start = scanner.position();
                documents += length(scanner)?;
                bytes += (scanner.position() - start) as u64;
            }
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    // No text has more tokens than bytes.
    let room = TOKENS_PER_DOCUMENT.saturating_sub(query).max(1);
    let parts = documents + bytes / room;
    Ok(parts.div_ceil(DOCUMENTS_PER_SEARCH).max(1))
}

/// Tokens that a reranker reads beyond those of the body: the query stands before every document. 0 for any other body.
pub(crate) fn repeated_query(body: &[u8]) -> u64 {
    let (mut query, mut documents) = (0_u64, 0);
    let read = Body(body).members(|scanner, name| {
        match name {
            "query" => query += scanner.value()?.len() as u64,
            "documents" => documents += length(scanner)?,
            _ => scanner.skip()?,
        }
        Ok(())
    });
    read.map_or(0, |()| query.saturating_mul(documents))
}

fn imagen(body: Body<'_>) -> Scan<u64> {
    let mut images = None;
    body.members(|scanner, name| {
        if name != "parameters" || scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        object(scanner, |scanner, name| {
            match name {
                "samplecount" | "sample_count" => images = images.max(number(scanner)?),
                _ => scanner.skip()?,
            }
            Ok(())
        })
    })?;
    Ok(images.unwrap_or(IMAGEN_IMAGES))
}

/// The letters of a text, or of a list of texts.
fn characters(body: Body<'_>, wanted: &str) -> Scan<u64> {
    let mut sum = None;
    body.members(|scanner, name| {
        if name != wanted {
            return scanner.skip();
        }
        let sum = sum.get_or_insert(0_u64);
        let mut add = |scanner: &mut Scanner<'_>| {
            if scanner.kind()? != Kind::String {
                return Err(NotJson);
            }
            *sum += scanner.string()?.decode()?.chars().count() as u64;
            Ok(())
        };
        if scanner.kind()? == Kind::Array {
            return scanner.array(add);
        }
        add(scanner)
    })?;
    sum.ok_or(NotJson)
}

/// Pages: those that are named, one for an image, and otherwise as many as a document may have. Pages that are to be annotated have
/// another price; the answer states them as pages.
fn mistral_ocr(body: Body<'_>) -> Scan<Asked> {
    let (mut pages, mut is_image, mut annotated) = (None, false, false);
    body.members(|scanner, name| {
        match name {
            "pages" => pages = pages.max(named_pages(scanner)?),
            "document" if scanner.kind()? == Kind::Object => object(scanner, |scanner, name| {
                is_image |= name == "type" && scanner.slice()? == "\"image_url\"";
                if name != "type" {
                    scanner.skip()?;
                }
                Ok(())
            })?,
            "bbox_annotation_format" | "document_annotation_format" => {
                annotated |= scanner.slice()? != "null";
            }
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    let most = match (is_image, pages) {
        (true, _) => 1,
        (false, Some(pages)) => pages.min(MOST_PAGES),
        (false, None) => MOST_PAGES,
    };
    // How long a document is only the answer says; one page is not too much.
    let units = if pages.is_some() || is_image { most } else { 1 };
    let (bucket, stated) = match annotated {
        true => (Bucket::AnnotatedPages, Stated::As(Bucket::Pages, 1)),
        false => (Bucket::Pages, Stated::Itself),
    };
    Ok(Asked {
        most: Some(most),
        stated,
        ..unknown(bucket, units)
    })
}

/// The length of a list of pages; `None` for ranges in a text, and for null.
fn named_pages(scanner: &mut Scanner<'_>) -> Scan<Option<u64>> {
    if scanner.kind()? == Kind::Array {
        return length(scanner).map(Some);
    }
    scanner.skip().map(|()| None)
}

#[cfg(test)]
mod tests;

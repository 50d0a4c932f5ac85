//! Videos by their seconds and images by their pixels.

use keystore_core::Bucket;

use super::super::form::Form;
use super::super::scan::{Kind, Scan, Scanner};
use super::super::value::{number, same_name};
use super::{length, unknown};
use crate::meter::{Asked, Stated};

/// What a video of unsaid length is estimated at: no vendor's default is longer.
const ESTIMATED_SECONDS: u64 = 8;
/// What an image of unsaid size is estimated at: the usual default.
const ESTIMATED_PIXELS: u64 = 1_024 * 1_024;
/// Members that say how many videos are made, in small letters.
const COUNTS: [&str; 5] = [
    "n",
    "samplecount",
    "sample_count",
    "numberofvideos",
    "number_of_videos",
];

/// The seconds of the videos that a body asks for, and the images that it gives. `member` is where it says the seconds: the same
/// name elsewhere says nothing. A video that is given may be charged too, and so leaves no bound.
pub(crate) fn video(body: &[u8], member: &str) -> Asked {
    let mut found = Found {
        member,
        seconds: None,
        unsure: false,
        videos: 1,
        images: 0,
    };
    let read = Scanner::new(body).and_then(|mut scanner| {
        found.search(&mut scanner, "")?;
        scanner.end()
    });
    found.unsure |= read.is_err();
    found.asked()
}

/// As [`video`], of a form.
pub(crate) fn video_of_form(form: &Form<'_>, member: &str) -> Asked {
    let mut alike = form.parts.iter().filter(|(name, _)| same_name(name, member));
    let text = match (alike.next(), alike.next()) {
        (Some((name, value)), None) if *name == member => std::str::from_utf8(value).ok(),
        _ => None,
    };
    let seconds = text.and_then(|text| text.parse().ok());
    Found {
        member,
        seconds,
        unsure: seconds.is_none(),
        videos: 1,
        images: 0,
    }
    .asked()
}

/// The pixels of `images` of the size that a body names.
pub(crate) fn pixels(body: &[u8], images: u64) -> Asked {
    let each = size(body).ok().flatten();
    let units = each.unwrap_or(ESTIMATED_PIXELS).saturating_mul(images);
    Asked {
        most: each.map(|_| units),
        stated: Stated::As(Bucket::Images, each.unwrap_or(ESTIMATED_PIXELS)),
        ..unknown(Bucket::Pixels, units)
    }
}

/// `size`, as `1024x768`.
fn size(body: &[u8]) -> Scan<Option<u64>> {
    let mut pixels = None;
    let mut scanner = Scanner::new(body)?;
    scanner.object(|scanner, name| {
        if &*name.decode()? != "size" || scanner.kind()? != Kind::String {
            return scanner.skip();
        }
        let size = scanner.string()?.decode()?;
        pixels = size.split_once(['x', 'X', '*']).and_then(|(width, height)| {
            let (width, height): (u64, u64) = (width.parse().ok()?, height.parse().ok()?);
            width.checked_mul(height)
        });
        Ok(())
    })?;
    Ok(pixels)
}

struct Found<'a> {
    member: &'a str,
    seconds: Option<u64>,
    /// Something may be charged of which nothing says how much.
    unsure: bool,
    videos: u64,
    images: u64,
}

impl Found<'_> {
    fn asked(&self) -> Asked {
        let seconds = self.seconds.unwrap_or(ESTIMATED_SECONDS);
        let units = seconds.saturating_mul(self.videos);
        let is_sure = self.seconds.is_some() && !self.unsure;
        Asked {
            most: is_sure.then_some(units),
            also: Some((Bucket::ImagesIn, self.images)).filter(|(_, images)| *images > 0),
            ..unknown(Bucket::Seconds, units)
        }
    }

    fn search(&mut self, scanner: &mut Scanner<'_>, within: &str) -> Scan<()> {
        match scanner.kind()? {
            Kind::Object => scanner.object(|scanner, name| {
                let name = name.decode()?;
                self.member(scanner, &format!("{within}{name}"), &name.to_ascii_lowercase())
            }),
            Kind::Array => scanner.array(|scanner| self.search(scanner, within)),
            _ => scanner.skip(),
        }
    }

    fn member(&mut self, scanner: &mut Scanner<'_>, path: &str, name: &str) -> Scan<()> {
        if path == self.member {
            let said = number(scanner)?;
            self.unsure |= said.is_none() || self.seconds.is_some();
            self.seconds = self.seconds.max(said);
            return Ok(());
        }
        if same_name(path, self.member) {
            self.unsure = true;
            return scanner.skip();
        }
        if COUNTS.contains(&name) {
            self.videos = self.videos.max(number(scanner)?.unwrap_or(1));
            return Ok(());
        }
        if name.contains("video") {
            self.unsure |= scanner.kind()? != Kind::Null;
            return scanner.skip();
        }
        if name.contains("image") || name.contains("reference") {
            self.images = self.images.saturating_add(length(scanner)?);
            return Ok(());
        }
        self.search(scanner, &format!("{path}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_videos() {
        let of = |member: &str, body: &str| {
            let asked = video(body.as_bytes(), member);
            assert_eq!(asked.bucket, Bucket::Seconds);
            (
                asked.units,
                asked.most,
                asked.also.map_or(0, |(_, images)| images),
            )
        };
        for (body, expected) in [
            (r#"{"seconds":"4"}"#, (4, Some(4), 0)),
            (r#"{"seconds":12,"n":2}"#, (24, Some(24), 0)),
            (
                r#"{"seconds":12,"image":{"url":"a"},"reference_images":["b","c"]}"#,
                (12, Some(12), 3),
            ),
            (r#"{"prompt":"seconds"}"#, (8, None, 0)),
            (r#"{"Seconds":4}"#, (8, None, 0)),
            (r#"{"parameters":{"seconds":4}}"#, (8, None, 0)),
            (r#"{"seconds":4,"video":{"id":"v"}}"#, (4, None, 0)),
            (r#"{"seconds":4,"video":null}"#, (4, Some(4), 0)),
            (r#"{"seconds":-1}"#, (8, None, 0)),
            (r#"{"seconds":"long"}"#, (8, None, 0)),
            ("{", (8, None, 0)),
        ] {
            assert_eq!(of("seconds", body), expected, "{body}");
        }
        for (body, expected) in [
            (
                r#"{"instances":[{"prompt":"a"}],"parameters":{"durationSeconds":6,"sampleCount":3}}"#,
                (18, Some(18), 0),
            ),
            (
                r#"{"instances":[{"durationSeconds":4}],"parameters":{}}"#,
                (8, None, 0),
            ),
            (
                r#"{"parameters":{"durationSeconds":4,"durationSeconds":8}}"#,
                (8, None, 0),
            ),
            (r#"{"parameters":{"duration_seconds":4}}"#, (8, None, 0)),
            (
                r#"{"instances":[{"video":{"uri":"a"}}],"parameters":{"durationSeconds":4}}"#,
                (4, None, 0),
            ),
        ] {
            assert_eq!(of("parameters.durationSeconds", body), expected, "{body}");
        }
    }

    #[test]
    fn seconds_of_a_form() {
        let of = |parts: Vec<(&str, &[u8])>| {
            let form = Form {
                parts,
                ..Form::default()
            };
            let asked = video_of_form(&form, "seconds");
            (asked.units, asked.most)
        };
        assert_eq!(of(vec![("seconds", b"12"), ("prompt", b"a")]), (12, Some(12)));
        assert_eq!(of(vec![("prompt", b"a")]), (8, None));
        assert_eq!(of(vec![("seconds", b"4"), ("Seconds", b"12")]), (8, None));
        assert_eq!(of(vec![("seconds", b"4s")]), (8, None));
    }

    #[test]
    fn pixels_of_images() {
        let of = |body: &str| {
            let asked = pixels(body.as_bytes(), 2);
            (asked.units, asked.most, asked.stated)
        };
        assert_eq!(
            of(r#"{"size":"512x256"}"#),
            (262_144, Some(262_144), Stated::As(Bucket::Images, 131_072))
        );
        for unsaid in [
            "{}",
            r#"{"size":"auto"}"#,
            r#"{"size":null}"#,
            r#"{"Size":"1x1"}"#,
        ] {
            assert_eq!(
                of(unsaid),
                (2_097_152, None, Stated::As(Bucket::Images, 1_048_576)),
                "{unsaid}"
            );
        }
    }
}

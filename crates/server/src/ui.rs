//! The dashboard at `/`: the files that `ui/` is built to, embedded in the binary, with headers that let the page load and call
//! nothing but this server.
//!
//! It is a plain client of the API: nothing here knows who calls, and no page has a right of its own. Pages are told apart behind
//! the `#` of the address, so the server has one page and no path of the API is shadowed.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A path below `ui/dist`, and what the file holds. Beside a file that packs well lies the same as `.gz`.
type File = (&'static str, &'static [u8]);

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/ui.rs"));

const INDEX: &str = "index.html";

/// Where files lie whose names hold the hash of what they hold.
const HASHED: &str = "assets/";

/// Only files of this server, no script or style in the page, no frame around it, and no text that becomes markup.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Keystore</title>\
<h1>This build has no dashboard</h1>\
<p>The API is here all the same: see <a href=\"/openapi.json\">/openapi.json</a> and the command <code>ks</code>.</p>\
<p>To build the dashboard (with Node 20.19 or newer) and a server that has it, in the source folder:</p>\
<pre>make ui\ncargo build --release --locked --package ks</pre>\n";

/// Whether this build has a dashboard.
pub(crate) fn is_built() -> bool {
    find(FILES, INDEX).is_some()
}

/// The answer to a path below `/`: the file, the page for `/` itself, or `None` where there is no such file.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    of(FILES, path, headers)
}

fn of(files: &[File], path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = match path.trim_start_matches('/') {
        "" => INDEX,
        name => name,
    };
    let Some(plain) = find(files, name) else {
        return (name == INDEX).then(|| dressed(StatusCode::NOT_FOUND, INDEX, NOT_BUILT.as_bytes()));
    };
    let packed = find(files, &format!("{name}.gz"));
    let mut answer = match packed.filter(|_| takes_gzip(headers)) {
        Some(packed) => {
            let mut answer = dressed(StatusCode::OK, name, packed);
            answer
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        None => dressed(StatusCode::OK, name, plain),
    };
    if packed.is_some() {
        answer
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    Some(answer)
}

fn find(files: &[File], name: &str) -> Option<&'static [u8]> {
    files
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, bytes)| *bytes)
}

/// Whether the client takes gzip by its name (RFC 9110, 12.5.3); one that refuses it says `q=0`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

fn dressed(status: StatusCode, name: &str, bytes: &'static [u8]) -> Response {
    let caching = match name.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-store",
    };
    let headers = [
        (header::CONTENT_TYPE, kind(name)),
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    (status, headers, bytes).into_response()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &[File] = &[
        ("assets/a-1f.js", b"plain"),
        ("assets/a-1f.js.gz", b"packed"),
        ("favicon.svg", b"<svg/>"),
        ("index.html", b"<!doctype html>"),
    ];

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    fn header_of(answer: &Response, name: header::HeaderName) -> Option<&str> {
        answer.headers().get(name).and_then(|value| value.to_str().ok())
    }

    #[test]
    fn the_page_is_never_stored_and_hashed_files_for_ever() {
        let page = of(BUILT, "/", &HeaderMap::new()).unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(
            header_of(&page, header::CONTENT_TYPE),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(header_of(&page, header::CACHE_CONTROL), Some("no-store"));
        let script = of(BUILT, "/assets/a-1f.js", &HeaderMap::new()).unwrap();
        assert_eq!(
            header_of(&script, header::CACHE_CONTROL),
            Some("public, max-age=31536000, immutable")
        );
        for answer in [page, script] {
            let policy = header_of(&answer, header::CONTENT_SECURITY_POLICY).unwrap();
            assert!(policy.starts_with("default-src 'self'; "), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (value, packed) in [
            ("gzip", true),
            ("deflate, gzip;q=0.8", true),
            ("br", false),
            ("gzip;q=0", false),
            ("x-gzipped", false),
        ] {
            let answer = of(BUILT, "/assets/a-1f.js", &accepting(value)).unwrap();
            let encoding = header_of(&answer, header::CONTENT_ENCODING);
            assert_eq!(encoding, packed.then_some("gzip"), "{value}");
            assert_eq!(header_of(&answer, header::VARY), Some("accept-encoding"));
            assert_eq!(
                header_of(&answer, header::CONTENT_TYPE),
                Some("text/javascript; charset=utf-8")
            );
        }
        let icon = of(BUILT, "/favicon.svg", &accepting("gzip")).unwrap();
        assert_eq!(header_of(&icon, header::CONTENT_ENCODING), None);
    }

    #[test]
    fn there_is_nothing_else() {
        for path in ["/v1/agents", "/assets/", "/assets/../index.html", "/x"] {
            assert!(of(BUILT, path, &HeaderMap::new()).is_none(), "{path}");
        }
        let without = of(&[], "/", &HeaderMap::new()).unwrap();
        assert_eq!(without.status(), 404);
        assert!(NOT_BUILT.contains("make ui"));
    }
}

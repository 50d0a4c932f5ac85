//! How an answer misbehaves. Chosen for one request by the header `x-fake`, or for the next requests by a script.

use std::time::Duration;

/// The header that carries directives, as in `x-fake: status=429; chunk-delay-ms=20; abort-after=3`.
pub const HEADER: &str = "x-fake";

/// What an answer does beside the plain one. The default is the plain one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behaviour {
    /// `status=401`: the vendor's error of that status (its own JSON shape) instead of an answer.
    pub status: Option<u16>,
    /// `policy`: the request is refused for its content: OpenAI says so in its error (with `status=400`), Anthropic in its answer.
    pub policy: bool,
    /// `head-delay-ms=50`: waits before the head.
    pub head_delay: Duration,
    /// `chunk-delay-ms=5`: waits before every piece of a body.
    pub chunk_delay: Duration,
    /// `stall-after=2`: sends that many pieces and then nothing more; the connection stays open.
    pub stall_after: Option<usize>,
    /// `abort-after=2`: sends that many pieces and then closes the connection (HTTP/2: resets the stream).
    pub abort_after: Option<usize>,
    /// `truncate`: closes the connection in the middle of a buffered body.
    pub truncate: bool,
    /// `no-head`: closes the connection without any answer.
    pub no_head: bool,
    /// `garbage`: sends bytes that are not HTTP (HTTP/1 only).
    pub garbage: bool,
    /// `gzip`: encodes the body, whatever was asked for.
    pub gzip: bool,
    /// `redirect=http://…`: answers 307 to that place.
    pub redirect: Option<String>,
    /// `informational=3`: sends that many 103 heads first (HTTP/1 only).
    pub informational: u32,
    /// `body-bytes=1000000`: a body of that many bytes of `x` instead of the answer.
    pub body_bytes: Option<u64>,
    /// `close`: closes the connection after the answer.
    pub close: bool,
    /// `trailers`: sends trailers, one of them named `authorization`.
    pub trailers: bool,
    /// `hostile`: adds `set-cookie`, `alt-svc`, `nel`, `report-to`, HSTS, CORS and `connection`-named headers.
    pub hostile: bool,
    /// `html`: answers a page with a script.
    pub html: bool,
    /// `echo`: answers the request's own headers and target, real credential included.
    pub echo: bool,
    /// `leak-bytes=1000000`: a body of about that many bytes that holds the request's credential in every form, in pieces of all lengths.
    pub leak_bytes: Option<u64>,
    /// `stream-error`: a stream's third event is the vendor's error, and its last.
    pub stream_error: bool,
    /// `no-usage`: leaves the usage out.
    pub no_usage: bool,
    /// `output-tokens=300`: that many tokens of output, capped by what the request allows. Default 12.
    pub output_tokens: Option<u64>,
    /// `cached-tokens=8`: that many of the input tokens came from the cache.
    pub cached_tokens: u64,
    /// `reasoning-tokens=8`: that many of the output tokens were reasoning.
    pub reasoning_tokens: u64,
}

impl Behaviour {
    /// The directives in `text`, separated by `;`. `Err` names the first that is unknown or has a bad value, so that a test
    /// with a typing error does not pass by accident.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut behaviour = Self::default();
        for directive in text
            .split(';')
            .map(str::trim)
            .filter(|directive| !directive.is_empty())
        {
            behaviour.apply(directive).ok_or_else(|| directive.to_owned())?;
        }
        Ok(behaviour)
    }

    fn apply(&mut self, directive: &str) -> Option<()> {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let millis = || value.parse().ok().map(Duration::from_millis);
        match name {
            "status" => self.status = Some(value.parse().ok().filter(|status| (200..=599).contains(status))?),
            "head-delay-ms" => self.head_delay = millis()?,
            "chunk-delay-ms" => self.chunk_delay = millis()?,
            "stall-after" => self.stall_after = Some(value.parse().ok()?),
            "abort-after" => self.abort_after = Some(value.parse().ok()?),
            "redirect" => self.redirect = Some(value.to_owned()),
            "informational" => self.informational = value.parse().ok()?,
            "body-bytes" => self.body_bytes = Some(value.parse().ok()?),
            "leak-bytes" => self.leak_bytes = Some(value.parse().ok()?),
            "output-tokens" => self.output_tokens = Some(value.parse().ok()?),
            "cached-tokens" => self.cached_tokens = value.parse().ok()?,
            "reasoning-tokens" => self.reasoning_tokens = value.parse().ok()?,
            flag => *self.flag(flag)? = true,
        }
        Some(())
    }

    fn flag(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "truncate" => &mut self.truncate,
            "no-head" => &mut self.no_head,
            "garbage" => &mut self.garbage,
            "gzip" => &mut self.gzip,
            "close" => &mut self.close,
            "trailers" => &mut self.trailers,
            "hostile" => &mut self.hostile,
            "html" => &mut self.html,
            "echo" => &mut self.echo,
            "stream-error" => &mut self.stream_error,
            "no-usage" => &mut self.no_usage,
            "policy" => &mut self.policy,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_errors_named() {
        let read = Behaviour::parse("status=429; chunk-delay-ms=20;abort-after=3; hostile").unwrap();
        assert_eq!(read.status, Some(429));
        assert_eq!(read.chunk_delay, Duration::from_millis(20));
        assert_eq!(read.abort_after, Some(3));
        assert!(read.hostile && !read.gzip);
        assert_eq!(Behaviour::parse(""), Ok(Behaviour::default()));
        for bad in ["statas=1", "status=x", "status=99", "abort-after=", "gzipp"] {
            assert_eq!(Behaviour::parse(bad), Err(bad.to_owned()));
        }
    }
}

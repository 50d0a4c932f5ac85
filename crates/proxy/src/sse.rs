//! Server-sent events (WHATWG HTML, "9.2 Server-sent events") as bytes: a scanner over chunks.

//! Instructions of the hit path, counted by Valgrind: the same on every machine of an architecture, whatever else it does.
//!
//! `request` counts what the thread of the data plane does for a request: hyper's server and client sides, the proxy, the hand-over
//! to the journal, and the client's few instructions. Not in it: the upstream and SQLite's writer, which run in threads of their
//! own, and the kernel. The others count single steps.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(missing_docs, reason = "the macros make undocumented items")]

#[path = "hit_path/fixture.rs"]
mod fixture;

use std::hint::black_box;
use std::net::SocketAddr;

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request};
use keystore_bench::load::body;
use keystore_catalog::{OutputCap, UsageShape};
use keystore_proxy::listener::ConnInfo;
use keystore_proxy::meter::{Basis, Meter, MeterSetup};
use keystore_proxy::parse::{AllowedHosts, parse};
use keystore_proxy::route::{Route, route};
use keystore_vault::SealedCredential;

use fixture::Client;

/// Divide the count by this.
const REQUESTS: usize = 100;

#[library_benchmark]
#[bench::buffered(args = (false), setup = Client::warm)]
#[bench::streamed(args = (true), setup = Client::warm)]
fn hundred_requests(mut client: Client) -> Client {
    client.send(REQUESTS);
    client
}

fn head(token: &str) -> (Request<()>, ConnInfo, AllowedHosts) {
    let request = Request::post("/v1/openai/v1/chat/completions")
        .header("host", "127.0.0.1:8400")
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("user-agent", "OpenAI/Python 2.7.1")
        .header("x-stainless-lang", "python")
        .header("authorization", format!("Bearer {token}"))
        .header("content-length", "1024");
    let conn = ConnInfo {
        peer: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        tls: false,
    };
    (request.body(()).unwrap(), conn, AllowedHosts::loopback())
}

#[library_benchmark]
#[bench::chat(args = ("ks_bench"), setup = head)]
fn parse_and_route((request, conn, hosts): (Request<()>, ConnInfo, AllowedHosts)) -> Route {
    let clean = parse(request, &conn, &hosts).unwrap();
    black_box(route(&clean).unwrap())
}

fn token() -> Vec<u8> {
    let token = keystore_vault::NewToken::generate(keystore_vault::TokenKind::Agent).unwrap();
    // The first hash of a process sets the library up.
    black_box(token.hash());
    token.into_text().as_bytes().to_vec()
}

#[library_benchmark]
#[bench::token(setup = token)]
fn hash_token(token: Vec<u8>) -> keystore_core::token::TokenHash {
    black_box(keystore_vault::hash_token(&token))
}

fn chat_body(stream: bool) -> Bytes {
    Bytes::from(body(stream))
}

#[library_benchmark]
#[bench::buffered(args = (false), setup = chat_body)]
#[bench::streamed(args = (true), setup = chat_body)]
fn read_body(body: Bytes) -> u64 {
    let facts = keystore_proxy::body::read(&body, Some(OutputCap::MaxCompletionTokens)).unwrap();
    black_box(facts.input_tokens)
}

fn answer() -> (Meter, Bytes) {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
    let body = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1795000000,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":25,"completion_tokens":120,"total_tokens":145,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}},"service_tier":"default"}}"#
    );
    let setup = MeterSetup {
        shape: UsageShape::OpenaiChat,
        hide_usage_chunk: false,
        input_tokens: 300,
        asked: None,
    };
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (Meter::new(setup, &head), Bytes::from(body))
}

#[library_benchmark]
#[bench::buffered(setup = answer)]
fn meter((mut meter, body): (Meter, Bytes)) -> bool {
    meter.on_chunk(body).for_each(drop);
    black_box(meter.finish().basis == Basis::Reported)
}

fn sealed() -> SealedCredential {
    let sealed = fixture::sealed();
    // As above.
    assert!(sealed.open().is_ok());
    sealed
}

#[library_benchmark]
#[bench::credential(setup = sealed)]
fn open(sealed: SealedCredential) -> SealedCredential {
    black_box(sealed.open().is_ok());
    sealed
}

library_benchmark_group!(name = request, benchmarks = [hundred_requests]);
library_benchmark_group!(
    name = steps,
    benchmarks = [parse_and_route, hash_token, read_body, meter, open]
);

main!(library_benchmark_groups = [request, steps]);

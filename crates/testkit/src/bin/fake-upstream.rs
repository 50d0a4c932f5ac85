//! A fake upstream as a process of its own, for clients in other languages, for kill tests and for benchmarks.
//!
//! `fake-upstream [--addr 127.0.0.1:0] [--log FILE] [--tls CA.pem] [--fixed] [--dialect gemini|mistral] [--key SLOT=VALUE]…`. It prints
//! the URL on which it listens as its first line and runs until it is killed. `--log` appends a line of JSON per request; `--tls` serves
//! HTTPS and writes its certificate authority to the file; `--fixed` answers chat completions with prebuilt bytes and logs nothing;
//! `--dialect` says who answers on paths that several vendors have; `--key header:x-api-key=sk-…` (or `bearer=`, `query:key=`, …) refuses
//! every other credential, and any in another slot.

#![expect(clippy::print_stdout, reason = "its first line tells where it listens")]

use std::error::Error;
use std::fs::OpenOptions;
use std::path::PathBuf;

use keystore_testkit::upstream::{Dialect, FakeUpstream, Options, Slot};

struct Arguments {
    options: Options,
    ca_file: Option<PathBuf>,
    keys: Vec<(Slot, String)>,
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments {
        options: Options {
            forget: true,
            ..Options::default()
        },
        ca_file: None,
        keys: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--addr" => arguments.options.addr = Some(value()?.parse()?),
            "--log" => {
                let file = OpenOptions::new().create(true).append(true).open(value()?)?;
                arguments.options.file = Some(file);
            }
            "--tls" => arguments.ca_file = Some(value()?.into()),
            "--fixed" => arguments.options.fixed = true,
            "--dialect" => match value()?.as_str() {
                "gemini" => arguments.options.dialect = Dialect::Gemini,
                "mistral" => arguments.options.dialect = Dialect::Mistral,
                other => return Err(format!("unknown dialect {other}").into()),
            },
            "--key" => {
                let text = value()?;
                let (slot, key) = text.split_once('=').ok_or("--key needs SLOT=VALUE")?;
                arguments.keys.push((slot.parse()?, key.to_owned()));
            }
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    arguments.options.tls = arguments.ca_file.is_some();
    Ok(arguments)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        options,
        ca_file,
        keys,
    } = arguments(std::env::args().skip(1))?;
    let upstream = FakeUpstream::with(options).await?;
    for (slot, value) in keys {
        upstream.expect(slot, value);
    }
    if let (Some(file), Some(pem)) = (ca_file, upstream.ca_pem()) {
        std::fs::write(file, pem)?;
    }
    println!("{}", upstream.url());
    std::future::pending::<()>().await;
    Ok(())
}

//! A provider that an organization defines for itself: the same schema as a file of `catalog/providers`, with what only the
//! catalog may say taken out, and its prices as a file of `catalog/prices`.

use std::net::IpAddr;

use keystore_core::destination::Destination;

use crate::origin;
use crate::provider::{PriceTable, Provider};
use crate::schema::{SchemaError, parse_prices, parse_provider};

impl Provider {
    /// Reads a definition and its prices, both in TOML. Errors name `definition` or `prices` as their file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn define(slug: &str, definition: &str, prices: Option<&str>) -> Result<Self, SchemaError> {
        let prices = match prices {
            Some(text) => parse_prices("prices", text)?,
            None => PriceTable::default(),
        };
        let provider = parse_provider(slug, "definition", definition, prices)?;
        if provider.dev_only {
            return Err(SchemaError {
                file: "definition".to_owned(),
                key: "dev_only".to_owned(),
                problem: "is for the catalog's own providers; remove it".to_owned(),
            });
        }
        Ok(provider)
    }

    /// The hosts that are an address or this machine's own name, by their key in the file, with `host:port` as an operator would
    /// list it. Names are checked when they are dialled.
    pub fn literal_hosts(&self) -> Vec<(String, IpAddr, String)> {
        let base = self.base_url.iter().map(|url| ("base_url".to_owned(), url));
        let further = self
            .hosts
            .iter()
            .map(|host| (format!("hosts.{}", host.alias), &host.url));
        base.chain(further)
            .filter_map(|(key, url)| {
                let host = origin::parse("", url).ok()?;
                Some((key, address(&host)?, origin::host_port(&host)))
            })
            .collect()
    }
}

fn address(host: &Destination) -> Option<IpAddr> {
    let is_local = host.host == "localhost" || host.host.ends_with(".localhost");
    match is_local {
        true => Some(IpAddr::from([127, 0, 0, 1])),
        false => host.host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = "name = \"Acme\"\ncategory = \"llm\"\nbase_url = \"https://api.acme.example\"\n";

    #[test]
    fn what_only_the_catalog_says_is_refused() {
        assert!(Provider::define("acme", ACME, None).is_ok());
        let error = Provider::define("acme", &format!("dev_only = true\n{ACME}"), None).unwrap_err();
        assert_eq!(
            (error.file.as_str(), error.key.as_str()),
            ("definition", "dev_only")
        );
        let error = Provider::define("acme", &ACME.replace("category", "categry"), None).unwrap_err();
        assert!(error.problem.contains("`categry`"), "{error}");
        let error = Provider::define("chat", ACME, None).unwrap_err();
        assert_eq!(error.key, "slug");
    }

    #[test]
    fn hosts_that_are_addresses_are_told() {
        let told = |url: &str| {
            let text = ACME.replace("https://api.acme.example", url);
            Provider::define("acme", &text, None).unwrap().literal_hosts()
        };
        assert!(told("https://api.acme.example").is_empty());
        let (key, address, authority) = told("https://10.0.0.1:8443/v1").remove(0);
        assert_eq!((key.as_str(), authority.as_str()), ("base_url", "10.0.0.1:8443"));
        assert_eq!(address, IpAddr::from([10, 0, 0, 1]));
        assert!(told("https://localhost").remove(0).1.is_loopback());
    }
}

//! Which addresses may be dialled, and the dialling itself.
//!
//! A name is resolved, every address of the answer is checked, and one of exactly those addresses is connected to: between
//! check and connection there is no second look-up that could answer differently. An answer that holds one forbidden address
//! is refused whole. Literal addresses go through the same check. No proxy is used, whatever the environment says.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// The longest that one address is tried while others are left.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The kind of an address, as far as dialling cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressKind {
    /// Reachable on the public internet.
    Public,
    /// Private, loopback, link-local or shared: dialled only for a listed `host:port`.
    Internal,
    /// Never the address of an API: metadata services, multicast, documentation, reserved ranges.
    Forbidden,
}

/// The `host:port` that may be dialled at internal addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowList(HashSet<(String, u16)>);

impl AllowList {
    /// From entries `host:port`, IPv6 in brackets. An entry without a port allows nothing.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a String>) -> Self {
        Self(
            entries
                .into_iter()
                .filter_map(|entry| parse_entry(entry))
                .collect(),
        )
    }

    fn contains(&self, host: &str, port: u16) -> bool {
        self.0.contains(&(canonical_host(host), port))
    }
}

fn parse_entry(entry: &str) -> Option<(String, u16)> {
    let (host, port) = entry.trim().rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    Some((canonical_host(host), port.parse().ok()?))
}

/// One spelling per host, so that `[0:0::1]` and `::1` are the same entry.
fn canonical_host(host: &str) -> String {
    host.parse::<IpAddr>()
        .map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}

/// Why no connection was made. Nothing was sent in any of these cases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The name does not resolve.
    #[error("{host} does not resolve: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name resolves to an address that may not be dialled.
    #[error("{host} is at {address}, which may not be dialled")]
    Refused {
        /// The name, or the literal address.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// Every address refused the connection.
    #[error("no connection to {host}: {source}")]
    Connect {
        /// The name.
        host: String,
        /// What the last address said.
        source: io::Error,
    },
    /// The TLS handshake failed: a certificate that is not valid, or no common protocol.
    #[error("no TLS with {host}: {source}")]
    Tls {
        /// The name.
        host: String,
        /// What failed.
        source: io::Error,
    },
    /// The connection took too long.
    #[error("no connection to {host} in time")]
    Timeout {
        /// The name.
        host: String,
    },
}

/// Resolves `host`, checks all of its addresses and connects to one of them before `deadline`.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    allow: &AllowList,
    deadline: Instant,
) -> Result<TcpStream, DialError> {
    let addresses = timeout_at(deadline, resolve(host, port, allow))
        .await
        .map_err(|_| DialError::Timeout {
            host: host.to_owned(),
        })??;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let until = if index + 1 == addresses.len() {
            deadline
        } else {
            deadline.min(Instant::now() + ATTEMPT)
        };
        match timeout_at(until, connect(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) if Instant::now() >= deadline => {
                return Err(DialError::Timeout {
                    host: host.to_owned(),
                });
            }
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(DialError::Connect {
        host: host.to_owned(),
        source: last,
    })
}

async fn resolve(host: &str, port: u16, allow: &AllowList) -> Result<Vec<SocketAddr>, DialError> {
    let unresolved = |source| DialError::Resolve {
        host: host.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, port)],
        Err(_) => lookup_host((host, port)).await.map_err(unresolved)?.collect(),
    };
    if addresses.is_empty() {
        return Err(unresolved(io::Error::from(io::ErrorKind::NotFound)));
    }
    let listed = allow.contains(host, port);
    let refused = addresses
        .iter()
        .map(SocketAddr::ip)
        .find(|address| match kind_of(*address) {
            AddressKind::Public => false,
            AddressKind::Internal => !listed,
            AddressKind::Forbidden => true,
        });
    match refused {
        Some(address) => Err(DialError::Refused {
            host: host.to_owned(),
            address,
        }),
        None => Ok(addresses),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.connect(address).await
}

/// The kind of an address, by the IANA special-purpose registries (RFC 6890 and its updates) and the metadata services of the
/// large clouds.
pub(crate) fn kind_of(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

/// Metadata and platform services: AWS, GCP, Azure and others; Azure's platform address; Alibaba; Oracle.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

fn kind_of_v4(address: Ipv4Addr) -> AddressKind {
    if METADATA_V4.contains(&address) {
        return AddressKind::Forbidden;
    }
    match address.octets() {
        // RFC 1918 private, RFC 1122 loopback, RFC 3927 link-local, RFC 6598 shared by carrier-grade NAT.
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..] | [100, 64..=127, ..] => {
            AddressKind::Internal
        }
        // "This network", IETF protocol assignments, documentation, AS112, 6to4 relays, benchmarking, multicast, reserved.
        [0, ..]
        | [192, 0, 0 | 2, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 88, 99, _]
        | [192, 175, 48, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => AddressKind::Forbidden,
        _ => AddressKind::Public,
    }
}

/// The metadata service of AWS over IPv6, and its relatives for Amazon ECS and Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0023),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

fn kind_of_v6(address: Ipv6Addr) -> AddressKind {
    if METADATA_V6.contains(&address) {
        return AddressKind::Forbidden;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Internal,
        // IPv4-mapped (RFC 4291) and NAT64 (RFC 6052) lead to the IPv4 address in their last 32 bits.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            kind_of_v4(embedded(high, low))
        }
        // Unique local, link-local, site-local.
        [0xfc00..=0xfdff, ..] | [0xfe80..=0xfeff, ..] => AddressKind::Internal,
        // IETF protocol assignments with Teredo and benchmarking, documentation twice, 6to4, AS112.
        [0x2001, 0..=0x01ff | 0x0db8, ..]
        | [0x2002, ..]
        | [0x3fff, 0..=0x0fff, ..]
        | [0x2620, 0x004f, 0x8000, ..] => AddressKind::Forbidden,
        // What IANA gives out as global unicast. All the rest, IPv4-compatible addresses and multicast included, is not.
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Forbidden,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> AddressKind {
        kind_of(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "104.18.7.192",
            "162.159.140.245",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::6812:7c0",
            "2a00:1450:4001:81b::200a",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(kind(text), AddressKind::Public, "{text}");
        }
    }

    #[test]
    fn internal_addresses_need_to_be_listed() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "::1",
            "fc00::1",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b::192.168.1.1",
        ] {
            assert_eq!(kind(text), AddressKind::Internal, "{text}");
        }
    }

    #[test]
    fn special_addresses_are_never_dialled() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::ffff:0:8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "5f00::1",
            "fd00:ec2::254",
            "ff02::1",
            "ff0e::1",
            "4000::1",
        ] {
            assert_eq!(kind(text), AddressKind::Forbidden, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_as_good_as_the_one_it_leads_to(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(kind_of(IpAddr::V6(plain.to_ipv6_mapped())), kind_of(IpAddr::V4(plain)));
            let nat64 = Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(kind_of(IpAddr::V6(nat64)), kind_of(IpAddr::V4(plain)));
        }

        #[test]
        fn nothing_that_the_standard_library_calls_special_is_public(bits: u128, v4: u32) {
            let v4 = Ipv4Addr::from_bits(v4);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_unspecified() {
                prop_assert_ne!(kind_of(IpAddr::V4(v4)), AddressKind::Public);
            }
            let v6 = Ipv6Addr::from_bits(bits);
            if v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback() {
                prop_assert_ne!(kind_of(IpAddr::V6(v6)), AddressKind::Public);
            }
        }
    }

    async fn refused(host: &str, allow: &[&str]) -> bool {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        matches!(
            resolve(host, 443, &AllowList::new(&allow)).await,
            Err(DialError::Refused { .. })
        )
    }

    #[tokio::test]
    async fn names_and_literals_go_through_the_same_check() {
        assert!(refused("localhost", &[]).await);
        assert!(refused("127.0.0.1", &[]).await);
        assert!(refused("::1", &[]).await);
        assert!(refused("10.0.0.1", &["127.0.0.1:443"]).await);
        assert!(!refused("8.8.8.8", &[]).await);
    }

    #[tokio::test]
    async fn a_listed_host_and_port_may_be_internal_but_not_forbidden() {
        assert!(!refused("127.0.0.1", &["127.0.0.1:443"]).await);
        assert!(!refused("localhost", &["LOCALHOST:443"]).await);
        assert!(!refused("::1", &["[0:0:0:0:0:0:0:1]:443"]).await);
        assert!(refused("127.0.0.1", &["127.0.0.1:444"]).await, "another port");
        assert!(refused("127.0.0.1", &["127.0.0.1"]).await, "no port");
        assert!(
            refused("localhost", &["127.0.0.1:443"]).await,
            "the name is not listed"
        );
        assert!(refused("169.254.169.254", &["169.254.169.254:443"]).await);
    }
}

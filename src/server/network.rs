//! Where a request comes from: addresses, networks, and the proxies whose word is taken.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::uri::Authority;
use serde::{Deserialize, Serialize};

/// A network in CIDR notation, as in `10.0.0.0/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

/// Why a text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no network; write it as in 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address is in it. An IPv4 address that comes as an IPv6 one counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same(base.to_bits().into(), address.to_bits().into(), 32 - self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same(base.to_bits(), address.to_bits(), 128 - self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The networks in a list that spaces divide.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn list(text: &str) -> Result<Vec<Self>, NetworkError> {
        text.split_whitespace().map(str::parse).collect()
    }
}

/// Whether two addresses agree but for the last `free` bits.
fn same(one: u128, other: u128, free: u32) -> bool {
    (one ^ other).checked_shr(free).unwrap_or_default() == 0
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (base, bits) =
            text.trim().split_once('/').map_or((text.trim(), None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// The address of whoever sent a request; nothing where the server was not told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source(pub(super) Option<IpAddr>);

impl Source {
    /// The peer; where that is a trusted proxy, the last address in `X-Forwarded-For` that is none. Whatever stands before that one
    /// may be the caller's own invention.
    pub(super) fn of<B>(request: &Request<B>, trusted: &[Network]) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|it| it.0.ip().to_canonical());
        let is_proxy = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        if !peer.is_some_and(is_proxy) {
            return Self(peer);
        }
        let said =
            request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let chain: Vec<&str> = said.flat_map(|text| text.split(',')).collect();
        let mut nearest = peer;
        for text in chain.iter().rev() {
            let Ok(address) = text.trim().parse::<IpAddr>() else { break };
            nearest = Some(address.to_canonical());
            if !is_proxy(address) {
                break;
            }
        }
        Self(nearest)
    }
}

/// The URL under which clients see the server, as a trusted proxy names it in `X-Forwarded-Proto` and `X-Forwarded-Host`; without a
/// slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside(pub(super) String);

impl Outside {
    /// What the proxy before us says; nothing where there is none, or where it says nothing that can be believed.
    pub(super) fn of<B>(request: &Request<B>, trusted: &[Network]) -> Option<Self> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
        if !trusted.iter().any(|network| network.contains(peer)) {
            return None;
        }
        // Where several proxies have added to it, the last word is that of the one that we know.
        let said = |name: &str| {
            let last = request.headers().get_all(name).iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next().map(str::trim).filter(|it| !it.is_empty())
        };
        let (proto, host) = (said("x-forwarded-proto"), said("x-forwarded-host"));
        if proto.is_none() && host.is_none() {
            return None;
        }
        let scheme = match proto {
            Some(scheme @ ("http" | "https")) => scheme,
            Some(_) => return None,
            None => "http",
        };
        let host = host.or_else(|| request.headers().get("host")?.to_str().ok())?;
        let authority: Authority = host.parse().ok()?;
        // A name before the host would be somebody's credentials.
        (!authority.as_str().contains('@')).then(|| Self(format!("{scheme}://{authority}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_agrees_in_its_bits() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "2001:db8::1", false),
        ] {
            let found = network.parse::<Network>().unwrap().contains(address.parse().unwrap());
            assert_eq!(found, inside, "{address} in {network}");
        }
        for wrong in ["", "10.0.0.0/33", "example.com", "10.0.0.0/x", "2001:db8::/129", "10.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let source = |peer: &str, said: &[&str], trusted: &str| {
            let mut request = Request::new(());
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
            for line in said {
                request.headers_mut().append("x-forwarded-for", line.parse().unwrap());
            }
            Source::of(&request, &Network::list(trusted).unwrap()).0.unwrap().to_string()
        };
        assert_eq!(source("203.0.113.9:1", &["198.51.100.1"], ""), "203.0.113.9");
        assert_eq!(source("10.0.0.1:1", &["198.51.100.1"], "10.0.0.0/8"), "198.51.100.1");
        assert_eq!(source("10.0.0.1:1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"], "10.0.0.0/8"), "198.51.100.1");
        assert_eq!(source("10.0.0.1:1", &["1.2.3.4", "198.51.100.1"], "10.0.0.0/8"), "198.51.100.1");
        assert_eq!(source("10.0.0.1:1", &["nonsense"], "10.0.0.0/8"), "10.0.0.1");
        assert_eq!(source("10.0.0.1:1", &[], "10.0.0.0/8"), "10.0.0.1");
    }

    #[test]
    fn only_a_trusted_proxy_says_how_the_server_is_seen() {
        let trusted = Network::list("10.0.0.0/8").unwrap();
        let said = |peer: &str, headers: &[(&'static str, &str)]| {
            let mut request = Request::new(());
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            for (name, value) in headers {
                request.headers_mut().append(*name, value.parse().unwrap());
            }
            Outside::of(&request, &trusted).map(|it| it.0)
        };
        let (proto, host) = (("x-forwarded-proto", "https"), ("x-forwarded-host", "scim.example.com"));
        let inner = ("host", "bridge:8080");
        let known = |url: &str| Some(url.to_owned());
        for (peer, headers, expected) in [
            ("10.0.0.1", vec![proto, host, inner], known("https://scim.example.com")),
            ("10.0.0.1", vec![proto, inner], known("https://bridge:8080")),
            ("10.0.0.1", vec![host], known("http://scim.example.com")),
            (
                "10.0.0.1",
                vec![proto, ("x-forwarded-host", "evil.example, a.example:8443")],
                known("https://a.example:8443"),
            ),
            ("10.0.0.1", vec![inner], None),
            ("192.0.2.1", vec![proto, host, inner], None),
            ("10.0.0.1", vec![("x-forwarded-proto", "javascript"), host], None),
            ("10.0.0.1", vec![proto, ("x-forwarded-host", "a/b")], None),
            ("10.0.0.1", vec![proto, ("x-forwarded-host", "jo@example.com")], None),
        ] {
            assert_eq!(said(peer, &headers), expected, "{peer} {headers:?}");
        }
    }
}

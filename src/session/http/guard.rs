//! Whom a request may come from: a browser sends requests that no person meant to send.
//!
//! A page of somebody else's can point a name of its own at this machine (DNS rebinding), and can
//! make a browser post to us. The first shows in `Host`, the second in `Origin` (RFC 6454) and
//! `Sec-Fetch-Site` (W3C Fetch Metadata).

use core::net::IpAddr;
use std::fmt;

use crate::proto::http::Request;

/// What the settings say about who may ask.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What every path begins with; empty, or `/a/b`.
    pub prefix: String,
    /// Origins, in lower case, whose pages may read answers and send; `*` = all.
    pub cors: Vec<String>,
    /// Only this machine can reach us: then a name in `Host` that is none of ours is a trick.
    pub is_loopback: bool,
    /// What this machine calls itself.
    pub host_name: String,
}

/// Why a request is not served. Each is answered with 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A name that is none of ours.
    Host(String),
    /// A page of this origin, which nobody allowed.
    Origin(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(
                f,
                "unknown host \"{name}\" (allowed: addresses, names without a dot, this machine's \
                 own, and those of --cors)"
            ),
            Self::Origin(origin) => {
                write!(f, "a page of \"{origin}\" may not send here (allowed: --cors ORIGIN)")
            }
        }
    }
}

/// Bytes of a header's value that a refusal repeats.
const SHOWN_BYTES: usize = 80;

fn shown(value: &[u8]) -> String {
    value[..value.len().min(SHOWN_BYTES)].escape_ascii().to_string()
}

impl Policy {
    /// The path of a request below the prefix, empty where it is the prefix itself; `None` where it
    /// lies elsewhere.
    pub fn path<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&self.prefix)? {
            rest if rest.is_empty() || rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }

    /// Whether `request` may be served, which changes something if `is_change` is set.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, request: &Request, is_change: bool) -> Result<(), Refusal> {
        let host = request.host();
        if self.is_loopback && !self.knows(host) {
            return Err(Refusal::Host(shown(host)));
        }
        if !is_change {
            return Ok(());
        }
        match request.header("origin") {
            Some(origin) if !is_own(origin, host) && self.allowed(origin).is_none() => {
                Err(Refusal::Origin(shown(origin)))
            }
            None if request.header("sec-fetch-site") == Some(b"cross-site") => {
                Err(Refusal::Origin(String::from("another site")))
            }
            _ => Ok(()),
        }
    }

    /// What `Access-Control-Allow-Origin` is to say to a page of `origin`, if it may read.
    pub fn allowed(&self, origin: &[u8]) -> Option<&str> {
        let is_it = |one: &&String| *one == "*" || origin.eq_ignore_ascii_case(one.as_bytes());
        self.cors.iter().find(is_it).map(String::as_str)
    }

    /// Whether `Host` names us. A name without a dot is nobody's but this network's.
    fn knows(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else { return false };
        let name = without_port(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let own = |one: &String| {
            one.split_once("://")
                .is_some_and(|(_, origin)| without_port(origin).eq_ignore_ascii_case(name))
        };
        bare.parse::<IpAddr>().is_ok()
            || !name.contains('.')
            || name.to_ascii_lowercase().ends_with(".localhost")
            || name.eq_ignore_ascii_case(&self.host_name)
            || self.cors.iter().any(own)
    }
}

/// `name` of `name:port`; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && !name.is_empty() => name,
        _ => host,
    }
}

/// Whether a page of `origin` was loaded from `host`; a proxy may speak TLS for us.
fn is_own(origin: &[u8], host: &[u8]) -> bool {
    let rest = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::{HeadStep, read_head};

    fn request(headers: &str) -> Request {
        let head = format!("POST /insert/raw HTTP/1.1\r\n{headers}\r\n");
        match read_head(head.as_bytes()).unwrap().1 {
            HeadStep::Head(request) => request,
            HeadStep::NeedMore => panic!("the head is whole"),
        }
    }

    fn policy() -> Policy {
        Policy {
            prefix: String::new(),
            cors: vec!["https://grafana.example:3000".into()],
            is_loopback: true,
            host_name: "edge1.lan".into(),
        }
    }

    #[test]
    fn a_name_that_somebody_else_may_own_is_refused_on_loopback() {
        let known = [
            "localhost:9090",
            "127.0.0.1:9090",
            "[::1]:9090",
            "[::1]",
            "logcaster",
            "edge1.lan:9090",
            "x.localhost",
            "GRAFANA.example",
            "10.0.0.5",
        ];
        for host in known {
            let request = request(&format!("Host: {host}\r\n"));
            assert_eq!(policy().check(&request, true), Ok(()), "{host}");
        }
        for host in ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "a.b"] {
            let request = request(&format!("Host: {host}\r\n"));
            assert_eq!(policy().check(&request, false), Err(Refusal::Host(host.into())));
            let open = Policy { is_loopback: false, ..policy() };
            assert_eq!(open.check(&request, true), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let cases = [
            ("Origin: http://localhost:9090", true),
            ("Origin: https://localhost:9090", true),
            ("Origin: https://grafana.example:3000", true),
            ("Origin: http://evil.example", false),
            ("Origin: null", false),
            ("Sec-Fetch-Site: cross-site", false),
            ("Sec-Fetch-Site: same-origin", true),
            ("Accept: */*", true),
        ];
        for (header, is_taken) in cases {
            let request = request(&format!("Host: localhost:9090\r\n{header}\r\n"));
            assert_eq!(policy().check(&request, true).is_ok(), is_taken, "{header}");
            assert_eq!(policy().check(&request, false), Ok(()), "{header}");
        }
        assert_eq!(policy().allowed(b"http://localhost:9090"), None);
        let all = Policy { cors: vec!["*".into()], ..Policy::default() };
        assert_eq!(all.allowed(b"http://x"), Some("*"));
    }

    #[test]
    fn paths_lie_below_the_prefix() {
        let below = Policy { prefix: "/logs".into(), ..Policy::default() };
        let cases = [
            ("/logs", Some("")),
            ("/logs/", Some("/")),
            ("/logs/metrics", Some("/metrics")),
            ("/logsx", None),
            ("/metrics", None),
        ];
        for (path, expected) in cases {
            assert_eq!(below.path(path), expected, "{path}");
        }
        assert_eq!(Policy::default().path("/a"), Some("/a"));
    }
}

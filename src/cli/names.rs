//! Addresses of names. A static binary asks `/etc/hosts` only: to ask more, glibc would have to
//! load libraries of exactly its own version, which a container `FROM scratch` does not have.

use std::io;
use std::net::SocketAddr;
#[cfg(any(target_feature = "crt-static", test))]
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where names stand beside the resolver.
#[cfg(any(target_feature = "crt-static", test))]
const HOSTS: &str = "/etc/hosts";

/// Every address that `addr`, as `HOST:PORT`, may mean.
///
/// # Errors
/// There is no such name, or no port.
#[cfg(not(target_feature = "crt-static"))]
pub fn look_up(addr: &str) -> io::Result<Vec<SocketAddr>> {
    use std::net::ToSocketAddrs as _;
    addr.to_socket_addrs().map(Iterator::collect)
}

/// Every address that `addr`, as `HOST:PORT`, may mean.
///
/// # Errors
/// There is no such name, or no port.
#[cfg(target_feature = "crt-static")]
pub fn look_up(addr: &str) -> io::Result<Vec<SocketAddr>> {
    match addr.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => among(addr, &std::fs::read_to_string(HOSTS).unwrap_or_default()),
    }
}

/// The addresses of `addr` by what `hosts`, the text of `/etc/hosts`, says.
#[cfg(any(target_feature = "crt-static", test))]
fn among(addr: &str, hosts: &str) -> io::Result<Vec<SocketAddr>> {
    let fail = |reason: String| io::Error::new(io::ErrorKind::NotFound, reason);
    let split = addr.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
    let (name, port) = split.ok_or_else(|| fail(format!("no port in {addr:?}")))?;
    let mut found: Vec<IpAddr> = Vec::new();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if words.any(|word| word.eq_ignore_ascii_case(name)) {
            found.extend(address);
        }
    }
    if found.is_empty() && name.eq_ignore_ascii_case("localhost") {
        found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    if found.is_empty() {
        let reason = format!("{name:?} is not in {HOSTS}, and a static binary asks nobody else");
        return Err(fail(reason));
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_among_hosts() {
        let hosts = "127.0.0.1 localhost # here\n10.0.0.5\tlog log.example\n::1 localhost\nbad x\n";
        let found = |addr| among(addr, hosts).map(|all| format!("{all:?}"));
        assert_eq!(found("LOG:9998").unwrap(), "[10.0.0.5:9998]");
        assert_eq!(found("localhost:1").unwrap(), "[127.0.0.1:1, [::1]:1]");
        assert!(found("x:1").unwrap_err().to_string().contains("\"x\" is not in /etc/hosts"));
        assert!(found("log").unwrap_err().to_string().contains("no port"));
        assert_eq!(among("localhost:1", "").unwrap().len(), 2);
    }

    #[test]
    fn an_address_is_its_own() {
        let all = look_up("127.0.0.1:9").unwrap();
        assert_eq!(all, [SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9)]);
        assert_eq!(look_up("[::1]:9").unwrap().len(), 1);
    }
}

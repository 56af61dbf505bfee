//! The rows of HTTP: where it is served, below which path, and to whose pages.

use super::table::{PORT, SWITCH, Setting};
use super::value::{self, Expected};

pub(super) const HTTP_PORT: Setting = Setting {
    name: "http-port",
    env: "LOGCASTER_HTTP_PORT",
    default: "9090",
    set: |s, text| value::port(text, "off").map(|port| s.http_port = port),
    show: |s| s.http_port.to_string(),
    help: "Serve HTTP and the web page on PORT, 0 = off",
    ..PORT
};

pub(super) const HTTP_PREFIX: Setting = Setting {
    name: "http-prefix",
    env: "LOGCASTER_HTTP_PREFIX",
    value: Some("PATH"),
    default: "",
    set: |s, text| prefix(text).map(|prefix| s.http_prefix = prefix),
    show: |s| s.http_prefix.clone(),
    reloadable: true,
    help: "Serve HTTP below this path, such as /logs",
    essay: "For a reverse proxy that hands paths on as they are. What is asked for elsewhere is \
            not found.",
    ..SWITCH
};

pub(super) const CORS: Setting = Setting {
    name: "cors",
    env: "LOGCASTER_CORS",
    value: Some("ORIGIN"),
    default: "",
    set: |s, text| {
        // The flag may stand several times, each adding to the list.
        let added: Result<Vec<_>, _> =
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(origin).collect();
        s.cors = added?;
        Ok(())
    },
    show: |s| s.cors.join(","),
    reloadable: true,
    repeatable: true,
    help: "Let pages of this origin use HTTP; repeatable",
    essay: "An origin such as https://grafana.example:3000, or * for every page there is. Without \
            it browsers show answers to the server's own page alone, and what a foreign page \
            sends is refused.",
    ..SWITCH
};

/// Reads `/logs` or `/a/b`; a slash at the end means nothing, and so does a lone one.
fn prefix(text: &str) -> Result<String, Expected> {
    let path = text.trim().trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let has_empty = path.contains("//") || path.split('/').any(|part| part == "." || part == "..");
    if path.is_empty() || (path.starts_with('/') && path.bytes().all(is_plain) && !has_empty) {
        return Ok(path.to_owned());
    }
    Err(Expected::new("a path such as /logs"))
}

/// Reads an origin as browsers send it: RFC 6454, section 6.2.
fn origin(text: &str) -> Result<String, Expected> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let host = text.split_once("://").map(|(scheme, host)| (scheme, host, host.contains('/')));
    let is_plain =
        |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
    match host {
        Some(("http" | "https", host, false)) if is_plain(host) => Ok(text),
        None if text == "*" => Ok(text),
        _ => Err(Expected::new("an origin such as https://grafana.example:3000, or *")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_begins_with_a_slash_and_ends_without() {
        for (text, expected) in [("/logs", "/logs"), ("/a/b/", "/a/b"), ("/", ""), ("", "")] {
            assert_eq!(prefix(text).unwrap(), expected);
        }
        for text in ["logs", "/a//b", "/../x", "/a b", "/a?b"] {
            assert!(prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        assert_eq!(origin("https://Grafana:3000/").unwrap(), "https://grafana:3000");
        assert_eq!(origin("*").unwrap(), "*");
        for text in ["grafana", "ftp://x", "http://", "http://a/b", "null"] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}

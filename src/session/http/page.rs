//! The page, packed into the binary. It comes from nowhere else, and asks nobody else.

use std::io::Read as _;

use super::answer::{Exchange, failure};
use super::upload::Failure;
use crate::clock::Wall;
use crate::proto::http::{AnswerBody, Request, Status};

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    /// What names its content: RFC 9110, section 8.8.3.
    etag: &'static str,
    gzip: &'static [u8],
}

const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What the page may do: nothing but what it brings, and ask us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Whether a request for `/` is that of a browser.
pub fn is_wanted(request: &Request) -> bool {
    let accepted = request.header("accept").unwrap_or_default();
    memchr::memmem::find(accepted, b"text/html").is_some()
}

/// Whether the page has a file of that name.
pub fn name(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix('/')?;
    let asset = ASSETS.iter().find(|asset| asset.name == name && asset.name != "index.html");
    asset.map(|asset| asset.name)
}

/// Appends the answer to a request for the file `name`.
pub fn write(name: &str, request: &Request, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        let what = format!("there is nothing at /{name}");
        return failure(&Failure::new(Status::NOT_FOUND, what), exchange, wall, out);
    };
    let mut headers = vec![
        ("ETag", asset.etag),
        // It may be kept, and is to be asked about: a new server may have a new page.
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept, Accept-Encoding"),
        ("Content-Security-Policy", POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "DENY"),
    ];
    if is_known(asset, request) {
        return exchange.head(Status::NOT_MODIFIED, None, &headers, AnswerBody::None, wall, out);
    }
    let mut plain = Vec::new();
    let body = if exchange.takes_gzip {
        headers.push(("Content-Encoding", "gzip"));
        asset.gzip
    } else {
        flate2::read::GzDecoder::new(asset.gzip)
            .read_to_end(&mut plain)
            .expect("what was packed can be unpacked");
        &plain
    };
    let length = AnswerBody::Length(body.len() as u64);
    exchange.head(Status::OK, Some(asset.content_type), &headers, length, wall, out);
    if !exchange.is_head {
        out.extend_from_slice(body);
    }
}

/// Whether the client has it: RFC 9110, section 13.1.2.
fn is_known(asset: &Asset, request: &Request) -> bool {
    let known = request.header("if-none-match").unwrap_or_default();
    let is_it = |one: &[u8]| {
        let one = one.trim_ascii();
        let weak = |tag: &'_ [u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
        one == b"*" || weak(one) == weak(asset.etag.as_bytes())
    };
    known.split(|byte| *byte == b',').any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(bytes <= 60 << 10, "{bytes}");
        let page = ASSETS.iter().find(|asset| asset.name == "index.html").unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(page.gzip).read_to_string(&mut text).unwrap();
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".css")) {
            assert!(text.contains(asset.name), "{} is linked", asset.name);
        }
        assert!(!text.contains("style=") && !text.contains("onclick"), "the policy forbids it");
        assert!(!text.contains("http://") && !text.contains("https://"), "it asks nobody else");
    }

    #[test]
    fn only_files_of_the_page_have_names() {
        assert_eq!(name("/app.js"), Some("app.js"));
        assert_eq!((name("/index.html"), name("/../x"), name("app.js")), (None, None, None));
    }
}

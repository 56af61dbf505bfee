//! The target of a request line (RFC 9112, section 3.2): taken apart, decoded, resolved.

use super::{HttpError, Method, Request};
use crate::proto::http::form::escaped;

impl Request {
    /// Keeps path, query and authority of `target`.
    pub(super) fn target(&mut self, target: &[u8]) -> Result<(), HttpError> {
        if memchr::memchr(b'#', target).is_some() {
            return Err(HttpError::Target("a fragment"));
        }
        let mut local = target;
        if target == b"*" {
            if self.method != Method::Options {
                return Err(HttpError::Target("* (only for OPTIONS)"));
            }
            local = b"/";
        } else if let Some(behind) = behind_scheme(target) {
            let end = memchr::memchr2(b'/', b'?', behind).unwrap_or(behind.len());
            let (authority, rest) = behind.split_at(end);
            if authority.is_empty() || !is_authority(authority) {
                return Err(HttpError::Target("an absolute one without a name and a port"));
            }
            self.authority = Some(self.keep(authority));
            local = rest;
        } else if !target.starts_with(b"/") {
            return Err(HttpError::Target("neither a path nor an absolute one"));
        }
        let end = memchr::memchr(b'?', local).unwrap_or(local.len());
        let (path, query) = local.split_at(end);
        self.path = self.resolved(path)?;
        self.query = self.keep(query.get(1..).unwrap_or_default());
        Ok(())
    }

    /// Keeps `path` decoded once, with `.` and `..` resolved (RFC 3986, section 5.2.4). Decoding
    /// comes first, so that no `%2e` or `%2f` gets past.
    fn resolved(&mut self, path: &[u8]) -> Result<std::ops::Range<u32>, HttpError> {
        let path = decoded(path)?;
        let start = self.bytes.len();
        let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            match segment {
                b"." => {}
                b".." => {
                    let kept = self.bytes.get(start..).unwrap_or_default();
                    let parent = memchr::memrchr(b'/', kept).unwrap_or(0);
                    self.bytes.truncate(start + parent);
                }
                segment => {
                    self.bytes.push(b'/');
                    self.bytes.extend_from_slice(segment);
                    continue;
                }
            }
            if is_last {
                self.bytes.push(b'/');
            }
        }
        if self.bytes.len() == start {
            self.bytes.push(b'/');
        }
        Ok(start as u32..self.bytes.len() as u32)
    }
}

/// What stands behind `http://` or `https://`.
fn behind_scheme(target: &[u8]) -> Option<&[u8]> {
    [b"http://".as_slice(), b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// `path` percent-decoded; text without control characters.
fn decoded(path: &[u8]) -> Result<Vec<u8>, HttpError> {
    let mut text = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let mut byte = *byte;
        if byte == b'%' {
            byte = escaped(behind).ok_or(HttpError::Target("% without two digits"))?;
            rest = &behind[2..];
        }
        if byte < b' ' || byte == 0x7f {
            return Err(HttpError::Target("a control character in the path"));
        }
        text.push(byte);
    }
    match std::str::from_utf8(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(HttpError::Target("a path that is not UTF-8")),
    }
}

/// Whether `text` could be `host:port` (RFC 3986, section 3.2), without a user. It may be empty.
pub(super) fn is_authority(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(&byte))
}

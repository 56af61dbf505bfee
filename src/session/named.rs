//! Streams of senders that name the labels of their records themselves, over HTTP.
//!
//! What a sender calls its labels becomes the canonical text of `labels.rs`: names sorted, each
//! once, `transport` always ours, `host` the peer's address where the sender names none.

use super::labels::{Entry, clean, cut};
use crate::limits::{LABEL_BYTES_MAX, LABEL_NAMES_MAX, STREAM_BYTES_MAX, STREAMS_PER_CONNECTION};
use crate::message::Transport;
use crate::proto::entries::Pairs;

/// The streams of one connection, by the bytes of their pairs: those that were asked for last.
#[derive(Debug)]
pub struct NamedStreams {
    /// Who sends, as an address; empty where it has none.
    peer: Box<[u8]>,
    streams: Vec<Stream>,
    /// The stream that was asked for last.
    last: usize,
    /// Whose turn it is to be forgotten.
    turn: usize,
}

#[derive(Debug)]
struct Stream {
    /// [`Pairs::as_bytes`] of what was said.
    said: Vec<u8>,
    entry: Entry,
}

impl NamedStreams {
    /// The streams of a connection from `peer`.
    pub fn new(peer: &[u8]) -> Self {
        Self { peer: cut(peer).into(), streams: Vec::new(), last: 0, turn: 0 }
    }

    /// The stream of records that have these labels.
    #[inline]
    pub fn find(&mut self, pairs: &Pairs) -> &mut Entry {
        let is_last = self.streams.get(self.last).is_some_and(|one| one.said == pairs.as_bytes());
        if !is_last {
            self.last = self.find_other(pairs);
        }
        &mut self.streams[self.last].entry
    }

    /// Bytes of memory that it holds, about.
    pub fn held_bytes(&self) -> usize {
        let each = |stream: &Stream| stream.said.len() + STREAM_BYTES_MAX;
        self.streams.iter().map(each).sum()
    }

    #[inline(never)]
    fn find_other(&mut self, pairs: &Pairs) -> usize {
        let said = pairs.as_bytes();
        if let Some(at) = self.streams.iter().position(|stream| stream.said == said) {
            return at;
        }
        let mut entry = Entry::default();
        let (labels, name) = canonical(pairs, &self.peer);
        entry.fill_named(&labels, name, &self.peer);
        let stream = Stream { said: said.to_vec(), entry };
        if self.streams.len() < STREAMS_PER_CONNECTION {
            self.streams.push(stream);
            return self.streams.len() - 1;
        }
        let at = self.turn % STREAMS_PER_CONNECTION;
        self.turn = self.turn.wrapping_add(1);
        self.streams[at] = stream;
        at
    }
}

/// Names in the order in which they get room where there is not enough for all.
const FIRST: [&[u8]; 3] = [b"transport", b"host", b"app"];

/// The canonical text of the labels, and its part that names the sender.
fn canonical(pairs: &Pairs, peer: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let mut labels: Vec<(Vec<u8>, Vec<u8>)> =
        vec![(b"transport".to_vec(), Transport::Http.name().as_bytes().to_vec())];
    for (name, value) in pairs.iter().take(LABEL_NAMES_MAX) {
        let mut cleaned = Vec::new();
        clean(cut(value), &mut cleaned);
        let name = clean_name(name);
        if !name.is_empty() && !cleaned.is_empty() && !labels.iter().any(|(one, _)| *one == name) {
            labels.push((name, cleaned));
        }
    }
    if !peer.is_empty() && !labels.iter().any(|(name, _)| name == b"host") {
        labels.push((b"host".to_vec(), peer.to_vec()));
    }
    labels.sort_by_key(|(name, _)| {
        FIRST.iter().position(|first| *first == &name[..]).unwrap_or(FIRST.len())
    });
    let mut bytes = 0;
    labels.retain(|(name, value)| {
        let with = bytes + name.len() + value.len() + 2;
        let fits = with <= STREAM_BYTES_MAX;
        bytes = if fits { with } else { bytes };
        fits
    });
    labels.sort();
    let sender: &[u8] =
        if labels.iter().any(|(name, _)| name == b"host") { b"host" } else { b"transport" };
    let (mut text, mut sender_at) = (Vec::with_capacity(bytes), 0..0);
    for (name, value) in &labels {
        if !text.is_empty() {
            text.push(0);
        }
        text.extend_from_slice(name);
        text.push(b'=');
        if name == sender {
            sender_at = text.len()..text.len() + value.len();
        }
        text.extend_from_slice(value);
    }
    (text, sender_at)
}

/// A label's name: what would end it, or a line, becomes `_`.
fn clean_name(name: &[u8]) -> Vec<u8> {
    let mut cleaned = Vec::new();
    clean(&name[..name.len().min(LABEL_BYTES_MAX)], &mut cleaned);
    for byte in &mut cleaned {
        if matches!(*byte, b'=' | b' ' | b'"' | b'!' | b'<' | b'>' | b'~' | b'{' | b'}' | b',') {
            *byte = b'_';
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(peer: &str, pairs: &[(&str, &str)]) -> String {
        let mut said = Pairs::default();
        pairs.iter().for_each(|(name, value)| said.push(name.as_bytes(), value.as_bytes()));
        let mut streams = NamedStreams::new(peer.as_bytes());
        let labels = streams.find(&said).labels().to_vec();
        String::from_utf8(labels).unwrap().replace('\0', " ")
    }

    #[test]
    fn labels_are_sorted_each_name_once_and_the_sender_is_named() {
        assert_eq!(labels("10.0.0.5", &[]), "host=10.0.0.5 transport=http");
        let said = [("z", "1"), ("app", "api"), ("host", "edge1"), ("app", "other")];
        assert_eq!(labels("10.0.0.5", &said), "app=api host=edge1 transport=http z=1");
        assert_eq!(labels("", &[("transport", "kmsg")]), "transport=http");
        assert_eq!(
            labels("", &[("a=b", "x\ny"), ("empty", ""), ("", "v")]),
            "a_b=x_y transport=http"
        );
    }

    #[test]
    fn labels_beyond_the_room_are_left_out_and_the_sender_stays() {
        let names: Vec<_> = (0..40).map(|number| format!("label{number:02}")).collect();
        let value = "v".repeat(100);
        let said: Vec<_> = names.iter().map(|name| (&name[..], &value[..])).collect();
        let labels = labels("10.0.0.5", &said);
        assert!(labels.len() <= STREAM_BYTES_MAX);
        assert!(labels.contains("host=10.0.0.5 ") && labels.ends_with("transport=http"));
    }

    proptest! {
        #[test]
        fn a_stream_is_found_again_whatever_came_in_between(
            asked in prop::collection::vec((0_u8..40, "[a-c]{0,2}"), 1..200),
        ) {
            let mut streams = NamedStreams::new(b"peer");
            for (number, value) in asked {
                let mut pairs = Pairs::default();
                pairs.push(format!("name{number}").as_bytes(), value.as_bytes());
                let expected = canonical(&pairs, b"peer").0;
                prop_assert_eq!(streams.find(&pairs).labels(), &expected[..]);
                prop_assert!(streams.held_bytes() <= STREAMS_PER_CONNECTION * 2 * STREAM_BYTES_MAX);
                prop_assert!(streams.streams.len() <= STREAMS_PER_CONNECTION);
            }
        }
    }
}

//! The labels of a record: who sent it, as canonical text. A sender's few streams are remembered,
//! so that a line whose host, application and facility were seen before costs a comparison.
//!
//! Canonical: `name=value`, sorted by name, a NUL between two; absent where nothing is known of it.
//!
//! ```text
//! app=sshd NUL facility=auth NUL host=10.0.0.5 NUL transport=tcp
//! ```

use std::ops::Range;

use super::sources::SourceKey;
use crate::limits::{
    LABEL_BYTES_MAX, STREAM_BYTES_MAX, STREAMS_PER_CONNECTION, STREAMS_PER_LISTENER,
};
use crate::message::Transport;
use crate::message::syslog::facility_name;
use crate::segment::{Full, NewRecord, Segment, Seq, Store, StreamRef};

// Three values at their longest, the facility's and the transport's words, four names.
const _: () = assert!(3 * (LABEL_BYTES_MAX + 16) <= STREAM_BYTES_MAX);
const _: () = assert!(STREAMS_PER_CONNECTION.is_power_of_two());
const _: () = assert!(STREAMS_PER_LISTENER.is_power_of_two());
// Lengths of what was said are kept in a byte.
const _: () = assert!(LABEL_BYTES_MAX <= u8::MAX as usize);

/// The streams of one connection, or of all who send datagrams to one listener.
///
/// What was heard is remembered in a cache of sets: a sender that makes up a new name in each line
/// overwrites its own entries, and memory stays bounded.
#[derive(Debug)]
pub struct Labels {
    transport: Transport,
    /// The stream of records that say nothing of themselves.
    plain: Entry,
    /// The streams of others: none, one, or `streams_max`, always a power of two.
    streams: Box<[Entry]>,
    streams_max: u16,
    /// The stream that was asked for last.
    last: u16,
    /// Counts new streams, so that those of a full set go in turn.
    turn: u16,
}

/// A stream: its labels, where they stand in the segment, and whose it is.
#[derive(Debug, Default)]
pub struct Entry {
    /// The labels' canonical text, then what was said: host, application, peer. Empty = unused.
    bytes: Vec<u8>,
    stream: StreamRef,
    source: Option<SourceKey>,
    /// The hash of what was said.
    hash: u32,
    labels_bytes: u16,
    /// Where [`Self::name`] begins.
    name_at: u16,
    name_bytes: u8,
    /// Whether that label is there; else the name is the transport's.
    has_host: bool,
    host_bytes: u8,
    app_bytes: u8,
    facility: Option<u8>,
}

/// What a record says of itself, each value no longer than a label keeps of it.
#[derive(Clone, Copy)]
struct Said<'a> {
    /// Where it comes from; empty where that is the same for all.
    peer: &'a [u8],
    host: &'a [u8],
    app: &'a [u8],
    facility: Option<u8>,
}

impl Entry {
    /// The labels as they are stored.
    pub fn labels(&self) -> &[u8] {
        &self.bytes[..usize::from(self.labels_bytes)]
    }

    /// Who it is, for limits per sender.
    pub fn source(&self) -> SourceKey {
        self.source.expect("an entry is filled before it is handed out")
    }

    /// The sender in one word: its host, or else how it reaches us.
    pub fn name(&self) -> &[u8] {
        let at = usize::from(self.name_at);
        &self.bytes[at..at + usize::from(self.name_bytes)]
    }

    /// Appends a record of this stream.
    ///
    /// # Errors
    /// [`Full`]: nothing was appended, and the same record can be tried again later.
    #[inline(always)]
    pub fn append<S: Store>(
        &mut self,
        segment: &mut Segment<S>,
        record: &NewRecord<'_>,
    ) -> Result<Seq, Full> {
        let labels = &self.bytes[..usize::from(self.labels_bytes)];
        segment.append(record, labels, &mut self.stream)
    }

    /// The label `host`; empty where there is none.
    fn host(&self) -> &[u8] {
        if self.has_host { self.name() } else { b"" }
    }

    /// What it was made of.
    #[inline]
    fn said(&self) -> Said<'_> {
        let said = &self.bytes[usize::from(self.labels_bytes)..];
        let (host, said) = said.split_at(usize::from(self.host_bytes));
        let (app, peer) = said.split_at(usize::from(self.app_bytes));
        Said { peer, host, app, facility: self.facility }
    }

    #[inline]
    fn is_of(&self, said: &Said<'_>) -> bool {
        let own = self.said();
        // What tells most comes first; a connection's streams have no peers of their own.
        self.labels_bytes != 0
            && own.app == said.app
            && own.facility == said.facility
            && own.host == said.host
            && own.peer.len() == said.peer.len()
            && (own.peer.is_empty() || own.peer == said.peer)
    }

    /// Makes it the stream of `said`, which came from `peer`. Memory is used again.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, said: &Said<'_>, peer: &[u8], transport: Transport) {
        let out = &mut self.bytes;
        out.clear();
        if !said.app.is_empty() {
            out.extend_from_slice(b"app=");
            clean(said.app, out);
            out.push(0);
        }
        if let Some(facility) = said.facility {
            out.extend_from_slice(b"facility=");
            out.extend_from_slice(facility_name(facility).as_bytes());
            out.push(0);
        }
        let host = if said.host.is_empty() { peer } else { said.host };
        self.has_host = !host.is_empty();
        let mut name = 0..0;
        if self.has_host {
            out.extend_from_slice(b"host=");
            name.start = out.len();
            clean(host, out);
            name.end = out.len();
            out.push(0);
        }
        out.extend_from_slice(b"transport=");
        if !self.has_host {
            name = out.len()..out.len() + transport.name().len();
        }
        out.extend_from_slice(transport.name().as_bytes());
        assert!(out.len() <= STREAM_BYTES_MAX);
        self.labels_bytes = out.len() as u16;
        (self.name_at, self.name_bytes) = (name.start as u16, name.len() as u8);
        for part in [said.host, said.app, said.peer] {
            out.extend_from_slice(part);
        }
        (self.host_bytes, self.app_bytes) = (said.host.len() as u8, said.app.len() as u8);
        self.facility = said.facility;
        self.stream = StreamRef::default();
        self.source = Some(SourceKey::of(peer, said.host, said.app));
    }

    /// Makes it the stream of `labels`, canonical text, whose part `name` names the sender.
    pub(super) fn fill_named(&mut self, labels: &[u8], name: Range<usize>, peer: &[u8]) {
        assert!(labels.len() <= STREAM_BYTES_MAX && name.len() <= LABEL_BYTES_MAX);
        self.bytes = labels.to_vec();
        self.labels_bytes = labels.len() as u16;
        (self.name_at, self.name_bytes) = (name.start as u16, name.len() as u8);
        self.stream = StreamRef::default();
        self.source = Some(SourceKey::of(peer, labels, b""));
    }
}

impl Labels {
    /// The streams of a connection from `peer`, an address as text; empty where it has none.
    pub fn of_connection(peer: &[u8], transport: Transport) -> Self {
        Self::new(peer, transport, STREAMS_PER_CONNECTION)
    }

    /// The streams of all who send datagrams to one listener; asked by [`Self::find_from`].
    pub fn of_listener(transport: Transport) -> Self {
        Self::new(b"", transport, STREAMS_PER_LISTENER)
    }

    fn new(peer: &[u8], transport: Transport, streams_max: usize) -> Self {
        let plain = Entry::default();
        let streams_max = streams_max as u16;
        let streams = Box::default();
        let mut labels = Self { transport, plain, streams, streams_max, last: 0, turn: 0 };
        labels.set_peer(peer);
        labels
    }

    /// How its records come to us.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whom records are from that say nothing of themselves; empty where that is not known.
    pub fn peer(&self) -> &[u8] {
        self.plain.host()
    }

    /// Who its streams are from.
    pub fn sources(&self) -> impl Iterator<Item = SourceKey> {
        std::iter::once(&self.plain).chain(&self.streams).filter_map(|entry| entry.source)
    }

    /// The connection's peer is another than it seemed: a proxy has told.
    pub fn set_peer(&mut self, peer: &[u8]) {
        let nothing = Said { peer: b"", host: b"", app: b"", facility: None };
        self.plain.fill(&nothing, cut(peer), self.transport);
        self.plain.bytes.shrink_to_fit();
        self.streams = Box::default();
    }

    /// The stream of records of this connection that say nothing of themselves.
    #[inline]
    pub fn plain(&mut self) -> &mut Entry {
        &mut self.plain
    }

    /// The stream of a record of this connection that calls its sender `host` and `app`; what it
    /// does not say is empty. Without a host it is the peer's.
    #[inline]
    pub fn find(&mut self, host: &[u8], app: &[u8], facility: Option<u8>) -> &mut Entry {
        if host.is_empty() && app.is_empty() && facility.is_none() {
            return &mut self.plain;
        }
        self.find_among(&Said { peer: b"", host: cut(host), app: cut(app), facility })
    }

    /// The same for a datagram that came from `peer`.
    #[inline]
    pub fn find_from(
        &mut self,
        peer: &[u8],
        host: &[u8],
        app: &[u8],
        facility: Option<u8>,
    ) -> &mut Entry {
        self.find_among(&Said { peer: cut(peer), host: cut(host), app: cut(app), facility })
    }

    #[inline]
    fn find_among(&mut self, said: &Said<'_>) -> &mut Entry {
        let last = usize::from(self.last);
        if self.streams.get(last).is_some_and(|entry| entry.is_of(said)) {
            return &mut self.streams[last];
        }
        self.find_other(said)
    }

    /// Another stream than last time.
    #[inline(never)]
    fn find_other(&mut self, said: &Said<'_>) -> &mut Entry {
        let hash = hash(said);
        let set = set(hash, self.streams.len());
        // Without a branch for each: which of them it is cannot be foretold.
        let mut at = set.start;
        for (place, entry) in set.clone().zip(&self.streams[set]) {
            at = if entry.hash == hash { place } else { at };
        }
        if !self.streams.get(at).is_some_and(|entry| entry.is_of(said)) {
            at = self.make(said, hash);
        }
        self.last = at as u16;
        &mut self.streams[at]
    }

    /// A stream that is not remembered takes a free place of its set, or else that of each of the
    /// others in turn. The first has a place to itself, the second makes all there may be.
    #[cold]
    #[inline(never)]
    fn make(&mut self, said: &Said<'_>, hash: u32) -> usize {
        let count = if self.streams.is_empty() { 1 } else { usize::from(self.streams_max) };
        if self.streams.len() < count {
            let mut grown: Vec<Entry> = Vec::with_capacity(count);
            grown.resize_with(count, Entry::default);
            for entry in &mut self.streams {
                let set = set(entry.hash, count);
                grown[set.start] = std::mem::take(entry);
            }
            self.streams = grown.into();
        }
        let set = set(hash, count);
        let free = self.streams[set.clone()].iter().position(|entry| entry.labels_bytes == 0);
        let at = set.start + free.unwrap_or(usize::from(self.turn) % set.len());
        self.turn = self.turn.wrapping_add(1);
        let peer = if said.peer.is_empty() { self.plain.host() } else { said.peer };
        self.streams[at].fill(said, peer, self.transport);
        self.streams[at].hash = hash;
        at
    }
}

/// Places that a stream may have, side by side.
const WAYS: usize = 4;

/// The places among `count`, a power of two or 0, that a hash may have.
#[inline]
fn set(hash: u32, count: usize) -> Range<usize> {
    let start = hash as usize & count.saturating_sub(1) & !(WAYS - 1);
    start..start + WAYS.min(count)
}

/// A cheap hash: whoever makes streams meet only makes them take turns in a set.
#[inline]
fn hash(said: &Said<'_>) -> u32 {
    let facility = said.facility.map_or(0, |facility| u64::from(facility) + 1);
    let hash = mix_bytes(mix_bytes(facility, said.host), said.app);
    // The highest bits are mixed best.
    (mix_bytes(hash, said.peer) >> 32) as u32
}

/// Takes in a few words of `bytes` and their number.
#[inline]
fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let hash = mix(hash ^ bytes.len() as u64);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let middle = bytes[(bytes.len() - 8) / 2..].first_chunk().unwrap_or(first);
        let [first, middle, last] = [first, middle, last].map(|word| u64::from_le_bytes(*word));
        return mix(mix(hash ^ first ^ middle.rotate_left(32)) ^ last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|word| u64::from(u32::from_le_bytes(*word)));
        return mix(hash ^ first ^ last << 32);
    }
    match *bytes {
        [] => hash,
        [first, .., last] => mix(hash ^ u64::from(first) ^ u64::from(last) << 32),
        [only] => mix(hash ^ u64::from(only)),
    }
}

#[inline]
fn mix(hash: u64) -> u64 {
    // An odd number without a pattern: the golden ratio's bits.
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// What a label keeps of a value.
#[inline]
pub(super) fn cut(value: &[u8]) -> &[u8] {
    cut_at(value, LABEL_BYTES_MAX)
}

/// The first `bytes_max` bytes of `value`, without the beginning of a character that was split.
#[inline]
pub(super) fn cut_at(value: &[u8], bytes_max: usize) -> &[u8] {
    if value.len() < bytes_max { value } else { cut_long(&value[..bytes_max]) }
}

/// Leaves out a character at the end that is not whole: at most three bytes.
#[cold]
fn cut_long(part: &[u8]) -> &[u8] {
    let is_split = |back: &usize| {
        let end = std::str::from_utf8(&part[part.len().saturating_sub(*back)..]);
        end.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    let split = (1..=3).find(is_split).unwrap_or(0);
    &part[..part.len().saturating_sub(split)]
}

/// Appends `value` with `_` for each byte of a control character: none of them may end a label, a
/// line, or reach a terminal.
pub(super) fn clean(value: &[u8], out: &mut Vec<u8>) {
    let mut before = 0;
    for (index, byte) in value.iter().enumerate() {
        let next = value.get(index + 1).copied().unwrap_or(0);
        // Those from U+0080 to U+009F are c2 80 to c2 9f.
        let is_control = byte.is_ascii_control()
            || *byte == 0xc2 && (0x80..0xa0).contains(&next)
            || before == 0xc2 && (0x80..0xa0).contains(byte);
        out.push(if is_control { b'_' } else { *byte });
        before = *byte;
    }
}

/// Reads `data` as peer, host and applications with a NUL between two, and holds the labels of each
/// against what they promise: sorted names, clean values, the limit, and the same ones again.
pub fn fuzz_labels(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let peer = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or_default();
    let mut connection = Labels::of_connection(peer, Transport::Tcp);
    let mut listener = Labels::of_listener(Transport::Tcp);
    for app in parts.clone().chain(parts) {
        let facility = app.first().map(|byte| byte % 24).filter(|number| number % 2 == 0);
        let entry = connection.find(host, app, facility);
        let labels = entry.labels().to_vec();
        assert!(labels.len() <= STREAM_BYTES_MAX);
        let names: Vec<&[u8]> = labels.split(|byte| *byte == 0).map(name_of).collect();
        assert!(names.is_sorted() && names.ends_with(&[b"transport"]));
        assert!(labels.iter().all(|byte| *byte == 0 || !byte.is_ascii_control()));
        assert!(entry.name().len() <= LABEL_BYTES_MAX);
        if app.first().is_some_and(|byte| *byte >= b' ') && app.iter().all(u8::is_ascii_graphic) {
            let app = &app[..app.len().min(LABEL_BYTES_MAX)];
            assert!(labels.starts_with(&[b"app=", app].concat()));
        }
        assert_eq!(listener.find_from(peer, host, app, facility).labels(), labels);
    }
}

/// The name in `name=value`.
fn name_of(label: &[u8]) -> &[u8] {
    let end = label.iter().position(|byte| *byte == b'=');
    &label[..end.expect("each label has a name")]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the labels must be, said plainly.
    fn naive(peer: &[u8], host: &[u8], app: &[u8], facility: Option<u8>) -> Vec<u8> {
        let clean = |value: &[u8]| {
            let mut value = value;
            if value.len() >= LABEL_BYTES_MAX {
                value = &value[..LABEL_BYTES_MAX];
                // Character by character, as far as it is text.
                let mut rest = value;
                while let Err(error) = std::str::from_utf8(rest) {
                    rest = &rest[error.valid_up_to()..];
                    let Some(bytes) = error.error_len() else {
                        value = &value[..value.len() - rest.len()];
                        break;
                    };
                    rest = &rest[bytes..];
                }
            }
            let mut out = value.to_vec();
            for at in 0..value.len() {
                let is_c1 = value[at] == 0xc2
                    && value.get(at + 1).is_some_and(|n| (0x80..0xa0).contains(n));
                if is_c1 {
                    out[at] = b'_';
                    out[at + 1] = b'_';
                }
                if value[at] < 0x20 || value[at] == 0x7f {
                    out[at] = b'_';
                }
            }
            out
        };
        let mut labels = Vec::new();
        if !app.is_empty() {
            labels.push([b"app=".to_vec(), clean(app)].concat());
        }
        labels.extend(facility.map(|f| format!("facility={}", facility_name(f)).into_bytes()));
        let host = if host.is_empty() { peer } else { host };
        if !host.is_empty() {
            labels.push([b"host=".to_vec(), clean(host)].concat());
        }
        labels.push(b"transport=udp".to_vec());
        labels.join(&0)
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => "[a-c]{0,2}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..300),
            1 => "\\PC{0,160}".prop_map(String::into_bytes),
            1 => "[\u{70}-\u{a8}]{60,70}".prop_map(String::into_bytes),
        ]
    }

    /// Peer, host, application, facility.
    fn said() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Vec<u8>, Option<u8>)> {
        (value(), value(), value(), prop::option::of(0_u8..24))
    }

    proptest! {
        #[test]
        fn labels_are_those_of_the_naive_model(
            peer in value(),
            others in prop::collection::vec(said(), 0..60),
        ) {
            let mut connection = Labels::of_connection(&peer, Transport::Udp);
            let mut listener = Labels::of_listener(Transport::Udp);
            for (from, host, app, facility) in &others {
                let cleaned = naive(&peer, host, app, *facility);
                let entry = connection.find(host, app, *facility);
                prop_assert_eq!(entry.labels(), &cleaned);
                let entry = listener.find_from(from, host, app, *facility);
                prop_assert_eq!(entry.labels(), naive(from, host, app, *facility));
                let key = SourceKey::of(cut(from), cut(host), cut(app));
                prop_assert_eq!(entry.source(), key);
                prop_assert!(connection.streams.len() <= STREAMS_PER_CONNECTION);
                prop_assert!(listener.streams.len() <= STREAMS_PER_LISTENER);
            }
        }
    }

    #[test]
    fn labels_are_sorted_and_say_what_is_known() {
        let mut labels = Labels::of_connection(b"10.0.0.5", Transport::Tcp);
        assert_eq!(labels.find(b"", b"", None).labels(), b"host=10.0.0.5\0transport=tcp");
        let entry = labels.find(b"box", b"sshd", None);
        assert_eq!(entry.labels(), b"app=sshd\0host=box\0transport=tcp");
        assert_eq!(entry.name(), b"box");
        let facility = format!("facility={}", facility_name(4));
        let expected = [facility.as_bytes(), b"\0host=10.0.0.5\0transport=tcp"].concat();
        assert_eq!(labels.find(b"", b"", Some(4)).labels(), expected);
        let mut nameless = Labels::of_connection(b"", Transport::Unix);
        let entry = nameless.find(b"", b"", None);
        assert_eq!((entry.labels(), entry.name()), (&b"transport=unix"[..], &b"unix"[..]));
        assert_eq!(nameless.find(b"", b"a", None).labels(), b"app=a\0transport=unix");
    }

    #[test]
    fn a_proxy_changes_the_peer_of_a_connection() {
        let mut labels = Labels::of_connection(b"10.0.0.1", Transport::Tcp);
        let before = labels.find(b"", b"app", None).source();
        labels.set_peer(b"192.0.2.7");
        assert_eq!(labels.find(b"", b"", None).labels(), b"host=192.0.2.7\0transport=tcp");
        let entry = labels.find(b"", b"app", None);
        assert_eq!(entry.labels(), b"app=app\0host=192.0.2.7\0transport=tcp");
        assert_ne!(entry.source(), before);
    }

    #[test]
    fn long_values_and_control_characters_are_kept_out_of_labels() {
        let mut labels = Labels::of_connection(b"::1", Transport::Tcp);
        let long = [b'x'; 1000];
        let entry = labels.find(b"a\0b\nc\x7f\xc2\x9b", &long, None);
        let expected = [b"app=", &long[..LABEL_BYTES_MAX], b"\0host=a_b_c___\0transport=tcp"];
        assert_eq!(entry.labels(), expected.concat());
        let split = [&long[..LABEL_BYTES_MAX - 1], "é".as_bytes()].concat();
        let expected = [b"app=", &long[..LABEL_BYTES_MAX - 1], b"\0host=::1\0transport=tcp"];
        assert_eq!(labels.find(b"", &split, None).labels(), expected.concat());
        let whole = [&long[..LABEL_BYTES_MAX - 2], "é".as_bytes()].concat();
        let expected = [b"app=", &whole[..], b"\0host=::1\0transport=tcp"];
        assert_eq!(labels.find(b"", &whole, None).labels(), expected.concat());
    }

    #[test]
    fn a_sender_that_makes_up_names_takes_no_more_memory() {
        let mut labels = Labels::of_connection(b"10.0.0.5", Transport::Tcp);
        assert!(labels.streams.is_empty(), "a plain connection has no streams of its own");
        labels.find(b"", b"one", None);
        assert_eq!(labels.streams.len(), 1);
        for number in 0..10_000_u32 {
            let app = format!("{number:x}").repeat(number as usize % 40);
            labels.find(b"", app.as_bytes(), None);
        }
        assert_eq!(labels.streams.len(), STREAMS_PER_CONNECTION);
        let held: usize = labels.streams.iter().map(|entry| entry.bytes.capacity()).sum();
        assert!(held <= STREAMS_PER_CONNECTION * 1024, "{held} bytes");
    }

    #[test]
    fn several_streams_of_a_connection_keep_their_places() {
        let mut labels = Labels::of_connection(b"10.0.0.5", Transport::Tcp);
        let apps: [&[u8]; 4] = [b"sshd", b"cron", b"kernel", b"systemd-networkd"];
        for app in apps {
            labels.find(b"box", app, Some(3));
        }
        let places = apps.map(|app| labels.find(b"box", app, Some(3)).labels().as_ptr());
        for _ in 0..3 {
            let again = apps.map(|app| labels.find(b"box", app, Some(3)).labels().as_ptr());
            assert_eq!(again, places);
        }
    }
}

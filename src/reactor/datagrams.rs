//! Datagrams: UDP and Unix sockets that are no connections. They come in batches, stand in the same
//! list as the senders that have connected, and are stored before the next batch is received: what
//! the kernel has handed out is never lost for want of room.

use std::io;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::listeners::{Inlet, Place};
use super::logs::Go;
use super::sys::{self, Batch};
use super::{CONNECTIONS, INLETS, Reactor};
use crate::clock::Wall;
use crate::config::{Listener, Settings};
use crate::limits::{
    DATAGRAM_HOSTS_KEPT, DATAGRAMS_PER_CALL, DATAGRAMS_PER_GO, INFLATED_BYTES_PER_GO,
    READ_BYTES_PER_GO,
};
use crate::log::Severity;
use crate::message::Transport;
use crate::session::{LogSession, Sink};

/// All sockets of datagrams, and the room that they share.
#[derive(Default)]
pub(super) struct Datagrams {
    /// The sockets; their tokens begin at [`INLETS`].
    sources: Vec<Source>,
    /// What was received last. Made with the first socket: 2 MiB that many servers do not need.
    batch: Option<Batch>,
    /// The place in `sources` of the socket that it came from.
    batch_of: usize,
    /// The datagram of the batch that is to be stored next; at `batch_end` all are.
    next: usize,
    /// How many the batch holds.
    batch_end: usize,
    /// Bytes of the next datagram that are stored already.
    used: usize,
    /// It was counted when it was first looked at.
    is_counted: bool,
    /// When the batch was received.
    received: Wall,
    hosts: Hosts,
}

/// One socket that datagrams come in at.
struct Source {
    /// Goes before the socket: see [`super::listeners::Listener`].
    place: Place,
    socket: OwnedFd,
    session: LogSession,
    /// What the kernel keeps for us, in bytes; 0 where its senders wait instead.
    buffer_bytes: usize,
    /// mio reports edges: more may wait until a receive says otherwise.
    is_readable: bool,
    /// It stands in the ready list.
    is_queued: bool,
    /// How many are asked for at once: fewer where they are large.
    per_call: usize,
    /// The kernel's own count of what it dropped, when it was last seen; it wraps.
    dropped_seen: u32,
}

impl Datagrams {
    /// Takes a socket in.
    ///
    /// # Errors
    /// The poll's own.
    pub fn add(
        &mut self,
        inlet: Inlet,
        session: LogSession,
        registry: &Registry,
    ) -> io::Result<()> {
        let token = Token(INLETS + self.sources.len());
        let fd = inlet.socket.as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        self.batch.get_or_insert_default();
        self.sources.push(Source {
            socket: inlet.socket,
            session,
            place: inlet.place,
            buffer_bytes: inlet.buffer_bytes,
            is_readable: false,
            is_queued: false,
            per_call: DATAGRAMS_PER_CALL,
            dropped_seen: 0,
        });
        Ok(())
    }

    /// Forgets who was let in: the rules may have changed.
    pub fn forget_hosts(&mut self) {
        self.hosts = Hosts::default();
    }

    /// Whether a socket may still hold what had arrived when the server was told to stop.
    pub fn is_owed(&self) -> bool {
        self.sources.iter().any(|source| source.is_readable || source.is_queued)
    }

    /// How many datagrams of the batch are not stored yet.
    fn unstored(&self) -> usize {
        self.batch_end - self.next
    }
}

impl Reactor {
    /// Says where datagrams are taken.
    pub(super) fn announce_datagrams(&mut self) {
        for source in &self.datagrams.sources {
            let transport = source.session.transport().name();
            let fields: [(&str, &dyn std::fmt::Display); 4] = [
                ("role", &"syslog"),
                ("addr", &source.place),
                ("transport", &transport),
                ("buffer_bytes", &source.buffer_bytes),
            ];
            let count = if source.buffer_bytes == 0 { 3 } else { 4 };
            self.log.event_of_many(self.wall, Severity::Info, "listening", &fields[..count]);
        }
    }

    /// Datagrams have come in at a socket.
    pub(super) fn note_datagrams(&mut self, token: Token) {
        let Some(source) = self.datagrams.sources.get_mut(token.0 - INLETS) else { return };
        source.is_readable = true;
        if !std::mem::replace(&mut source.is_queued, true) {
            self.ready_logs.push_back(token);
        }
    }

    /// Every socket is looked at once more, for the server is to stop.
    pub(super) fn note_all_datagrams(&mut self) {
        for at in 0..self.datagrams.sources.len() {
            self.note_datagrams(Token(INLETS + at));
        }
    }

    /// A socket's go: whole batches, each stored before the next is received.
    pub(super) fn read_datagrams(&mut self, token: Token) -> Go {
        debug_assert!(token.0 >= INLETS && token.0 < CONNECTIONS);
        let at = token.0 - INLETS;
        let (mut taken, bytes_before) = (0, self.metrics.bytes_in);
        let inflated_max = self.metrics.inflated_bytes + INFLATED_BYTES_PER_GO as u64;
        loop {
            match self.store_batch(inflated_max) {
                Batched::Stored => {}
                Batched::Full => return Go::Stalled,
                Batched::Enough => return Go::More,
            }
            let all = &mut self.datagrams;
            let Some(source) = all.sources.get_mut(at) else { return Go::Dry };
            let Some(batch) = &mut all.batch else { return Go::Dry };
            if !source.is_readable {
                source.is_queued = false;
                return Go::Dry;
            }
            let bytes = (self.metrics.bytes_in - bytes_before) as usize;
            if taken >= DATAGRAMS_PER_GO || bytes >= READ_BYTES_PER_GO {
                self.metrics.reads_cut_short += 1;
                return Go::More;
            }
            match batch.receive(&source.socket, source.per_call) {
                Ok(count) => {
                    (all.batch_of, all.next, all.batch_end) = (at, 0, count);
                    all.received = self.wall;
                    taken += count;
                    self.metrics.datagrams += count as u64;
                    // A short batch has emptied the socket; what comes later is a new edge.
                    source.is_readable = count == source.per_call;
                    let mean = batch.bytes() / count.max(1) + 1;
                    source.per_call = (READ_BYTES_PER_GO / mean).clamp(1, DATAGRAMS_PER_CALL);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    source.is_readable = false;
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.fail("datagrams", &error);
                    }
                }
            }
        }
    }

    /// Stores what the batch still holds, until `inflated_max` bytes were inflated since the start.
    /// What is left of it is stored before anything else is received.
    fn store_batch(&mut self, inflated_max: u64) -> Batched {
        let all = &mut self.datagrams;
        let Some(segment) = self.storage.segment_mut() else { return Batched::Full };
        let Some(source) = all.sources.get_mut(all.batch_of) else { return Batched::Stored };
        let Some(batch) = &all.batch else { return Batched::Stored };
        while let Some(datagram) = batch.get(all.next).filter(|_| all.next < all.batch_end) {
            if !std::mem::replace(&mut all.is_counted, true) {
                self.metrics.bytes_in += datagram.bytes.len() as u64;
                self.metrics.datagrams_cut += u64::from(datagram.is_cut);
                if let Some(count) = datagram.dropped {
                    let more = newly_dropped(&mut source.dropped_seen, count);
                    note_dropped(more, &source.place, self.wall, &mut self.metrics, &mut self.log);
                }
            }
            let peer: &[u8] = match datagram.from {
                _ if source.session.transport() == Transport::Unix => b"",
                None => b"unknown",
                Some(address) => {
                    let host = all.hosts.find(address, &self.settings);
                    if !host.is_allowed {
                        self.metrics.datagrams_refused += 1;
                        (all.next, all.used, all.is_counted) = (all.next + 1, 0, false);
                        continue;
                    }
                    host.name()
                }
            };
            let mut sink = Sink {
                segment: &mut *segment,
                intake: &mut self.intake,
                metrics: &mut self.metrics,
                received_ns: all.received,
                now: self.now,
            };
            let (bytes, is_cut) = (datagram.bytes, datagram.is_cut);
            let taken = source.session.take_datagram(bytes, all.used, is_cut, peer, &mut sink);
            if let Some(refused) = taken.refused {
                self.metrics.foreign += 1;
                let from = String::from_utf8_lossy(peer);
                let fields: [(&str, &dyn std::fmt::Display); 3] =
                    [("addr", &source.place), ("peer", &from), ("reason", &refused)];
                self.log.event(self.wall, Severity::Warn, "datagram_refused", &fields);
            }
            if let Some(full) = taken.full {
                all.used = taken.used;
                self.stall(full);
                return Batched::Full;
            }
            (all.next, all.used, all.is_counted) = (all.next + 1, 0, false);
            if self.metrics.inflated_bytes >= inflated_max {
                return Batched::Enough;
            }
        }
        Batched::Stored
    }

    /// Asks the kernel how many datagrams it has dropped: it tells by itself only with a later one.
    pub(super) fn count_dropped_datagrams(&mut self) {
        for source in &mut self.datagrams.sources {
            // Senders to a Unix socket wait instead.
            if source.buffer_bytes == 0 {
                continue;
            }
            let Some(count) = sys::dropped_datagrams(&source.socket) else { continue };
            let more = newly_dropped(&mut source.dropped_seen, count);
            note_dropped(more, &source.place, self.wall, &mut self.metrics, &mut self.log);
        }
    }

    /// Closes the sockets; what could not be stored is counted.
    pub(super) fn end_datagrams(&mut self) {
        self.count_dropped_datagrams();
        let unstored = self.datagrams.unstored() as u64;
        if unstored > 0 {
            self.metrics.datagrams_dropped += unstored;
            let fields: [(&str, &dyn std::fmt::Display); 1] = [("count", &unstored)];
            self.log.event(self.wall, Severity::Warn, "datagrams_unstored", &fields);
        }
        for source in &self.datagrams.sources {
            let fd = source.socket.as_raw_fd();
            let _closed_anyway = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
        self.ready_logs.retain(|token| token.0 >= CONNECTIONS || token.0 < INLETS);
        self.datagrams = Datagrams::default();
    }
}

/// How many more the kernel has dropped by `count` than was `seen`. Counts may come late, for each
/// datagram has that of its arrival; and they wrap.
fn newly_dropped(seen: &mut u32, count: u32) -> u64 {
    let more = count.wrapping_sub(*seen);
    if more > u32::MAX / 2 {
        return 0;
    }
    *seen = count;
    u64::from(more)
}

/// What became of a batch.
enum Batched {
    /// All of it is stored.
    Stored,
    /// The segment takes no more.
    Full,
    /// Enough was done for one go.
    Enough,
}

/// Counts what the kernel has dropped, and says so.
fn note_dropped(
    more: u64,
    place: &Place,
    wall: Wall,
    metrics: &mut crate::metrics::Metrics,
    log: &mut crate::log::Log,
) {
    if more == 0 {
        return;
    }
    metrics.datagrams_dropped += more;
    let fields: [(&str, &dyn std::fmt::Display); 2] = [("addr", place), ("count", &more)];
    log.event(wall, Severity::Warn, "datagrams_dropped", &fields);
}

/// The longest text of an address, in bytes.
const HOST_BYTES_MAX: usize = 45;

/// What is remembered of a sender: its name as its labels have it, and whether it may send.
#[derive(Clone, Copy)]
struct Host {
    address: Option<IpAddr>,
    is_allowed: bool,
    bytes: u8,
    text: [u8; HOST_BYTES_MAX],
}

impl Host {
    const NOBODY: Self =
        Self { address: None, is_allowed: false, bytes: 0, text: [0; HOST_BYTES_MAX] };

    fn new(address: IpAddr, settings: &Settings) -> Self {
        let mut text = [0; HOST_BYTES_MAX];
        let mut rest = &mut text[..];
        write!(rest, "{}", address.to_canonical()).expect("the longest address fits");
        let bytes = (HOST_BYTES_MAX - rest.len()) as u8;
        let is_allowed = settings.allows(Listener::Log, address);
        Self { address: Some(address), is_allowed, bytes, text }
    }

    fn name(&self) -> &[u8] {
        &self.text[..usize::from(self.bytes)]
    }
}

/// Senders of the last datagrams, each at the one place that its address has here.
#[derive(Default)]
struct Hosts {
    /// Empty until the first datagram.
    places: Box<[Host]>,
}

impl Hosts {
    #[inline]
    fn find(&mut self, address: IpAddr, settings: &Settings) -> &Host {
        if self.places.is_empty() {
            self.places = vec![Host::NOBODY; DATAGRAM_HOSTS_KEPT].into_boxed_slice();
        }
        let place = &mut self.places[place_of(address)];
        if place.address != Some(address) {
            *place = Host::new(address, settings);
        }
        place
    }
}

/// The place of an address: neighbours get different ones.
#[inline]
fn place_of(address: IpAddr) -> usize {
    let mixed = match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(1),
    };
    let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize % DATAGRAM_HOSTS_KEPT
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn many_senders_keep_their_names() {
        let settings = Settings::from_flags(&[("allow", "log=10.0.0.0/9")]).unwrap();
        let mut hosts = Hosts::default();
        for round in 0..2 {
            for number in 0..10 * DATAGRAM_HOSTS_KEPT as u32 {
                let address = IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + number * 9973));
                let host = hosts.find(address, &settings);
                assert_eq!(host.name(), address.to_string().as_bytes(), "{round}");
                assert_eq!(host.is_allowed, number * 9973 < 1 << 23, "{address}");
            }
        }
        let longest = Ipv6Addr::from_bits(u128::MAX);
        let host = hosts.find(longest.into(), &settings);
        assert_eq!(host.name(), longest.to_string().as_bytes());
        assert!(!host.is_allowed);
    }

    #[test]
    fn drops_are_counted_once_however_late_their_count_comes() {
        let mut seen = u32::MAX - 2;
        let counts = [u32::MAX - 2, 3, u32::MAX, 3, 10];
        let found = counts.map(|count| newly_dropped(&mut seen, count));
        assert_eq!(found, [0, 6, 0, 0, 7]);
    }

    #[test]
    fn neighbours_do_not_share_a_place() {
        let places: std::collections::HashSet<usize> =
            (0..64).map(|last| place_of(IpAddr::from([10, 0, 0, last]))).collect();
        assert!(places.len() >= 48, "{} places for 64 senders", places.len());
    }
}

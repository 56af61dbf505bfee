//! What happens to every record on its way into the segment, whoever sent it and however.
//!
//! ```text
//! frame -> header: level, host, app, time -> its stream
//!       -> equal to the one before it? -> too many? -> append
//! ```
//!
//! A record for which the segment has no room has changed nothing, and is shown again later.

mod held;

use super::dedupe::Dedupe;
use super::fair::Fair;
use super::labels::{Entry, Labels, cut_at};
use super::multiline::FirstLine;
use super::sources::SourceKey;
use crate::clock::{Mono, Wall};
use crate::level::{self, Level};
use crate::message::syslog::{self, EventTime, Times};
use crate::message::{Transport, json_time};
use crate::metrics::Metrics;
use crate::proto::entries;
use crate::proto::frame::{Frame, Kind};
use crate::proto::inflate::Inflater;
use crate::segment::{Full, NewRecord, Segment, Store};

/// What all senders share: how headers are read, and what is not stored of equal or too many lines.
#[derive(Debug)]
pub struct Intake {
    times: Times,
    fair: Fair,
    /// Still there where nothing is folded any more until all is told.
    dedupe: Option<Dedupe>,
    is_folding: bool,
    /// What the first of the lines that become one record looks like.
    pub(super) first_line: Option<FirstLine>,
    /// None of the above has anything to do.
    takes_all: bool,
    /// The stream of records of logcaster's own.
    own: Labels,
    /// The text of such a record.
    text: Vec<u8>,
    /// Inflates frames that are compressed by themselves, once there has been one.
    pub(super) inflater: Option<Box<Inflater>>,
    /// The text of such a frame.
    pub(super) inflated: Vec<u8>,
}

/// Where records go: the segment, and what stands before it. Made for each go of a sender.
pub struct Sink<'a, S: Store> {
    /// The ring.
    pub segment: &'a mut Segment<S>,
    /// What all senders share.
    pub intake: &'a mut Intake,
    /// Where it is counted.
    pub metrics: &'a mut Metrics,
    /// When the records were received.
    pub received_ns: Wall,
    /// The turn's time.
    pub now: Mono,
}

/// What a record says of itself.
pub(super) struct Header<'a> {
    pub level: Level,
    pub event_ns: i64,
    is_time_bad: bool,
    pub host: &'a [u8],
    pub app: &'a [u8],
    pub facility: Option<u8>,
    /// What is equal where the same is said again: all of it but the time.
    message: &'a [u8],
}

impl<'a> Header<'a> {
    /// Of a record without one.
    #[inline(never)]
    fn none(text: &'a [u8]) -> Self {
        Self::of_level(level::detect(text), text)
    }

    #[inline]
    fn of_level(level: Level, text: &'a [u8]) -> Self {
        Self {
            level,
            event_ns: 0,
            is_time_bad: false,
            host: b"",
            app: b"",
            facility: None,
            message: text,
        }
    }
}

/// What stands in `record` behind the time and the host.
fn behind_time<'a>(record: &'a [u8], header: &syslog::Syslog<'a>) -> &'a [u8] {
    let parts = [header.app, header.proc_id, header.msg_id, header.data, header.text];
    let start = record.as_ptr().addr();
    let said = parts.iter().filter(|part| !part.is_empty());
    let first = said.map(|part| part.as_ptr().addr().wrapping_sub(start)).min();
    first.and_then(|at| record.get(at..)).unwrap_or(record)
}

impl Intake {
    /// An intake at `host`, this machine's name, that reads times by `times` and stores everything.
    pub fn new(host: &[u8], times: Times) -> Self {
        Self {
            times,
            fair: Fair::new(),
            dedupe: None,
            is_folding: false,
            first_line: None,
            takes_all: true,
            own: Labels::of_connection(host, Transport::Own),
            text: Vec::new(),
            inflater: None,
            inflated: Vec::new(),
        }
    }

    /// Lines a second, and at once, that a sender may have stored of each kind; `None` = any.
    pub fn limit_rate(&mut self, limit: Option<(u32, u32)>) {
        self.fair.set_limit(limit);
        self.settle();
    }

    /// Whether equal lines are folded. Where not, what was folded before is due at once.
    pub fn fold(&mut self, is_wanted: bool) {
        self.is_folding = is_wanted;
        if is_wanted {
            self.dedupe.get_or_insert_with(Dedupe::new);
        }
        self.settle();
    }

    /// What the first of the lines that become one record looks like; `None` = each is one.
    pub fn join(&mut self, first_line: Option<FirstLine>) {
        self.first_line = first_line;
        self.settle();
    }

    fn settle(&mut self) {
        let holds_back = self.dedupe.is_some() || self.fair.is_on();
        self.takes_all = !holds_back && self.first_line.is_none();
    }

    /// How many senders had lines held back in the last ten seconds.
    pub fn held_back(&self, now: Mono) -> usize {
        self.fair.held_back(now)
    }

    /// When something held back is to be told.
    pub fn next_deadline(&self) -> Option<Mono> {
        let folded = match &self.dedupe {
            Some(dedupe) if self.is_folding => dedupe.next_deadline(),
            Some(_) => Some(0),
            None => None,
        };
        [folded, self.fair.next_deadline()].into_iter().flatten().min()
    }
}

/// Counts a record that was stored.
#[inline]
fn count(record: &NewRecord<'_>, transport: Transport, metrics: &mut Metrics) {
    metrics.lines += 1;
    metrics.cut += u64::from(record.cut);
    metrics.lines_by_level[record.level as usize] += 1;
    metrics.lines_by_transport[transport as usize] += 1;
}

impl<S: Store> Sink<'_, S> {
    /// Whether a line is stored as it comes: nothing is held back, folded or joined.
    #[inline]
    pub(super) fn takes_all(&self) -> bool {
        self.intake.takes_all
    }

    /// [`Self::put`] for a plain line of a connection, where [`Self::takes_all`].
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    // The path of nearly every line: what it needs must not be called for.
    #[inline(always)]
    pub(super) fn put_plain(&mut self, line: &[u8], labels: &mut Labels) -> Result<(), Full> {
        self.put_whole(line, level::detect(line), 0, labels)
    }

    /// [`Self::put_plain`] for a JSON object.
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    pub(super) fn put_object(&mut self, object: &[u8], labels: &mut Labels) -> Result<(), Full> {
        let time = json_time::event_time(object, &mut self.intake.times);
        let event_ns = if let EventTime::At(event_ns) = time { event_ns } else { 0 };
        self.put_whole(object, level::detect_json(object), event_ns, labels)?;
        self.metrics.times_bad += u64::from(time == EventTime::Bad);
        Ok(())
    }

    #[inline(always)]
    fn put_whole(
        &mut self,
        text: &[u8],
        level: Level,
        event_ns: i64,
        labels: &mut Labels,
    ) -> Result<(), Full> {
        let received_ns = self.received_ns;
        let record = NewRecord { text, cut: false, level, received_ns, event_ns };
        let transport = labels.transport();
        labels.plain().append(self.segment, &record)?;
        count(&record, transport, self.metrics);
        Ok(())
    }

    /// Stores `frame`, which came from `peer` (empty where that is the same for all of `labels`),
    /// or holds it back as the settings say.
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    #[inline(never)]
    pub fn put(&mut self, frame: &Frame<'_>, labels: &mut Labels, peer: &[u8]) -> Result<(), Full> {
        let header = self.read_header(frame);
        let (host, app, facility) = (header.host, header.app, header.facility);
        let transport = labels.transport();
        let entry = if peer.is_empty() {
            labels.find(host, app, facility)
        } else {
            labels.find_from(peer, host, app, facility)
        };
        let record = NewRecord {
            text: frame.text,
            cut: frame.cut,
            level: header.level,
            received_ns: self.received_ns,
            event_ns: header.event_ns,
        };
        if self.intake.dedupe.is_some() || self.intake.fair.is_on() {
            self.put_or_hold(&record, header.message, entry, transport)?;
        } else {
            entry.append(self.segment, &record)?;
            count(&record, transport, self.metrics);
        }
        self.metrics.times_bad += u64::from(header.is_time_bad);
        Ok(())
    }

    /// Stores an entry whose sender names its labels, as a record of that `stream`; what is beyond
    /// `line_bytes_max` is cut off. Whether its sender may send was asked before: see
    /// [`Self::admits`].
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    pub fn put_named(
        &mut self,
        entry: &entries::Entry<'_>,
        stream: &mut Entry,
        line_bytes_max: usize,
    ) -> Result<(), Full> {
        let cut = entry.text.len() > line_bytes_max;
        let text = if cut { cut_at(entry.text, line_bytes_max) } else { entry.text };
        let level = match entry.level {
            Some(level) => level,
            None if entry.is_json => level::detect_json(text),
            None => level::detect(text),
        };
        let event_ns = if let EventTime::At(event_ns) = entry.time { event_ns } else { 0 };
        let record = NewRecord { text, cut, level, received_ns: self.received_ns, event_ns };
        self.put_admitted(&record, text, stream)?;
        self.metrics.times_bad += u64::from(entry.time == EventTime::Bad);
        Ok(())
    }

    /// Stores a line of an upload, whose labels are those of `stream`, and what its `header` says.
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    pub(super) fn put_line(
        &mut self,
        frame: &Frame<'_>,
        header: &Header<'_>,
        stream: &mut Entry,
    ) -> Result<(), Full> {
        let record = NewRecord {
            text: frame.text,
            cut: frame.cut,
            level: header.level,
            received_ns: self.received_ns,
            event_ns: header.event_ns,
        };
        self.put_admitted(&record, header.message, stream)?;
        self.metrics.times_bad += u64::from(header.is_time_bad);
        Ok(())
    }

    /// Stores a record of a sender that was admitted before.
    #[inline]
    fn put_admitted(
        &mut self,
        record: &NewRecord<'_>,
        message: &[u8],
        stream: &mut Entry,
    ) -> Result<(), Full> {
        if self.intake.dedupe.is_some() {
            return self.put_or_hold(record, message, stream, Transport::Http);
        }
        stream.append(self.segment, record)?;
        count(record, Transport::Http, self.metrics);
        Ok(())
    }

    /// Whether `source` may send a whole request now, however many lines it holds. Where not, it
    /// may after so many nanoseconds.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn admits(&self, source: SourceKey) -> Result<(), u64> {
        self.intake.fair.admits(source, self.now)
    }

    /// Counts the lines of a request that was admitted.
    pub fn charge(&mut self, source: SourceKey, lines: u64, name: &[u8]) {
        self.intake.fair.charge(source, lines, (name, self.now), self.metrics);
    }

    /// Stores a message of the kernel.
    ///
    /// # Errors
    /// [`Full`]: it is to be shown again.
    pub fn put_kernel(
        &mut self,
        record: &NewRecord<'_>,
        app: &[u8],
        facility: u8,
        labels: &mut Labels,
    ) -> Result<(), Full> {
        let entry = labels.find(b"", app, Some(facility));
        self.put_or_hold(record, record.text, entry, Transport::Kmsg)
    }

    /// The header of a frame that may have one.
    #[inline]
    pub(super) fn read_header<'f>(&mut self, frame: &Frame<'f>) -> Header<'f> {
        let times = &mut self.intake.times;
        let (time, header) = match frame.kind {
            Kind::Plain => (EventTime::Missing, Header::none(frame.text)),
            Kind::Json => {
                let header = Header::of_level(level::detect_json(frame.text), frame.text);
                (json_time::event_time(frame.text, times), header)
            }
            Kind::Syslog => match syslog::read(frame.text, self.received_ns, times) {
                None => (EventTime::Missing, Header::none(frame.text)),
                Some(read) => {
                    let header = Header {
                        level: Level::from_severity(read.severity),
                        event_ns: 0,
                        is_time_bad: false,
                        host: read.host,
                        app: read.app,
                        facility: Some(read.facility),
                        message: behind_time(frame.text, &read),
                    };
                    (read.time, header)
                }
            },
        };
        match time {
            EventTime::At(event_ns) => Header { event_ns, ..header },
            EventTime::Missing => header,
            EventTime::Bad => Header { is_time_bad: true, ..header },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::SECOND;
    use crate::level::Level;
    use crate::limits::REPORTS_PER_TURN;
    use crate::message::Transport;
    use crate::proto::frame::{Frame, Kind};
    use crate::session::labels::Labels;
    use crate::session::testing::Rig;

    /// Puts a syslog message, or a line.
    fn put(rig: &mut Rig, text: &str) {
        let kind = if text.starts_with('<') { Kind::Syslog } else { Kind::Plain };
        let frame = Frame { text: text.as_bytes(), cut: false, kind, resync: false };
        let mut labels = Labels::of_connection(b"10.0.0.5", Transport::Tcp);
        rig.sink().put(&frame, &mut labels, b"").unwrap();
    }

    #[test]
    fn reports_come_some_in_each_turn() {
        let mut rig = Rig::new();
        rig.intake.limit_rate(Some((1, 1)));
        let sources = REPORTS_PER_TURN + 6;
        for source in 0..sources {
            for _ in 0..3 {
                put(&mut rig, &format!("<11>Nov 20 10:00:00 box{source} app: x"));
            }
        }
        rig.now = 5 * SECOND;
        let mut told = vec![rig.segment.records()];
        while rig.intake.next_deadline().is_some_and(|at| at <= rig.now) {
            rig.sink().tell_due().unwrap();
            told.push(rig.segment.records());
            assert!(told.len() < 10, "{told:?}");
        }
        let (stored, all) = (sources as u64, 2 * sources as u64);
        assert_eq!(told[..2], [stored, stored + REPORTS_PER_TURN as u64]);
        assert_eq!(told.last(), Some(&all));
        assert_eq!(rig.metrics.suppressed, 2 * sources as u64);
    }

    #[test]
    fn messages_are_equal_that_differ_in_nothing_but_their_time() {
        let mut rig = Rig::new();
        rig.intake.fold(true);
        for message in [
            "<13>1 2026-11-20T10:00:00Z h app 1 ID [ev user=\"bob\"] failed",
            "<13>1 2026-11-20T10:00:01Z h app 1 ID [ev user=\"bob\"] failed",
            "<13>1 2026-11-20T10:00:02Z h app 1 ID [ev user=\"alice\"] failed",
            "<13>1 2026-11-20T10:00:02Z h app 1 OTHER [ev user=\"alice\"] failed",
            "<13>1 2026-11-20T10:00:03Z h app 2 OTHER [ev user=\"alice\"] failed",
        ] {
            put(&mut rig, message);
        }
        assert_eq!((rig.metrics.folded, rig.metrics.lines), (1, 5));
        let repeated =
            "notice app=app facility=user host=h transport=tcp: last line repeated 1 times";
        assert_eq!(rig.records()[1], repeated);
        assert_eq!(rig.metrics.lines_by_transport[Transport::Tcp as usize], 5);
        assert_eq!(rig.metrics.lines_by_level[Level::Notice as usize], 5);
    }

    #[test]
    fn what_is_held_back_tells_nothing() {
        let mut rig = Rig::new();
        rig.intake.fold(true);
        rig.intake.limit_rate(Some((1, 2)));
        for line in ["a", "b", "b", "c", "b", "d", "b", "e"] {
            put(&mut rig, line);
        }
        // Nothing passes that could come after a report: it is told when it is due.
        assert_eq!(rig.records().len(), 2, "{:?}", rig.records());
        assert_eq!((rig.metrics.folded, rig.metrics.suppressed), (3, 3));
    }
}

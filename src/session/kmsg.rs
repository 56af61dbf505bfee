//! The kernel's messages: from records of `/dev/kmsg` to records in the segment.
//!
//! ```text
//! 6,339,5140900,-;NET: Registered PF_INET6 protocol family
//!  SUBSYSTEM=net
//! PRI,number,microseconds since boot,flags[,…];text, then lines of a dictionary
//! ```

use super::intake::Sink;
use super::labels::Labels;
use super::logs::Taken;
use crate::clock::Wall;
use crate::level::Level;
use crate::message::{Transport, kmsg};
use crate::segment::{NewRecord, Store};

/// The kernel as a sender.
#[derive(Debug)]
pub struct KmsgSession {
    labels: Labels,
    line_bytes_max: usize,
    /// When the kernel's clock began.
    boot: Wall,
    /// Messages up to this time are passed over: an earlier run has stored them.
    stored_until: Wall,
    /// The number that comes next, once one has come.
    next: Option<u64>,
    /// The message without the kernel's escapes.
    text: Vec<u8>,
    /// Messages that were overwritten before they were read.
    pub lost: u64,
}

impl KmsgSession {
    /// The kernel of the machine `host`, whose clock began at `boot`. Messages that it said up to
    /// `stored_until` are passed over, provided that this is a time since the boot.
    pub fn new(line_bytes_max: usize, host: &[u8], boot: Wall, stored_until: Wall) -> Self {
        Self {
            labels: Labels::of_connection(host, Transport::Kmsg),
            line_bytes_max,
            boot,
            stored_until: if stored_until >= boot { stored_until } else { 0 },
            next: None,
            text: Vec::new(),
            lost: 0,
        }
    }

    /// Stores the message of one record; what is no record of the kernel's is passed over. Where
    /// the segment has no room (`full`), the caller shows the record again.
    pub fn take<S: Store>(&mut self, record: &[u8], sink: &mut Sink<'_, S>) -> Taken {
        let mut taken = Taken { used: record.len(), ..Taken::default() };
        let Some(message) = kmsg::read(record) else { return taken };
        // Shown again, it is the one before the next.
        self.lost += self.next.map_or(0, |next| message.seq.saturating_sub(next));
        self.next = Some(message.seq.saturating_add(1));
        let time = self.boot.saturating_add(message.monotonic_us.saturating_mul(1000));
        if message.text.is_empty() || time <= self.stored_until {
            return taken;
        }
        self.text.clear();
        kmsg::unescape(message.text, &mut self.text);
        let kept = &self.text[..self.text.len().min(self.line_bytes_max)];
        let record = NewRecord {
            text: kept,
            cut: kept.len() < self.text.len(),
            level: Level::from_severity(message.severity),
            received_ns: sink.received_ns,
            event_ns: i64::try_from(time).unwrap_or(0),
        };
        // What is not of facility `kern` was written to the log by a program that nobody names.
        let app: &[u8] = if message.facility == 0 { b"kernel" } else { b"" };
        match sink.put_kernel(&record, app, message.facility, &mut self.labels) {
            Ok(()) => sink.metrics.cut_bytes += (self.text.len() - kept.len()) as u64,
            Err(full) => (taken.used, taken.full) = (0, Some(full)),
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::Rig;

    const BOOT: Wall = 1_700_000_000_000_000_000;

    /// Takes records; gives how many were stored and how many lost.
    fn taken(session: &mut KmsgSession, records: &[&str]) -> (u64, u64) {
        let mut rig = Rig::new();
        for record in records {
            let taken = session.take(record.as_bytes(), &mut rig.sink());
            assert_eq!((taken.used, taken.full), (record.len(), None));
        }
        (rig.segment.records(), session.lost)
    }

    #[test]
    fn overwritten_messages_are_counted_by_the_gap_that_they_leave() {
        let mut session = KmsgSession::new(100, b"box", BOOT, 0);
        let records = ["6,7,1,-;first\n", "6,8,2,-;\n", "6,20,3,-;after a gap\n", "odd\n"];
        assert_eq!(taken(&mut session, &records), (2, 11));
    }

    #[test]
    fn what_an_earlier_run_of_this_boot_has_stored_is_passed_over() {
        let records =
            ["6,1,1000000,-;one second\n", "6,2,2000000,-;two\n", "6,3,3000000,-;three\n"];
        let second = 1_000_000_000;
        for (stored_until, expected) in
            [(0, 3), (BOOT + 2 * second, 1), (BOOT - 1, 3), (BOOT + 9 * second, 0)]
        {
            let mut session = KmsgSession::new(100, b"box", BOOT, stored_until);
            assert_eq!(taken(&mut session, &records), (expected, 0), "{stored_until}");
        }
    }

    #[test]
    fn a_message_has_its_level_its_time_and_its_stream() {
        let mut session = KmsgSession::new(6, b"box", BOOT, 0);
        let mut rig = Rig::new();
        session.take(b"3,1,5,-;a\\x09failed\n SUBSYSTEM=net\n", &mut rig.sink());
        session.take(b"30,2,6,-;from a program\n", &mut rig.sink());
        let shown = rig.records();
        assert_eq!(
            shown,
            [
                "error app=kernel facility=kern host=box transport=kmsg: a\\tfail...",
                "info facility=daemon host=box transport=kmsg: from a...",
            ]
        );
        assert_eq!(rig.event_times(), [(BOOT + 5000) as i64, (BOOT + 6000) as i64]);
    }
}

//! Which of a record's two times a question is about.

use crate::clock::Wall;
use crate::segment::Summary;

/// Which of a record's two times counts. A record that does not say when it happened counts with
/// the time at which it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamp {
    /// When it was received.
    #[default]
    Received,
    /// When it happened, as far as the record says so.
    Event,
}

impl Stamp {
    /// The time that counts of a record, given both as a slot has them.
    #[inline]
    pub fn of(self, received_ns: Wall, event_ns: i64) -> Wall {
        if self == Self::Event && event_ns != 0 { wall(event_ns) } else { received_ns }
    }

    /// Bounds of the times of a block's records, both included.
    pub(super) fn span(self, summary: &Summary) -> (Wall, Wall) {
        let received = (summary.received_min_ns, summary.received_max_ns);
        if self == Self::Received || summary.events == 0 {
            return received;
        }
        let event = (wall(summary.event_min_ns), wall(summary.event_max_ns));
        if summary.events >= summary.records() {
            return event;
        }
        (event.0.min(received.0), event.1.max(received.1))
    }
}

/// A time of a slot as the wall shows it; what lies before 1970 is its first moment.
pub(super) fn wall(event_ns: i64) -> Wall {
    Wall::try_from(event_ns).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::segment::{Geometry, MemStore, NewRecord, Options, Segment, StreamRef};

    /// The bounds of a block with these records: when received, when it happened.
    fn span(stamp: Stamp, records: &[(u64, i64)]) -> (Wall, Wall) {
        let geometry = Geometry::for_size(1 << 20).unwrap();
        let store = MemStore::zeroed(1 << 20);
        let mut segment = Segment::create(store, geometry, Options::default(), 7, 1000);
        for &(received_ns, event_ns) in records {
            let record =
                NewRecord { text: b"x", cut: false, level: Level::Info, received_ns, event_ns };
            segment.append(&record, b"", &mut StreamRef::default()).unwrap();
        }
        stamp.span(segment.summary(segment.newest_block().unwrap()).unwrap())
    }

    #[test]
    fn the_time_of_a_record_is_the_one_asked_for_or_when_it_was_received() {
        for (stamp, received, event, expected) in [
            (Stamp::Received, 5, 9, 5),
            (Stamp::Event, 5, 9, 9),
            (Stamp::Event, 5, 0, 5),
            (Stamp::Event, 5, -3, 0),
        ] {
            assert_eq!(stamp.of(received, event), expected, "{stamp:?} {received} {event}");
        }
    }

    #[test]
    fn the_span_of_a_block_holds_the_time_of_each_record() {
        assert_eq!(span(Stamp::Received, &[(5, 90), (7, 1)]), (5, 7));
        assert_eq!(span(Stamp::Event, &[(5, 90), (7, 1)]), (1, 90));
        assert_eq!(span(Stamp::Event, &[(5, 90), (7, 0)]), (5, 90));
        assert_eq!(span(Stamp::Event, &[(5, 0), (7, 0)]), (5, 7));
        assert_eq!(span(Stamp::Event, &[(5, -8), (7, 6)]), (0, 6));
    }
}

//! Folds equal lines that follow each other from one sender: the first is stored, the others are
//! counted and told as `last line repeated N times`, a record of the same stream.
//!
//! That record comes before the next line that differs, 10 s after the first that was folded, when
//! its sender is forgotten for another, and at the end. A line is asked about first
//! ([`Dedupe::check`]), stored or dropped, and then counted ([`Dedupe::commit`]).

use super::sources::{Place, SourceKey, Sources, Sweep};
use crate::clock::{MS, Mono};
use crate::level::Level;
use crate::limits::{DEDUPE_LINE_BYTES_MAX, DEDUPE_MS, DEDUPE_SOURCES_MAX};
use crate::metrics::Metrics;

/// A line, and what it must have in common with the one before it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// What is compared: of a line with a header the message, for the header holds the time.
    pub text: &'a [u8],
    /// The labels of its stream.
    pub labels: &'a [u8],
    /// Its level.
    pub level: Level,
    /// Whether it was cut: then nobody knows what it is equal to.
    pub cut: bool,
}

/// The last line that was stored of a sender, and what was folded since.
#[derive(Debug, Default)]
struct Last {
    text: Vec<u8>,
    labels: Vec<u8>,
    level: Level,
    /// Whether a line can be equal to it.
    is_known: bool,
    /// Lines folded and not told yet.
    folded: u64,
    /// When the first of them came.
    since: Mono,
}

/// Everybody's last line.
#[derive(Debug)]
pub struct Dedupe {
    sources: Sources<Last>,
    sweep: Sweep,
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It is stored.
    Store(Ticket),
    /// It is dropped: the one before it stands for it.
    Fold(Ticket),
    /// This is told first; then the line is asked about again.
    Tell(Repeated),
}

/// A line that was asked about.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    source: SourceKey,
    is_folded: bool,
    now: Mono,
}

/// Lines that were folded, to be told in a record of their stream.
#[derive(Clone, Copy, Debug)]
pub struct Repeated {
    place: Place,
    times: u64,
    level: Level,
}

impl Repeated {
    /// The level of the lines, and so of the record.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Appends the record's text.
    pub fn text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("last line repeated {} times", self.times).as_bytes());
    }
}

impl Last {
    #[inline]
    fn is_equal(&self, line: &Line<'_>) -> bool {
        self.is_known
            && !line.cut
            && self.level == line.level
            && self.text == line.text
            && self.labels == line.labels
    }

    fn deadline(&self) -> Mono {
        match self.folded {
            0 => Mono::MAX,
            _ => self.since.saturating_add(DEDUPE_MS * MS),
        }
    }

    fn report(&self, place: Place) -> Repeated {
        Repeated { place, times: self.folded, level: self.level }
    }

    /// Keeps what a next line is compared with. A sender's memory is used again.
    fn set(&mut self, line: &Line<'_>) {
        assert_eq!(self.folded, 0, "what was folded is told before another line is stored");
        self.is_known = !line.cut && line.text.len() <= DEDUPE_LINE_BYTES_MAX;
        self.text.clear();
        self.labels.clear();
        if self.is_known {
            self.text.extend_from_slice(line.text);
            self.labels.extend_from_slice(line.labels);
            self.level = line.level;
        }
    }
}

impl Dedupe {
    /// Nobody has been heard yet.
    pub fn new() -> Self {
        Self { sources: Sources::new(DEDUPE_SOURCES_MAX), sweep: Sweep::default() }
    }

    /// What is to become of a line from `source`. Changes nothing.
    #[inline]
    pub fn check(&self, source: SourceKey, line: &Line<'_>, now: Mono) -> Verdict {
        let ticket = Ticket { source, is_folded: false, now };
        let place = match self.sources.find(source) {
            Some(place) if self.sources.get(place).is_equal(line) => {
                return Verdict::Fold(Ticket { is_folded: true, ..ticket });
            }
            Some(place) => Some(place),
            None => self.sources.next_victim(),
        };
        match place {
            Some(place) if self.sources.get(place).folded > 0 => {
                Verdict::Tell(self.sources.get(place).report(place))
            }
            _ => Verdict::Store(ticket),
        }
    }

    /// Counts a line that was asked about, now that it is stored or folded. A line that is held
    /// back for another reason is not committed: the one before it is still the last that readers
    /// see.
    ///
    /// # Panics
    /// Where another line of the sender was committed since it was asked about.
    #[inline]
    pub fn commit(&mut self, ticket: Ticket, line: &Line<'_>, metrics: &mut Metrics) {
        let Ticket { source, is_folded, now } = ticket;
        let place = self
            .sources
            .find(source)
            .unwrap_or_else(|| self.sources.claim(source, |_| metrics.sources_evicted += 1));
        self.sources.touch(place);
        let last = self.sources.get_mut(place);
        if !is_folded {
            last.set(line);
            return;
        }
        metrics.folded += 1;
        last.folded += 1;
        if last.folded == 1 {
            last.since = now;
            self.sweep.expect(last.deadline());
        }
    }

    /// The next report that is due, until [`Self::told`] says that it was stored.
    pub fn due(&mut self, now: Mono) -> Option<Repeated> {
        let sources = &self.sources;
        self.sweep.walk(sources, now, |place| {
            let last = sources.get(place);
            if last.folded > 0 && last.deadline() <= now {
                Ok(last.report(place))
            } else {
                Err(last.deadline())
            }
        })
    }

    /// The next report of what is left untold, due or not: for the end.
    pub fn left(&mut self, now: Mono) -> Option<Repeated> {
        let sources = &self.sources;
        self.sweep.walk_all(sources, now, |place| {
            let last = sources.get(place);
            if last.folded > 0 { Ok(last.report(place)) } else { Err(Mono::MAX) }
        })
    }

    /// What is untold of `source`, due or not: for the close of its connection.
    pub fn left_of(&self, source: SourceKey) -> Option<Repeated> {
        let place = self.sources.find(source)?;
        let last = self.sources.get(place);
        (last.folded > 0).then(|| last.report(place))
    }

    /// The labels of the stream that a report belongs to.
    pub fn labels(&self, report: &Repeated) -> &[u8] {
        &self.sources.get(report.place).labels
    }

    /// A report was stored. Between asking for it and this no line may be committed.
    pub fn told(&mut self, report: &Repeated) {
        let last = self.sources.get_mut(report.place);
        last.folded = last.folded.saturating_sub(report.times);
    }

    /// When [`Self::due`] has something to tell next, at the earliest.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.sweep.deadline()
    }
}

impl Default for Dedupe {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::SECOND;

    fn source(number: u32) -> SourceKey {
        SourceKey::of(&number.to_le_bytes(), b"", b"")
    }

    fn line(text: &[u8]) -> Line<'_> {
        Line { text, labels: b"host=a\0transport=tcp", level: Level::Info, cut: false }
    }

    /// What readers see.
    #[derive(Default)]
    struct Log {
        dedupe: Dedupe,
        shown: Vec<String>,
        metrics: Metrics,
    }

    impl Log {
        fn tell(&mut self, report: &Repeated) {
            let mut text = Vec::new();
            report.text(&mut text);
            self.shown.push(String::from_utf8(text).unwrap());
            self.dedupe.told(report);
        }

        fn send(&mut self, source: SourceKey, line: Line<'_>, now: Mono) {
            loop {
                match self.dedupe.check(source, &line, now) {
                    Verdict::Tell(report) => {
                        assert_eq!(self.dedupe.labels(&report), line.labels);
                        self.tell(&report);
                    }
                    Verdict::Fold(ticket) => {
                        return self.dedupe.commit(ticket, &line, &mut self.metrics);
                    }
                    Verdict::Store(ticket) => {
                        self.shown.push(String::from_utf8_lossy(line.text).into_owned());
                        return self.dedupe.commit(ticket, &line, &mut self.metrics);
                    }
                }
            }
        }

        fn due(&mut self, now: Mono) {
            while let Some(report) = self.dedupe.due(now) {
                self.tell(&report);
            }
        }

        fn end(&mut self, now: Mono) {
            while let Some(report) = self.dedupe.left(now) {
                self.tell(&report);
            }
        }
    }

    #[track_caller]
    fn check(lines: &[&str], expected: &[&str]) {
        let mut log = Log::default();
        for text in lines {
            log.send(source(1), line(text.as_bytes()), 0);
        }
        log.end(0);
        assert_eq!(log.shown, expected);
    }

    #[test]
    fn equal_lines_are_folded_and_told() {
        check(&["a", "b", "a"], &["a", "b", "a"]);
        check(&["a", "a", "a", "b"], &["a", "last line repeated 2 times", "b"]);
        check(&["a", "a"], &["a", "last line repeated 1 times"]);
        check(
            &["", "", "x", "x"],
            &["", "last line repeated 1 times", "x", "last line repeated 1 times"],
        );
        check(&["a", "ab", "a"], &["a", "ab", "a"]);
    }

    #[test]
    fn lines_of_another_level_or_stream_are_not_equal() {
        let mut log = Log::default();
        let first = line(b"a");
        log.send(source(1), first, 0);
        log.send(source(1), Line { level: Level::Error, ..first }, 0);
        log.send(source(1), Line { labels: b"host=b\0transport=tcp", ..first }, 0);
        log.send(source(2), first, 0);
        assert_eq!(log.shown, ["a"; 4]);
        assert_eq!(log.metrics.folded, 0);
    }

    #[test]
    fn senders_do_not_break_each_others_runs() {
        let mut log = Log::default();
        for _ in 0..3 {
            log.send(source(1), line(b"a"), 0);
            log.send(source(2), line(b"b"), 0);
        }
        log.end(0);
        let repeated = "last line repeated 2 times";
        assert_eq!(log.shown, ["a", "b", repeated, repeated]);
        assert_eq!(log.metrics.folded, 4);
    }

    #[test]
    fn long_and_cut_lines_are_never_folded() {
        let longest = "x".repeat(DEDUPE_LINE_BYTES_MAX);
        check(&[&longest, &longest], &[&longest, "last line repeated 1 times"]);
        let long = "x".repeat(DEDUPE_LINE_BYTES_MAX + 1);
        check(&[&long, &long], &[&long, &long]);
        check(&["a", &long, "a"], &["a", &long, "a"]);
        let mut log = Log::default();
        for cut in [false, true, true, false] {
            log.send(source(1), Line { cut, ..line(b"a") }, 0);
        }
        assert_eq!(log.shown, ["a"; 4]);
    }

    #[test]
    fn folded_lines_are_told_after_ten_seconds() {
        let mut log = Log::default();
        for second in 0..=25 {
            log.send(source(1), line(b"a"), second * SECOND);
            log.due(second * SECOND);
        }
        let repeated = "last line repeated 11 times";
        assert_eq!(log.shown, ["a", "last line repeated 11 times", repeated]);
        assert_eq!(log.dedupe.next_deadline(), Some(33 * SECOND));
        log.due(33 * SECOND);
        assert_eq!(log.shown[3], "last line repeated 3 times");
        log.due(100 * SECOND);
        assert_eq!((log.shown.len(), log.dedupe.next_deadline()), (4, None));
    }

    #[test]
    fn asking_changes_nothing() {
        let mut log = Log::default();
        log.send(source(1), line(b"a"), 0);
        log.send(source(1), line(b"a"), 0);
        for _ in 0..10 {
            let verdict = log.dedupe.check(source(1), &line(b"a"), 0);
            assert!(matches!(verdict, Verdict::Fold(_)));
            let verdict = log.dedupe.check(source(1), &line(b"b"), 0);
            assert!(matches!(verdict, Verdict::Tell(Repeated { times: 1, .. })));
            let left = log.dedupe.left_of(source(1));
            assert!(matches!(left, Some(Repeated { times: 1, .. })));
        }
        assert!(log.dedupe.left_of(source(2)).is_none());
        log.end(0);
        assert_eq!(log.shown, ["a", "last line repeated 1 times"]);
    }

    #[test]
    fn a_forgotten_sender_is_told_of_first() {
        let mut log = Log::default();
        let all = 0..DEDUPE_SOURCES_MAX as u32;
        for number in all.clone().chain(all) {
            log.send(source(number), line(b"a"), 0);
        }
        assert_eq!(log.shown.len(), DEDUPE_SOURCES_MAX);
        log.send(source(1 << 20), line(b"b"), 0);
        assert_eq!(log.shown[DEDUPE_SOURCES_MAX..], ["last line repeated 1 times", "b"]);
        assert_eq!(log.metrics.sources_evicted, 1);
        log.send(source(0), line(b"a"), 0);
        assert_eq!(log.shown.last().unwrap(), "a", "it was forgotten: the line stands again");
        log.end(0);
        let told = log.shown.iter().filter(|text| text.starts_with("last line")).count();
        assert_eq!(told, DEDUPE_SOURCES_MAX);
    }

    proptest! {
        /// What readers see, with every report put back as so many lines, is what was sent.
        #[test]
        fn what_is_shown_unfolds_to_what_was_sent(
            sent in prop::collection::vec((0_u32..4, "[ab]{0,1}", 0_u64..8), 0..200),
        ) {
            let mut log = Log::default();
            log.dedupe.sources = Sources::new(3);
            let (mut now, mut by_source) = (0, [const { Vec::new() }; 4]);
            let tell = |log: &mut Log, report: &Repeated| {
                let host = log.dedupe.labels(report)[5] - b'0';
                log.shown.push(format!("{host}!{}", report.times));
                log.dedupe.told(report);
            };
            for (number, text, seconds) in &sent {
                now += seconds * SECOND;
                while let Some(report) = log.dedupe.due(now) {
                    tell(&mut log, &report);
                }
                // The sender stands in the text, so that what is shown can be told apart.
                let text = format!("{number}{text}");
                let labels = format!("host={number}");
                let line = Line { labels: labels.as_bytes(), ..line(text.as_bytes()) };
                loop {
                    match log.dedupe.check(source(*number), &line, now) {
                        Verdict::Tell(report) => tell(&mut log, &report),
                        Verdict::Fold(ticket) => {
                            log.dedupe.commit(ticket, &line, &mut log.metrics);
                            break;
                        }
                        Verdict::Store(ticket) => {
                            log.shown.push(text.clone());
                            log.dedupe.commit(ticket, &line, &mut log.metrics);
                            break;
                        }
                    }
                }
                by_source[*number as usize].push(text);
            }
            while let Some(report) = log.dedupe.left(now) {
                tell(&mut log, &report);
            }
            for (number, sent) in by_source.iter().enumerate() {
                let mut unfolded: Vec<String> = Vec::new();
                let number = number.to_string();
                for shown in log.shown.iter().filter(|shown| shown.starts_with(&number)) {
                    match shown.split_once('!') {
                        None => unfolded.push(shown.clone()),
                        Some((_, times)) => {
                            let last = unfolded.last().unwrap().clone();
                            unfolded.extend(vec![last; times.parse().unwrap()]);
                        }
                    }
                }
                prop_assert_eq!(&unfolded, sent);
            }
        }
    }
}

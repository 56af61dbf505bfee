//! Limits per sender, and what is told of the lines held back.

use proptest::prelude::*;

use super::*;

const PEER: &[u8] = b"10.0.0.5";

fn source(number: u32) -> SourceKey {
    SourceKey::of(&number.to_le_bytes(), b"", b"")
}

fn limited(lines_per_second: u32, burst: u32) -> Fair {
    let mut fair = Fair::new();
    fair.set_limit(Some((lines_per_second, burst)));
    fair
}

/// Asks and commits; says whether the line passed.
fn send(fair: &mut Fair, source: SourceKey, level: Level, now: Mono) -> bool {
    let mut metrics = Metrics::default();
    let (ticket, is_passed) = match fair.check(source, level, now) {
        Verdict::Pass(ticket) => (ticket, true),
        Verdict::Hold(ticket) => (ticket, false),
    };
    fair.commit(ticket, PEER, &mut metrics);
    assert_eq!(metrics.suppressed, u64::from(!is_passed));
    is_passed
}

fn text(report: &Suppressed) -> String {
    let mut out = Vec::new();
    report.text(&mut out);
    String::from_utf8(out).unwrap()
}

/// Every report that is due, each committed.
fn told(fair: &mut Fair, now: Mono) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(report) = fair.due(now) {
        texts.push(text(&report));
        let again = fair.due(now).expect("it stays due until it is stored");
        assert_eq!(text(&again), text(&report));
        fair.reported(&report);
    }
    texts
}

#[test]
fn a_burst_passes_and_then_so_many_a_second() {
    let mut fair = limited(10, 25);
    let passed = |fair: &mut Fair, now| {
        (0..1000).filter(|_| send(fair, source(1), Level::Info, now)).count()
    };
    assert_eq!(passed(&mut fair, 7), 25);
    assert_eq!(passed(&mut fair, 7 + SECOND), 10);
    assert_eq!(passed(&mut fair, 7 + SECOND + 99 * MS), 0);
    assert_eq!(passed(&mut fair, 7 + SECOND + 100 * MS), 1);
    assert_eq!(passed(&mut fair, 100 * SECOND), 25, "no more than the burst is saved up");
}

#[test]
fn a_flood_of_one_pool_leaves_the_others_alone() {
    let mut fair = limited(1, 1);
    for _ in 0..1000 {
        send(&mut fair, source(1), Level::Debug, 0);
    }
    assert!(!send(&mut fair, source(1), Level::Trace, 0), "trace goes with debug");
    for level in [Level::Info, Level::Notice, Level::Warning, Level::Error] {
        assert!(send(&mut fair, source(1), level, 0), "{level:?}");
    }
    assert!(!send(&mut fair, source(1), Level::Unknown, 0), "what does not say goes with info");
    assert!(!send(&mut fair, source(1), Level::Emergency, 0), "the worst go with error");
    assert!(send(&mut fair, source(2), Level::Debug, 0), "another source");
}

#[test]
fn asking_changes_nothing() {
    let mut fair = limited(1, 2);
    send(&mut fair, source(1), Level::Info, 0);
    for _ in 0..100 {
        assert!(matches!(fair.check(source(1), Level::Info, 0), Verdict::Pass(_)));
        assert!(matches!(fair.check(source(2), Level::Info, 0), Verdict::Pass(_)));
    }
    send(&mut fair, source(1), Level::Info, 0);
    for _ in 0..100 {
        assert!(matches!(fair.check(source(1), Level::Info, 0), Verdict::Hold(_)));
    }
    assert!(told(&mut fair, 100 * SECOND).is_empty());
}

#[test]
fn without_a_limit_everything_passes() {
    let mut fair = Fair::new();
    assert!(!fair.is_on());
    assert!((0..1000).all(|_| send(&mut fair, source(1), Level::Debug, 0)));
    fair.set_limit(Some((1, 1)));
    assert!(fair.is_on());
    let passed = (0..9).filter(|_| send(&mut fair, source(1), Level::Debug, 0)).count();
    assert_eq!(passed, 1);
    fair.set_limit(None);
    assert_eq!(told(&mut fair, SECOND), ["suppressed 8 lines from 10.0.0.5 (debug) in 1s"]);
}

#[test]
fn a_limit_that_is_lowered_holds_at_once_and_fills_again() {
    let mut fair = limited(1000, 1000);
    (0..1000).for_each(|_| assert!(send(&mut fair, source(1), Level::Info, 0)));
    fair.set_limit(Some((1, 2)));
    assert!(!send(&mut fair, source(1), Level::Info, 0));
    assert!(send(&mut fair, source(1), Level::Info, SECOND));
    assert!(!send(&mut fair, source(1), Level::Info, SECOND));
}

#[test]
fn a_flood_is_told_after_a_second_and_then_every_thirty() {
    let mut fair = limited(1, 1);
    let mut texts = Vec::new();
    // Ten lines a second, of which nine are held back.
    for tenth in 0..620_u64 {
        let now = tenth * 100 * MS;
        send(&mut fair, source(1), Level::Debug, now);
        texts.extend(told(&mut fair, now).into_iter().map(|text| (tenth, text)));
    }
    let expected = [
        (11, "suppressed 10 lines from 10.0.0.5 (debug) in 1s"),
        (311, "suppressed 270 lines from 10.0.0.5 (debug) in 30s"),
        (611, "suppressed 270 lines from 10.0.0.5 (debug) in 30s"),
    ];
    assert_eq!(texts, expected.map(|(tenth, text)| (tenth, text.to_owned())));
}

#[test]
fn a_flood_that_ends_is_told_with_what_it_had() {
    let mut fair = limited(1, 1);
    for tenth in 0..=40_u64 {
        send(&mut fair, source(1), Level::Error, tenth * 100 * MS);
        told(&mut fair, tenth * 100 * MS);
    }
    // The last line passed; the last that was held back came at 3.9 s.
    assert!(told(&mut fair, 13 * SECOND).is_empty());
    // At 13.9 s it is over; walks are a second apart.
    assert_eq!(fair.next_deadline(), Some(14 * SECOND));
    let texts = told(&mut fair, 14 * SECOND);
    assert_eq!(texts, ["suppressed 26 lines from 10.0.0.5 (error) in 3s"]);
    assert!(told(&mut fair, 100 * SECOND).is_empty());
    assert_eq!(fair.next_deadline(), None);
    // The next is a new one: told after a second.
    (0..3).for_each(|_| _ = send(&mut fair, source(1), Level::Error, 200 * SECOND));
    assert_eq!(fair.next_deadline(), Some(201 * SECOND));
    let texts = told(&mut fair, 201 * SECOND);
    assert_eq!(texts, ["suppressed 2 lines from 10.0.0.5 (error) in 1s"]);
}

#[test]
fn what_is_held_back_while_a_report_waits_is_told_by_the_next() {
    let mut fair = limited(1, 1);
    (0..6).for_each(|_| _ = send(&mut fair, source(1), Level::Info, 0));
    let report = fair.due(SECOND).unwrap();
    assert_eq!(text(&report), "suppressed 5 lines from 10.0.0.5 (info) in 1s");
    // It could not be stored: the next turn asks again.
    (0..3).for_each(|_| _ = send(&mut fair, source(1), Level::Info, SECOND));
    let report = fair.due(2 * SECOND).unwrap();
    assert_eq!(text(&report), "suppressed 7 lines from 10.0.0.5 (info) in 2s");
    fair.reported(&report);
    assert!(fair.due(2 * SECOND).is_none());
}

#[test]
fn a_sender_too_many_displaces_the_most_silent() {
    let mut fair = limited(1, 1);
    for number in 0..SOURCES_MAX as u32 {
        assert!(send(&mut fair, source(number), Level::Info, 0));
    }
    assert!(!send(&mut fair, source(0), Level::Info, 0));
    let mut metrics = Metrics::default();
    let Verdict::Pass(ticket) = fair.check(source(1 << 20), Level::Info, 0) else { panic!() };
    fair.commit(ticket, PEER, &mut metrics);
    assert_eq!(metrics.sources_evicted, 1);
    assert!(!send(&mut fair, source(0), Level::Info, 0), "it was heard again since");
    assert!(send(&mut fair, source(1), Level::Info, 0), "it was forgotten");
}

#[test]
fn floods_of_many_forgotten_senders_are_summed_up() {
    let mut fair = limited(1, 1);
    let extra = FORGOTTEN_FLOODS_MAX as u32 + 10;
    for number in 0..SOURCES_MAX as u32 + extra {
        (0..3).for_each(|_| _ = send(&mut fair, source(number), Level::Info, 0));
    }
    assert_eq!(fair.next_deadline(), Some(0), "who was forgotten is told of at once");
    let texts = told(&mut fair, 0);
    let each = "suppressed 2 lines from 10.0.0.5 (info) in 1s".to_owned();
    let mut expected = vec![each; FORGOTTEN_FLOODS_MAX];
    expected.push("suppressed 20 lines from other sources (info) in 1s".to_owned());
    assert_eq!(texts, expected);
    assert_eq!(fair.next_deadline(), Some(SECOND));
}

#[test]
fn a_long_name_is_cut() {
    let mut fair = limited(1, 1);
    let name = [&[b'x'; SOURCE_NAME_BYTES_MAX - 1], "é and more".as_bytes()].concat();
    let mut metrics = Metrics::default();
    for _ in 0..2 {
        let (Verdict::Pass(ticket) | Verdict::Hold(ticket)) = fair.check(source(1), Level::Info, 0);
        fair.commit(ticket, &name, &mut metrics);
    }
    let name = "x".repeat(SOURCE_NAME_BYTES_MAX - 1);
    let expected = format!("suppressed 1 lines from {name} (info) in 1s");
    assert_eq!(told(&mut fair, SECOND), [expected]);
}

/// One bucket, counted in thousandths of a line and milliseconds.
struct NaiveBucket {
    thousandths: u64,
    at_ms: u64,
}

proptest! {
    /// Whatever is sent, exactly what a naive bucket passes does, and every line held back is
    /// told of once.
    #[test]
    fn all_that_was_held_back_is_told_of(
        rate in 1_u32..50,
        burst in 1_u32..20,
        lines in prop::collection::vec((0_u64..3000, 0_u32..6, 0_usize..Level::COUNT), 0..300),
        is_stored in prop::collection::vec(any::<bool>(), 300),
    ) {
        let mut fair = limited(rate, burst);
        fair.sources = Sources::new(4);
        let mut naive: Vec<((u32, u8), NaiveBucket)> = Vec::new();
        let (mut recent, mut held, mut reported, mut now_ms) = (Vec::new(), 0, 0, 0_u64);
        for ((gap_ms, number, level), is_stored) in lines.into_iter().zip(is_stored) {
            now_ms += gap_ms / 10;
            let (now, level) = (now_ms * MS, Level::ALL[level]);
            let pool = POOL_OF[level as usize];
            recent.retain(|other| *other != number);
            if recent.len() == 4 {
                let gone = recent.remove(0);
                naive.retain(|((other, _), _)| *other != gone);
            }
            recent.push(number);
            let key = (number, pool);
            if !naive.iter().any(|(other, _)| *other == key) {
                let full = u64::from(burst) * 1000;
                naive.push((key, NaiveBucket { thousandths: full, at_ms: now_ms }));
            }
            let bucket = naive.iter_mut().find(|(other, _)| *other == key);
            let bucket = &mut bucket.unwrap().1;
            let gained = (now_ms - bucket.at_ms) * u64::from(rate);
            bucket.thousandths = (bucket.thousandths + gained).min(u64::from(burst) * 1000);
            bucket.at_ms = now_ms;
            let passes = bucket.thousandths >= 1000;
            bucket.thousandths -= 1000 * u64::from(passes);
            held += u64::from(!passes);
            prop_assert_eq!(send(&mut fair, source(number), level, now), passes);
            let report = fair.due(now);
            if let Some(report) = report.filter(|_| is_stored) {
                reported += report.lines;
                fair.reported(&report);
            }
        }
        let end = now_ms * MS;
        while let Some(report) = fair.left(end) {
            reported += report.lines;
            fair.reported(&report);
        }
        prop_assert_eq!(reported, held);
        prop_assert!(fair.due(end + 100 * SECOND).is_none());
    }

    #[test]
    fn no_limit_and_no_time_overflows(
        rate in prop_oneof![Just(0), Just(1), any::<u32>(), Just(u32::MAX)],
        burst in prop_oneof![Just(0), Just(1), any::<u32>(), Just(u32::MAX)],
        times in prop::collection::vec(prop_oneof![any::<u64>(), Just(u64::MAX)], 0..20),
    ) {
        let mut fair = limited(rate, burst);
        for now in times {
            send(&mut fair, source(1), Level::Info, now);
            told(&mut fair, now);
        }
    }
}

#[test]
fn senders_are_held_back_until_ten_seconds_after() {
    let mut fair = limited(10, 1);
    assert_eq!(fair.held_back(0), 0);
    for (number, level) in [(1, Level::Info), (1, Level::Error), (2, Level::Info)] {
        assert!(send(&mut fair, source(number), level, 0));
    }
    assert_eq!(fair.held_back(0), 0, "who is within the limit");
    for (number, level) in [(1, Level::Info), (1, Level::Error), (2, Level::Info)] {
        assert!(!send(&mut fair, source(number), level, number.into()));
    }
    assert_eq!(fair.held_back(SECOND), 2);
    assert_eq!(told(&mut fair, 2 * SECOND).len(), 3);
    assert_eq!(fair.held_back(9 * SECOND), 2, "told, not over");
    assert_eq!(fair.held_back(FLOOD_OVER_MS * MS + 1), 1);
    assert_eq!(fair.held_back(FLOOD_OVER_MS * MS + 2), 0);
    fair.set_limit(None);
    assert_eq!(fair.held_back(SECOND), 0);
}

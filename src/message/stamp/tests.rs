use jiff::tz;
use proptest::prelude::*;

use super::*;

/// 2026-11-20T18:30:00Z.
const NOW: Wall = 1_795_199_400_000_000_000;

fn ns(rfc3339: &str) -> i64 {
    i64::try_from(rfc3339.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap()
}

#[track_caller]
fn check_at(now: Wall, zone: TimeZone, text: &str, expected: &str) {
    let mut times = Times::new(zone);
    let at = EventTime::At(ns(expected));
    for _ in 0..2 {
        assert_eq!(header(text.as_bytes(), now, &mut times), Some((text.len(), at)), "{text}");
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    check_at(NOW, TimeZone::UTC, text, expected);
}

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn wall(rfc3339: &str) -> Wall {
    Wall::try_from(ns(rfc3339)).unwrap()
}

#[test]
fn rfc_3339_in_all_precisions_and_zones() {
    check("2026-11-20T18:23:44Z", "2026-11-20T18:23:44Z");
    let digits = "1234567891234";
    for count in 1..=digits.len() {
        let text = format!("2026-11-20T18:23:44.{}Z", &digits[..count]);
        let kept = format!("2026-11-20T18:23:44.{}Z", &digits[..count.min(9)]);
        check(&text, &kept);
    }
    check("2026-11-20t18:23:44,5z", "2026-11-20T18:23:44.5Z");
    check("2026-11-20T18:23:44+05:30", "2026-11-20T12:53:44Z");
    check("2026-11-20T18:23:44-0330", "2026-11-20T21:53:44Z");
    check("2026-11-20T18:23:44+01", "2026-11-20T17:23:44Z");
    check("2026-11-20 18:23:44.5 +0100", "2026-11-20T17:23:44.5Z");
    check("2026-11-20T18:59:60Z", "2026-11-20T19:00:00Z");
    check("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z");
}

#[test]
fn times_of_rfc_3164_in_all_spellings() {
    for text in [
        "Nov 20 18:23:44",
        "Nov 20 2026 18:23:44",
        "Nov 20 18:23:44 2026",
        "2026 Nov 20 18:23:44",
        "2026 Nov 20 18:23:44 UTC",
        "Nov 20 18:23:44 UTC",
        "nov 20 18:23:44",
        "November 20 18:23:44",
        "Fri Nov 20 18:23:44",
        "Fri Nov 20 18:23:44 2026",
        "Nov 20 18:23:44Z",
        "Nov 20 19:23:44 +0100",
        "Nov 20 2026 19:23:44+01:00",
        "Nov 20 06:23:44 PM",
        "Nov 20 2026 06:23:44 PM GMT",
    ] {
        check(text, "2026-11-20T18:23:44Z");
    }
    check("Nov  2 08:03:04", "2026-11-02T08:03:04Z");
    check("Nov 02 08:03:04", "2026-11-02T08:03:04Z");
    check("Nov 2 08:03:04", "2026-11-02T08:03:04Z");
    check("Nov 20 18:23:44.123", "2026-11-20T18:23:44.123Z");
    check("Nov 20 06:23:44 PM.685 UTC", "2026-11-20T18:23:44.685Z");
    check("Nov 20 12:23:44 AM", "2026-11-20T00:23:44Z");
    check("Nov 20 12:23:44 PM", "2026-11-20T12:23:44Z");
    check("1795199024.250000001", "2026-11-20T18:23:44.250000001Z");
}

#[test]
fn a_time_without_a_year_is_the_latest_that_is_not_days_ahead() {
    for (now, text, expected) in [
        ("2026-12-31T23:59:58Z", "Jan  1 00:00:01", "2027-01-01T00:00:01Z"),
        ("2027-01-01T00:00:01Z", "Dec 31 23:59:58", "2026-12-31T23:59:58Z"),
        ("2027-01-01T00:00:01Z", "Jan  1 00:00:01", "2027-01-01T00:00:01Z"),
        ("2026-06-30T00:00:00Z", "Jan  2 00:00:00", "2026-01-02T00:00:00Z"),
        ("2026-12-25T00:00:00Z", "Jan  1 00:00:00", "2027-01-01T00:00:00Z"),
        ("2026-12-24T23:59:59Z", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"),
        ("2026-07-15T00:00:00Z", "Jan  2 00:00:00", "2026-01-02T00:00:00Z"),
        ("2026-06-01T00:00:00Z", "Jun  9 00:00:00", "2025-06-09T00:00:00Z"),
        ("2026-06-01T00:00:00Z", "Jun  8 00:00:00", "2026-06-08T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "Dec 31 00:00:00", "2025-12-31T00:00:00Z"),
        ("2028-03-01T00:00:00Z", "Feb 29 12:00:00", "2028-02-29T12:00:00Z"),
        ("2027-01-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
        ("2028-02-21T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
        ("2103-12-31T00:00:00Z", "Feb 29 12:00:00", "2096-02-29T12:00:00Z"),
        ("2026-01-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
    ] {
        check_at(wall(now), TimeZone::UTC, text, expected);
    }
    // What was remembered of one year is not taken for another.
    let mut times = Times::new(TimeZone::UTC);
    for (now, expected) in [
        ("2026-12-31T00:00:00Z", "2026-12-31T10:00:00Z"),
        ("2027-01-01T00:00:00Z", "2026-12-31T10:00:00Z"),
        ("2027-11-01T00:00:00Z", "2026-12-31T10:00:00Z"),
        ("2027-12-24T10:00:00Z", "2027-12-31T10:00:00Z"),
        ("2027-12-24T09:59:59Z", "2026-12-31T10:00:00Z"),
    ] {
        let (_, time) = header(b"Dec 31 10:00:00", wall(now), &mut times).unwrap();
        assert_eq!(time, EventTime::At(ns(expected)), "{now}");
    }
}

#[test]
fn a_time_without_a_zone_is_of_the_zone_given() {
    check_at(NOW, berlin(), "Nov 20 19:23:44", "2026-11-20T18:23:44Z");
    check_at(wall("2026-07-01T00:00:00Z"), berlin(), "Jul  1 02:00:00", "2026-07-01T00:00:00Z");
    check_at(NOW, berlin(), "2026-07-01 02:00:00", "2026-07-01T00:00:00Z");
    check_at(NOW, TimeZone::fixed(tz::offset(-7)), "Nov 20 11:23:44", "2026-11-20T18:23:44Z");
}

#[test]
fn clocks_that_were_put_back_show_the_nearer_of_two_times() {
    let (summer, winter) = ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    for said in ["Oct 25 02:30:00", "2026-10-25 02:30:00"] {
        check_at(wall(summer), berlin(), said, summer);
        check_at(wall(winter), berlin(), said, winter);
    }
    // An hour that no clock shows is that of a clock that was not put forward.
    check_at(wall("2026-03-29T01:30:00Z"), berlin(), "Mar 29 02:30:00", "2026-03-29T01:30:00Z");
}

#[test]
fn what_has_the_shape_of_a_time_and_is_none_is_bad() {
    for text in [
        "2026-13-20T18:23:44Z",
        "20xx-11-20T18:23:44Z",
        "2026-02-29T18:23:44Z",
        "2026-11-00T18:23:44Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T18:60:00Z",
        "2026-11-20T18:23:61Z",
        "0000-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "Nov 31 18:23:44",
        "Nov  0 18:23:44",
        "Okt 20 18:23:44",
        "Nov 20 25:23:44",
        "Nov 20 2026 18:23:77",
        "Nov 20 18:23:44 PM",
    ] {
        let mut times = Times::new(TimeZone::UTC);
        let read = header(text.as_bytes(), NOW, &mut times);
        assert_eq!(read, Some((text.len(), EventTime::Bad)), "{text}");
    }
}

#[test]
fn what_has_another_shape_is_no_time() {
    for text in [
        "",
        "N",
        "Nov",
        "Nov 20",
        "Nov 20 18:23",
        "Nov 20 18:23:4",
        "Nov 20 18:23:44x",
        "Nov 20 18-23-44",
        "2026",
        "2026-11-20",
        "2026-11-20T18:23",
        "2026-11-20T18:23:44.",
        "20261120T182344Z",
        "1795199024",
        "179519902.5",
        "12 monkeys",
    ] {
        let mut times = Times::new(TimeZone::UTC);
        assert_eq!(header(text.as_bytes(), NOW, &mut times), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_jiff_writes_reads_back(
        second in -9_000_000_000..9_000_000_000_i64,
        nanos in 0..1_000_000_000_i32,
    ) {
        let at = Timestamp::new(second, 0).unwrap();
        let text = format!("{}.{nanos:09}Z", at.to_string().trim_end_matches('Z'));
        let mut times = Times::new(TimeZone::UTC);
        let read = iso(text.as_bytes(), None, &mut times);
        let expected = EventTime::At(second * SECOND_NS + i64::from(nanos));
        prop_assert_eq!(read, Some((text.len(), expected)));
    }
}

proptest! {
    #[test]
    fn a_fraction_reads_the_same_at_once_and_digit_by_digit(
        digits in "[0-9]{1,10}",
        rest in "[Z+ x:.,-]{0,9}",
    ) {
        let text = format!(".{digits}{rest}");
        let padded = format!("{digits:0<9}");
        let expected = (1 + digits.len(), padded[..9].parse::<u32>().unwrap());
        prop_assert_eq!(fraction(text.as_bytes()), expected, "{}", text);
        prop_assert_eq!(long_fraction(text.as_bytes()), expected, "{}", text);
    }

    #[test]
    fn a_clock_reads_the_same_at_once_and_pair_by_pair(
        text in "[0-9:]{8}|[0-2][0-9]:[0-6][0-9]:[0-6][0-9]|[ -~]{8}",
    ) {
        let text: &[u8; 8] = text.as_bytes().first_chunk().unwrap();
        prop_assert_eq!(clock(text), odd_clock(text));
    }
}

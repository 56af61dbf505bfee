//! How records are shown.

use super::*;
use crate::segment::Record;

fn record(text: &[u8]) -> Record<'_> {
    Record {
        seq: Seq(1_795_168_800_000_042),
        text,
        level: Level::Warning,
        received_ns: NOW + 123_456_789,
        event_ns: 0,
        labels: b"app=x\0host=10.0.0.5",
        cut: false,
    }
}

fn shown(format: Format, zone: &str, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let zone = TimeZone::get(zone).unwrap();
    render(format, &record(text), &mut LocalTime::new(zone), &mut out);
    out
}

#[test]
fn lines_are_shown_as_text_json_and_raw() {
    for (format, zone, text, expected) in [
        (Format::Text, "UTC", &b"hello"[..], &b"[2026-11-20 10:00:00] hello\n"[..]),
        (Format::Text, "Europe/Berlin", b"a\nb\r\xff\n", b"[2026-11-20 11:00:00] a\\nb\r\xff\\n\n"),
        (Format::Raw, "UTC", b"a\nb\xff", b"a\nb\xff\n"),
        (
            Format::Json,
            "UTC",
            b"say \"hi\" \\ \t\x01\x7f\n \xff\xfe\xc3",
            "{\"seq\":1795168800000042,\"time\":\"2026-11-20T10:00:00.123456789Z\",\
             \"level\":\"warning\",\"source\":\"10.0.0.5\",\
             \"msg\":\"say \\\"hi\\\" \\\\ \\t\\u0001\u{7f}\\n \u{fffd}\u{fffd}\u{fffd}\"}\n"
                .as_bytes(),
        ),
        (
            Format::Json,
            "Asia/Kolkata",
            "\u{fc}".as_bytes(),
            "{\"seq\":1795168800000042,\"time\":\"2026-11-20T15:30:00.123456789+05:30\",\
             \"level\":\"warning\",\"source\":\"10.0.0.5\",\"msg\":\"\u{fc}\"}\n"
                .as_bytes(),
        ),
    ] {
        let seen = shown(format, zone, text);
        assert_eq!(seen, expected, "{}", String::from_utf8_lossy(&seen));
    }
}

#[test]
fn times_are_shown_as_the_zone_has_them() {
    for zone in ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"]
    {
        let zone = TimeZone::get(zone).unwrap();
        let mut time = LocalTime::new(zone.clone());
        // Each step passes many changes of the clock, leap years and the turn of a century.
        for step in 1..20_000 {
            let second = step * 216_013;
            let timestamp = jiff::Timestamp::from_second(second).unwrap();
            let expected = zone.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let seen = time.text_of(second as u64 * 1_000_000_000 + 5);
            assert_eq!(std::str::from_utf8(seen).unwrap(), expected);
        }
    }
}

//! What holds of headers in general, and what would be awkward in the corpus.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::clock::Wall;
use crate::limits::SYSLOG_NAME_BYTES_MAX;
use crate::message::syslog::*;

/// 2026-11-20T18:30:00Z.
const NOW: Wall = 1_795_199_400_000_000_000;

fn read_utc(record: &[u8]) -> Option<Syslog<'_>> {
    read(record, NOW, &mut Times::new(TimeZone::UTC))
}

/// Host, application and text.
#[track_caller]
fn check(record: &str, host: &str, app: &str, text: &str) {
    let found = read_utc(record.as_bytes()).unwrap();
    let seen = [found.host, found.app, found.text].map(|part| part.escape_ascii().to_string());
    let expected = [host, app, text].map(|part| part.as_bytes().escape_ascii().to_string());
    assert_eq!(seen, expected, "{}", record.as_bytes().escape_ascii());
}

#[test]
fn a_priority_is_one_to_three_digits_up_to_191() {
    for (record, facility, severity) in [("<0>", 0, 0), ("<14>x", 1, 6), ("<191>", 23, 7)] {
        let found = read_utc(record.as_bytes()).unwrap();
        assert_eq!((found.facility, found.severity), (facility, severity), "{record}");
    }
    for record in ["", "<", "<>x", "<192>x", "<999>", "<1234>x", "<1", "<a>", "< 1>", "<-1>", "1>x"]
    {
        assert_eq!(read_utc(record.as_bytes()), None, "{record}");
    }
}

#[test]
fn control_characters_make_no_names() {
    check("<14>1 2026-11-20T18:23:44Z ho\u{1}st ap\tp \u{7f} ID - text", "", "", "text");
    check("<14>Nov 20 18:23:44 ho\u{1}st api: text", "", "", "ho\u{1}st api: text");
    check("<14>Nov 20 18:23:44 host a\u{1}pi: text", "host", "", "a\u{1}pi: text");
    check("<14>Nov 20 18:23:44 host api[4\u{1}2]: text", "host", "", "api[4\u{1}2]: text");
    check("<14>a\u{7f}pi: text", "", "", "a\u{7f}pi: text");
}

#[test]
fn a_word_without_end_is_no_name() {
    let long = "x".repeat(SYSLOG_NAME_BYTES_MAX);
    for record in [format!("{long}: text"), format!("Nov 20 18:23:44 {long} api: text")] {
        let found = read_utc(format!("<14>{record}").as_bytes()).unwrap().app.len();
        assert_eq!(found, 0, "{record}");
    }
    // Fixed fields take what they are given.
    let record = format!("<14>1 2026-11-20T18:23:44Z {long}{long} api - - - text");
    assert_eq!(read_utc(record.as_bytes()).unwrap().host.len(), 2 * SYSLOG_NAME_BYTES_MAX);
    let short = &long[2..];
    check(&format!("<14>{short}: text"), "", short, "text");
    check(&format!("<14>Nov 20 18:23:44 {short} api: text"), short, "api", "text");
}

#[test]
fn what_others_begin_a_text_with_is_no_tag() {
    for text in [
        "ERROR: it broke",
        "Warning: nearly",
        "{\"a\": 1}",
        "\"key\": value",
        "level=info msg=\"x: y\"",
        "10:22:33: up",
        "http://example.org/x is down",
        "a[0]=5: odd",
        "1 file copied",
        "1 - 2 - 3",
        ": colon",
        "key[: odd",
        "<b>bold</b>: x",
        "",
        " ",
    ] {
        check(&format!("<14>{text}"), "", "", text);
        if !text.starts_with([':', ' ', '1', 'h']) {
            check(&format!("<14>Nov 20 18:23:44 {text}"), "", "", text);
        }
    }
}

#[test]
fn a_header_that_ends_early_is_read_as_far_as_it_goes() {
    let record = "<165>1 2026-11-20T18:23:44Z edge1 api 42 ID7 [a b=\"c\"] text";
    let whole = read_utc(record.as_bytes()).unwrap();
    for end in 5..record.len() {
        let found = read_utc(&record.as_bytes()[..end]).unwrap();
        for (part, of) in [(found.host, whole.host), (found.proc_id, whole.proc_id)] {
            assert!(end < 27 || of.starts_with(part), "{}", &record[..end]);
        }
    }
    let record = "<165>Nov 20 18:23:44 edge1 api[42]: text";
    for end in 5..record.len() {
        let found = read_utc(&record.as_bytes()[..end]).unwrap();
        assert!(end < 20 || found.host.is_empty() || b"edge1".starts_with(found.host));
    }
}

#[test]
fn facilities_have_the_names_of_syslog_conf() {
    let names: Vec<_> = (0..24).map(facility_name).collect();
    assert_eq!(
        (names[0], names[3], names[10], names[23]),
        ("kern", "daemon", "authpriv", "local7")
    );
    assert_eq!(facility_name(24), "unknown");
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
}

fn nil_or(name: &str) -> &str {
    if name.is_empty() { "-" } else { name }
}

/// A name of printable ASCII: RFC 5424, section 6, `PRINTUSASCII`.
fn any_name(bytes_max: usize) -> impl Strategy<Value = String> {
    // A colon at its end is what tells an old header behind a new time.
    prop::string::string_regex(&format!("([!-~]{{0,{}}}[!-9;-~])?", bytes_max - 1)).unwrap()
}

prop_compose! {
    fn any_param()(name in "[a-zA-Z0-9@_.]{1,32}", value in r#"([^"\\\]]|\\["\\\]]){0,20}"#)
        -> String { format!(" {name}=\"{value}\"") }
}

prop_compose! {
    fn any_element()(
        id in "[a-zA-Z0-9@_.]{1,32}",
        params in prop::collection::vec(any_param(), 0..4),
    ) -> String { format!("[{id}{}]", params.concat()) }
}

proptest! {
    #[test]
    fn a_header_of_rfc_5424_reads_back(
        priority in 0..=191_u8,
        second in 0..4_000_000_000_i64,
        nanos in 0..1_000_000_000_i32,
        names in (any_name(64), any_name(48), any_name(128), any_name(32)),
        elements in prop::collection::vec(any_element(), 0..3),
        bom in any::<bool>(),
        text in "\\PC{0,60}",
    ) {
        let at = jiff::Timestamp::new(second, 0).unwrap().to_string();
        let (host, app, proc_id, msg_id) = names;
        let data = elements.concat();
        let bom = if bom { "\u{feff}" } else { "" };
        let record = format!(
            "<{priority}>1 {}.{nanos:09}Z {} {} {} {} {} {bom}{text}",
            at.trim_end_matches('Z'), nil_or(&host), nil_or(&app), nil_or(&proc_id),
            nil_or(&msg_id), nil_or(&data),
        );
        let expected = Syslog {
            facility: priority / 8,
            severity: priority % 8,
            time: EventTime::At(second * 1_000_000_000 + i64::from(nanos)),
            host: host.as_bytes(),
            app: app.as_bytes(),
            proc_id: proc_id.as_bytes(),
            msg_id: msg_id.as_bytes(),
            data: data.as_bytes(),
            text: text.trim_start_matches('\u{feff}').as_bytes(),
        };
        let expected_names = [expected.host, expected.app, expected.proc_id, expected.msg_id];
        // A name that is said as `-` is none, whoever said it.
        prop_assume!(!expected_names.contains(&&b"-"[..]));
        prop_assume!(!text.starts_with('\u{feff}'));
        prop_assert_eq!(read_utc(record.as_bytes()), Some(expected));
    }

    #[test]
    fn a_header_of_rfc_3164_reads_back(
        priority in 0..=191_u8,
        back in 0..150 * 86_400_i64,
        host in "[a-z][a-z0-9.-]{0,20}[0-9]",
        app in "[a-z][a-z0-9_./-]{0,20}[0-9]",
        proc_id in "[0-9]{0,7}",
        // A text that begins with a percent sign or a bracket may be more than a text.
        text in "([ -$&-Z^-~][ -~]{0,60})?",
    ) {
        let at = jiff::Timestamp::new(NOW as i64 / 1_000_000_000 - back, 0).unwrap();
        let time = at.strftime("%b %e %H:%M:%S");
        let process = if proc_id.is_empty() { String::new() } else { format!("[{proc_id}]") };
        let record = format!("<{priority}>{time} {host} {app}{process}: {text}");
        let found = read_utc(record.as_bytes()).unwrap();
        prop_assert_eq!(found.time, EventTime::At(at.as_second() * 1_000_000_000));
        let seen = [found.host, found.app, found.proc_id, found.text];
        prop_assert_eq!(seen, [&host, &app, &proc_id, &text].map(|part| part.as_bytes()));
    }

    #[test]
    fn any_bytes_keep_what_is_promised(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_syslog(&bytes);
        fuzz_syslog(&[b"<14>", &bytes[..]].concat());
        fuzz_syslog(&[b"<14>1 2026-11-20T18:23:44Z ", &bytes[..]].concat());
        fuzz_syslog(&[b"<14>Nov 20 18:23:44 ", &bytes[..]].concat());
    }
}

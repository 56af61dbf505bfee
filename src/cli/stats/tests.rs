use super::*;

fn numbers(text: &str) -> Numbers {
    Numbers { text: text.to_owned() }
}

#[test]
fn counts_sizes_and_times_are_for_people() {
    for (count, expected) in
        [(0.0, "0"), (2.5, "2.5"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")]
    {
        assert_eq!(number(count), expected);
    }
    for (count, expected) in
        [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (1e15, "909.5 TiB")]
    {
        assert_eq!(bytes(count), expected);
    }
    for (seconds, expected) in
        [(0.0, "0 ms"), (0.00025, "0.25 ms"), (0.005, "5 ms"), (0.25, "250 ms"), (1.5, "1.5 s")]
    {
        assert_eq!(span(seconds), expected);
    }
    for (seconds, expected) in
        [(0.0, "0s"), (59.9, "59s"), (60.0, "1m"), (3725.0, "1h 2m"), (180_000.0, "2d 2h")]
    {
        assert_eq!(age(seconds), expected);
    }
}

const SOME: &str = r#"{"logcaster_build_info":{"1.2.3,x86_64":1},"logcaster_uptime_seconds":3725.5,
"logcaster_logs_total":12345,"logcaster_received_bytes_total":2048,
"logcaster_logs_by_level_total":{"error":3,"info":0,"debug":12},
"logcaster_dropped_total":{"cut":0},"logcaster_persistence_enabled":1,
"logcaster_health_status":{"segment":0,"memory":1},
"logcaster_head_sequence":110,"logcaster_durable_sequence":100,"logcaster_records":5,
"logcaster_oldest_record_age_seconds":60,"logcaster_disk_writes_total":4,
"logcaster_sync_failures_total":0,
"logcaster_sync_duration_seconds":{"count":4,"sum":1,"p50":0.005,"p99":null,"buckets":{}},
"logcaster_turn_duration_seconds":{"count":4,"sum":1,"p50":0.0001,"p99":0.001,"buckets":{}},
"process_cpu_seconds_total":5}"#;

#[test]
fn a_summary_has_sections_and_aligned_values() {
    let text = summary("a:1", &numbers(SOME), None);
    let expected = [
        "logcaster 1.2.3 x86_64 at a:1, up 1h 2m, DEGRADED: memory",
        "Lines",
        "  stored        12,345",
        "  received      2.0 KiB",
        "  by level      error 3, debug 12",
        "  by transport  none",
        "  dropped       none",
        "  lines         5, the oldest 1m old",
        "  on disk       all but the newest 10",
        "  syncs         4, none failed; p50 <= 5 ms, p99 beyond all bounds",
        "  turns         p50 <= 0.1 ms, p99 <= 1 ms; worst of late 0 ms",
    ];
    for line in expected {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
}

#[test]
fn rates_are_those_of_the_time_between() {
    let later = SOME
        .replace("3725.5", "3727.5")
        .replace("12345", "14345")
        .replace("2048", "4096")
        .replace("\"process_cpu_seconds_total\":5", "\"process_cpu_seconds_total\":6");
    let text = summary("a:1", &numbers(&later), Some(&numbers(SOME)));
    for (name, rate) in [
        ("  stored ", "+1,000/s"),
        ("  received ", "+1.0 KiB/s"),
        ("  processor ", "50 % of a core"),
        ("  questions ", "+0/s"),
    ] {
        let is_there = |line: &str| line.starts_with(name) && line.ends_with(rate);
        assert!(text.lines().any(is_there), "{name} {rate} in\n{text}");
    }
    // Restarted in between.
    let text = summary("a:1", &numbers(SOME), Some(&numbers(&later)));
    assert!(!text.contains("/s"), "{text}");
}

#[test]
fn an_answer_that_says_nothing_is_shown_as_nothing() {
    let text = summary("a:1", &numbers("{}"), Some(&numbers("{}")));
    assert!(text.contains("  over HTTP     0 requests\n") && !text.contains('-'), "{text}");
    assert!(text.contains("in memory only") && text.contains("  stored        0\n"), "{text}");
}

#[test]
fn an_answer_without_an_end_is_refused() {
    let mut endless = BufReader::new(io::repeat(b'x'));
    assert!(read_line(&mut endless).is_err());
    assert_eq!(read_line(&mut &b"cut off"[..]).unwrap(), None);
    assert_eq!(read_line(&mut &b"{}\nmore"[..]).unwrap(), Some(b"{}\n".to_vec()));
}

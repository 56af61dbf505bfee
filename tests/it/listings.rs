//! What there is, and how it is shown: LABELS, VALUES, STATS by something, formats, times.

use crate::json;
use crate::support::{holding, start};

#[test]
fn labels_and_values_list_what_there_is() {
    let server = holding(&["ERROR a", "ERROR b", "INFO c", "d"]);
    assert_eq!(server.ask("LABELS"), "LABELS: 2 names\nhost 1 values\ntransport 1 values\n");
    assert_eq!(server.ask("values host"), "VALUES host: 1 values\n127.0.0.1 4\n");
    assert_eq!(server.ask("VALUES HOST"), "VALUES host: 1 values\n127.0.0.1 4\n");
    assert_eq!(server.ask("VALUES app"), "VALUES app: 0 values\n");
    let levels = "STATS level: 3 levels\nerror 2\ninfo 1\nunknown 1\n";
    assert_eq!(server.ask("STATS level"), levels);
    assert_eq!(server.ask("STATS transport"), "STATS transport: 1 transports\ntcp 4\n");
    let streams = "STATS stream: 1 streams\nhost=127.0.0.1 transport=tcp 4\n";
    assert_eq!(server.ask("STATS stream"), streams);
    // They are answered in order, and STATS alone stays one line.
    let answer = server.ask("STATS level\nSTATS\nVALUES host\nPING");
    assert!(answer.starts_with(levels) && answer.ends_with("127.0.0.1 4\nPONG\n"), "{answer}");
    assert_eq!(answer.lines().count(), 8, "{answer}");
    assert!(server.ask("SLOWLOG").contains("found=3 peer="), "a listing is a command as others");
}

#[test]
fn a_listing_of_nothing_and_of_what_was_cleared_is_empty() {
    let server = start(&[]);
    assert_eq!(server.ask("LABELS"), "LABELS: 0 names\n");
    server.send_until("ERROR a\n", 1);
    server.ask("CLEAR");
    assert_eq!(server.ask("STATS level\nVALUES host"), {
        "STATS level: 0 levels\nVALUES host: 0 values\n"
    });
}

#[test]
fn stats_has_a_number_for_each_level_and_transport() {
    let stats = start(&[]).stats();
    for name in
        ["Level.unknown", "Level.error", "Level.emergency", "Transport.tcp", "Transport.udp"]
    {
        assert!(stats.contains_key(name), "{name} is not in {stats:?}");
    }
}

#[test]
fn json_shows_labels_fields_and_the_message_inside() {
    let server = holding(&["plain", r#"{"msg":"late","user":{"name":"bob"},"n":[1,{}]}"#]);
    let lines = server.found("QUERY format=json");
    assert!(lines[1].contains(r#""n":[1,{}]"#), "{}", lines[1]);
    let plain = json::object(&lines[0]);
    assert_eq!((plain["msg"].as_str(), plain["_msg"].as_str()), ("plain", "plain"));
    assert_eq!((plain["labels.host"].as_str(), plain["labels.transport"].as_str()), {
        ("127.0.0.1", "tcp")
    });
    assert!(!plain.contains_key("event_time"), "{plain:?}");
    assert!(lines[1].contains(r#""_msg":"late","#), "{}", lines[1]);
    assert!(lines[1].contains(r#""user.name":"bob""#), "{}", lines[1]);
}

#[test]
fn logfmt_and_csv_are_one_line_a_record() {
    let server = holding(&["ERROR two words", "a,\"b\" user=bob"]);
    let logfmt = server.found("QUERY format=logfmt");
    for (line, rest) in logfmt.iter().zip([
        " level=error host=127.0.0.1 transport=tcp msg=\"ERROR two words\"",
        " level=unknown host=127.0.0.1 transport=tcp msg=\"a,\\\"b\\\" user=bob\" user=bob",
    ]) {
        assert!(line.starts_with("seq=") && line.contains(" time=20"), "{line}");
        assert!(line.ends_with(rest), "{line}");
    }
    let csv = server.ask("QUERY format=csv");
    let lines: Vec<&str> = csv.split('\n').collect();
    let columns = "seq,time,event_time,level,host,app,facility,transport,msg,fields\r";
    assert_eq!(lines[..2], ["FOUND: 2 matches", columns]);
    assert!(lines[2].ends_with(",,error,127.0.0.1,,,tcp,ERROR two words,{}\r"), "{csv}");
    assert!(
        lines[3].ends_with(",tcp,\"a,\"\"b\"\" user=bob\",\"{\"\"user\"\":\"\"bob\"\"}\"\r"),
        "{csv}"
    );
}

#[test]
fn a_tail_in_csv_begins_with_its_columns() {
    let server = holding(&["one"]);
    let mut tail = server.question_peer();
    tail.write("TAIL format=csv n=1\n");
    let mut read = || tail.line().expect("a tail does not end");
    assert_eq!(
        read().trim_end(),
        "seq,time,event_time,level,host,app,facility,transport,msg,fields"
    );
    assert!(read().trim_end().ends_with(",tcp,one,{}"));
    server.send("two\n");
    assert!(read().trim_end().ends_with(",tcp,two,{}"));
}

#[test]
fn time_event_is_the_time_received_where_a_line_says_none() {
    let server = holding(&["a", "b", "c"]);
    assert_eq!(server.messages("QUERY time=event since=-5m until=now"), ["a", "b", "c"]);
    assert_eq!(server.ask("QUERY time=event until=-5m"), "FOUND: 0 matches\n");
    assert_eq!(server.messages("QUERY order=time time=event"), ["a", "b", "c"]);
    assert_eq!(server.messages("QUERY order=time limit=2 keywords=b,c operator=or"), ["b", "c"]);
}

#[test]
fn a_listing_or_an_order_that_there_is_not_is_refused() {
    let server = start(&[]);
    for (question, word) in [
        ("TAIL order=time", "order"),
        ("QUERY time=later", "later"),
        ("QUERY order=size", "size"),
        ("STATS colour", "colour"),
        ("VALUES", "VALUES"),
    ] {
        let answer = server.ask(question);
        assert!(answer.starts_with("ERROR: ") && answer.contains(word), "{question}: {answer}");
    }
}

#[test]
fn more_than_can_be_sorted_is_said() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..12_000).map(|n| format!("line {n:06}\n")).collect();
    server.send_until(&lines, 12_000);
    let answer = server.ask("QUERY order=time format=raw");
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines[..2], ["FOUND: 10000 matches", "# sorted the newest 10000 of 12000"]);
    assert_eq!((lines[2], lines.len()), ("line 002000", 10_002));
    assert_eq!(server.stat("SortLeftOut"), 2000);
}

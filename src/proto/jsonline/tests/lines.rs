//! Where an object begins and ends, and what is said where none does.

use super::*;

#[test]
fn each_line_is_an_object_and_empty_lines_are_none() {
    check("", &[]);
    check("\n\r\n  \n\t\r\n", &[]);
    check(
        "{\"a\":1}\n{\"b\":2}\r\n\r\n\n {\"c\":3} \t\r\n",
        &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"],
    );
    check("{\"a\":1}\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]);
    check("\u{feff}{\"a\":1}\n", &["{\"a\":1}"]);
    check("{}", &["{}"]);
}

#[test]
fn objects_with_nothing_between_are_all_taken() {
    check(
        "{\"a\":\"}{\"}{\"b\":{}} {\"c\":[{},{}]}\n{\"d\":1}{\"e\":1}",
        &["{\"a\":\"}{\"}", "{\"b\":{}}", "{\"c\":[{},{}]}", "{\"d\":1}", "{\"e\":1}"],
    );
}

#[test]
fn an_array_of_objects_is_taken_apart() {
    check("[{\"a\":1},{\"b\":[1,2]} , {\"c\":3}]", &["{\"a\":1}", "{\"b\":[1,2]}", "{\"c\":3}"]);
    check(
        "[\n  {\"a\":1},\r\n  {\"b\":2}\n]\n[{\"c\":3}]\n{\"d\":4}\n[]",
        &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}"],
    );
}

#[test]
fn an_object_on_several_lines_becomes_one_line() {
    check(
        "{\n  \"a\": 1,\r\n  \"b\": [\n 2 ]\n}\n{\"c\":3}\n",
        &["{   \"a\": 1,    \"b\": [  2 ] }", "{\"c\":3}"],
    );
}

#[test]
fn what_is_no_object_is_bad_and_all_others_are_taken() {
    check(
        "{\"a\":1}\nnot json\n{\"b\":2}\n17\n\"x\"\n{\"c\":3}\n",
        &[
            "{\"a\":1}",
            "!not_an_object: line 2: expected a JSON object, found `not json`",
            "{\"b\":2}",
            "!not_an_object: line 4: expected a JSON object, found `17`",
            "!not_an_object: line 5: expected a JSON object, found `\\\"x\\\"`",
            "{\"c\":3}",
        ],
    );
    let long = "x".repeat(60);
    let shown = format!("!not_an_object: line 1: expected a JSON object, found `{}`", &long[..40]);
    check(&long, &[&shown]);
}

#[test]
fn a_broken_object_is_bad_up_to_its_end() {
    check(
        "{\"a\":1\n{\"b\":2}\n{\"c\":\"x\n{\"d\":4}\n{\"e\"",
        &[
            "!json: line 1: object not closed in 6 bytes, its line",
            "{\"b\":2}",
            "!json: line 3: expected no control character in a string at byte 7, found `\\n`",
            "{\"d\":4}",
            "!json: line 5: object cut off after 4 bytes",
        ],
    );
    check(
        "{broken\n{\"a\":1} x {\"b\":2}\n{\"c\":3}",
        &[
            "!json: line 1: expected a key in quotes, or `}` at byte 1, found `b`",
            "!json: line 2: found `x` behind the object",
            "{\"c\":3}",
        ],
    );
    check(
        "{\"a\":1}{\"b\":} {\"c\":3}{\"d\":{\"e\":[}}}{\"f\":6} and more {}\n{\"g\":7}",
        &[
            "{\"a\":1}",
            "!json: line 1: expected a value at byte 5, found `}`",
            "{\"c\":3}",
            "!json: line 1: expected a value at byte 11, found `}`",
            "!json: line 1: found `a` behind the object",
            "{\"g\":7}",
        ],
    );
}

#[test]
fn a_broken_object_on_several_lines_is_bad_line_by_line() {
    check(
        "{\"a\":[\n{\"b\":2},\n{\"c\":3}\n{\"d\":4}\n",
        &[
            "!json: line 1: object not closed in 6 bytes, its line",
            "!json: line 2: found `,` behind the object",
            "{\"c\":3}",
            "{\"d\":4}",
        ],
    );
}

#[test]
fn a_broken_element_leaves_the_others_of_its_array() {
    let found =
        |text: &str| format!("!not_an_object: line 1: expected a JSON object, found `{text}`");
    check(
        "[{\"a\":1},2,[{}],\"]\",{\"b\":},{\"c\":3}\n,x\n{\"d\":4}]{\"e\":5}",
        &[
            "{\"a\":1}",
            &found(r#"2,[{}],\"]\",{\"b\":},{\"c\":3}"#),
            &found(r#"[{}],\"]\",{\"b\":},{\"c\":3}"#),
            &found(r#"\"]\",{\"b\":},{\"c\":3}"#),
            "!json: line 1: expected a value at byte 5, found `}`",
            "{\"c\":3}",
            "!not_an_object: line 2: expected a JSON object, found `x`",
            "{\"d\":4}",
            "{\"e\":5}",
        ],
    );
    check("[{\"a\":1}\n", &["{\"a\":1}", "!json: line 2: array not closed"]);
    check("[}]{}", &["!not_an_object: line 1: expected a JSON object, found `}]{}`", "{}"]);
}

#[test]
fn an_object_too_long_is_bad_and_the_next_is_found() {
    let object = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let (most, more) = (object(JSON_LINE_BYTES_MAX), object(JSON_LINE_BYTES_MAX + 1));
    let body = format!("{{\"b\":1}}{more}\n{most}\n{more}{{\"c\":1}}\n");
    let whole = read(&Options::default(), &[body.as_bytes()]);
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(1400).collect();
    assert_eq!(whole, read(&Options::default(), &pieces));
    let too_long = |line| format!("!too_long: line {line}: object exceeds 262144 bytes");
    assert_eq!(whole, ["{\"b\":1}", &too_long(1), &most, &too_long(3), "{\"c\":1}"]);
}

#[test]
fn a_step_looks_at_its_share_and_no_more() {
    let share = LINES_BYTES_PER_STEP;
    let bodies = [
        " ".repeat(3 * share),
        format!("{{\"a\":\"{}\"}}", "x".repeat(3 * share)),
        format!("{{}}{}", " ".repeat(3 * share)),
        format!("[{}", "1".repeat(3 * share)),
        "x".repeat(3 * share),
    ];
    for body in bodies {
        let mut parser = JsonLines::new(&Options::default(), Times::new(TimeZone::UTC));
        let (mut at, mut steps) = (0, 0);
        loop {
            let (used, step) = parser.step(&body.as_bytes()[at..], true);
            assert!(used <= 2 * share || matches!(step, Step::Entry(_)));
            at += used;
            if step == Step::End {
                break;
            }
            steps += usize::from(step == Step::Again);
        }
        assert!(steps >= 2, "{steps} steps for {}", &body[..8]);
    }
}

#[test]
fn an_entry_that_is_not_stored_comes_again() {
    let body = b" {\"a\":1}\n[{\"a\":2},{\"a\":2}]x\n{\"a\":";
    let options = options(&[("_stream_fields", "a")]);
    let expected = read(&options, &[body]);
    let mut parser = JsonLines::new(&options, Times::new(TimeZone::UTC));
    let (mut all, mut at, mut tries) = (Vec::new(), 0, 0);
    loop {
        let (used, step) = parser.step(&body[at..], true);
        match step {
            Step::Entry(_) if tries < 3 => {
                tries += 1;
                parser.retry();
                continue;
            }
            Step::Entry(_) => tries = 0,
            Step::End => break,
            _ => {}
        }
        all.extend(shown(&step));
        at += used;
    }
    assert_eq!(all, expected);
}

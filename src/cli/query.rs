//! `logcaster query`: one question, over the wire or straight from a segment.

use crate::cli::answer::{self, Shape};
use crate::cli::args::QueryArgs;
use crate::cli::client::{self, Role};
use crate::cli::normalise::UsageError;
use crate::cli::offline;
use crate::clock::Clock;
use crate::query::{Format, TimeContext, parse_parameters};
use jiff::tz::TimeZone;
use std::process::ExitCode;

/// Asks the question; exits as grep does.
pub fn run(args: QueryArgs) -> ExitCode {
    let question = match question(&args) {
        Ok(question) => question,
        Err(error) => return super::refuse(&error),
    };
    if let Some(dir) = &args.dir {
        return offline::query(&args, dir, &question);
    }
    match client::address(args.addr.as_deref(), Role::Query) {
        Ok(addr) => answer::run(&addr, &question, shape(&question)),
        Err(error) => super::refuse(&error),
    }
}

/// The words of the command line as one question.
fn question(args: &QueryArgs) -> Result<String, UsageError> {
    let refuse = |value: String, expected: &str| {
        Err(UsageError::Value { name: "QUESTION", value, expected: expected.to_owned() })
    };
    let question = args.question.join(" ").trim().to_owned();
    if question.is_empty() {
        return refuse(question, "a question, as 'SEARCH timeout'; 'HELP' lists them");
    }
    if question.contains(['\n', '\r', '\0']) {
        return refuse(question, "one line");
    }
    if args.addr.is_some() && args.dir.is_some() {
        return refuse(question, "either --addr or --dir");
    }
    Ok(question)
}

/// How the answer to `question` is printed: the format is one of its parameters.
pub fn shape(question: &str) -> Shape {
    let question = question.trim_ascii_start();
    let (command, parameters) = question
        .split_at(question.find(|c: char| c.is_ascii_whitespace()).unwrap_or(question.len()));
    let is_follow = command.eq_ignore_ascii_case("TAIL");
    let shape = Shape { is_follow, ..Shape::default() };
    if !is_follow && !command.eq_ignore_ascii_case("QUERY") {
        return shape;
    }
    // Which labels there are, and when it is, only the server knows: neither changes the shape.
    let zone = TimeZone::UTC;
    let now = Clock::new().wall();
    let context = TimeContext { has_label: &|_| true, ..TimeContext::new(now, &zone) };
    let Ok(query) = parse_parameters(parameters.as_bytes(), is_follow, &context) else {
        // The server will say what is wrong.
        return shape;
    };
    Shape {
        is_raw: query.format == Format::Raw,
        is_bare: query.format != Format::Text,
        has_head: query.format == Format::Csv,
        is_limited: query.limit.is_some(),
        ..shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_tells_the_shape_of_its_answer() {
        let text = Shape::default();
        let json = Shape { is_bare: true, ..text };
        let raw = Shape { is_bare: true, is_raw: true, ..text };
        let cases = [
            ("COUNT", text),
            ("SEARCH format=json", text),
            ("QUERY level=error", text),
            ("query level=error FORMAT=json", json),
            ("QUERY format=\"json\"", json),
            ("QUERY format=raw limit=3", Shape { is_limited: true, ..raw }),
            ("QUERY format=logfmt", json),
            ("QUERY format=CSV", Shape { has_head: true, ..json }),
            ("QUERY keyword=\"x format=csv\"", text),
            ("QUERY keyword=\"x limit=3\" format=json", json),
            ("QUERY field.format=csv dc=\"format=raw\"", text),
            ("QUERY  since=-5m until=now format=json", json),
            ("SEARCH limit=3", text),
            ("tail", Shape { is_follow: true, ..text }),
            ("TAIL format=json", Shape { is_follow: true, ..json }),
        ];
        for (question, expected) in cases {
            assert_eq!(shape(question), expected, "{question}");
        }
    }

    #[test]
    fn a_question_is_one_line() {
        let check = |words: &[&str]| {
            let question = words.iter().map(|word| (*word).to_owned()).collect();
            super::question(&QueryArgs { addr: None, dir: None, question })
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&["SEARCH", "timeout"]), Ok("SEARCH timeout".to_owned()));
        let expected = "QUESTION \"\": expected a question, as 'SEARCH timeout'; 'HELP' lists them";
        assert_eq!(check(&[]), Err(expected.to_owned()));
        assert_eq!(check(&["A\nB"]), Err("QUESTION \"A\\nB\": expected one line".to_owned()));
    }
}

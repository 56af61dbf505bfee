//! `logcaster query`: one question, over the wire or straight from a segment.

use crate::cli::answer::{self, Shape};
use crate::cli::args::QueryArgs;
use crate::cli::client::{self, Role};
use crate::cli::normalise::UsageError;
use crate::cli::offline;
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
    let mut words = question.split_ascii_whitespace();
    let command = words.next().unwrap_or_default().to_ascii_uppercase();
    let takes_parameters = command == "QUERY" || command == "TAIL";
    let mut format = String::new();
    let mut is_limited = false;
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        match name.to_ascii_lowercase().as_str() {
            "format" if takes_parameters => {
                format = value.trim_matches('"').to_ascii_lowercase();
            }
            "limit" if takes_parameters => is_limited = true,
            _ => {}
        }
    }
    Shape {
        is_raw: format == "raw",
        is_bare: format == "raw" || format == "json",
        is_follow: command == "TAIL",
        is_limited,
        is_reversed: false,
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

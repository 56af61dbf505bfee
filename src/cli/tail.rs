//! `logcaster tail`: the newest lines, and with `-f` what follows.

use crate::cli::answer::{self, Shape};
use crate::cli::args::TailArgs;
use crate::cli::client::{self, Role};
use crate::cli::normalise::UsageError;
use crate::cli::query;
use crate::query::parameter_bytes;
use std::process::ExitCode;

/// Lines shown where `-n` does not say.
const LINES_DEFAULT: u64 = 10;

/// Shows the lines; exits as grep does.
pub fn run(args: TailArgs) -> ExitCode {
    let lines = match lines(&args) {
        Ok(lines) => lines,
        Err(error) => return super::refuse(&error),
    };
    let asked = question(&args, lines)
        .and_then(|question| Ok((client::address(args.addr.as_deref(), Role::Query)?, question)));
    match asked {
        // Nobody need be asked for nothing.
        Ok(_) if lines == 0 && !args.follow => ExitCode::FAILURE,
        Ok((addr, question)) => {
            // Lines only, as tail prints them: the head is for those who asked a question.
            let shape = Shape {
                is_bare: true,
                is_reversed: !args.follow,
                is_follow: args.follow,
                ..query::shape(&question)
            };
            answer::run(&addr, &question, shape)
        }
        Err(error) => super::refuse(&error),
    }
}

/// How many lines `-n` asks for.
fn lines(args: &TailArgs) -> Result<u64, UsageError> {
    let Some(text) = &args.lines else { return Ok(LINES_DEFAULT) };
    text.trim().parse().map_err(|_| UsageError::Value {
        name: "--lines",
        value: text.clone(),
        expected: "a whole number of lines".to_owned(),
    })
}

/// The question that has these lines as its answer. Without `-f` the newest are asked for, newest
/// first, because a limit keeps what comes first.
fn question(args: &TailArgs, lines: u64) -> Result<String, UsageError> {
    let filter = filter(&args.filter)?;
    let question = match (args.follow, lines) {
        (true, 0) => format!("TAIL {filter}"),
        (true, lines) => format!("TAIL n={lines} {filter}"),
        (false, lines) => format!("QUERY order=desc limit={lines} {filter}"),
    };
    Ok(question.trim_end().to_owned())
}

/// The filter's words as parameters: those with a name as they were typed, the others as words to
/// look for.
fn filter(words: &[String]) -> Result<String, UsageError> {
    let mut parameters = Vec::new();
    let mut keywords = Vec::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        if word.contains(['\n', '\r', '\0']) {
            return Err(UsageError::Value {
                name: "FILTER",
                value: word.to_owned(),
                expected: "one line".to_owned(),
            });
        }
        match parameter(word) {
            Some((name, value)) => parameters.push(format!("{name}{}", quoted(value))),
            None => keywords.push(word),
        }
    }
    match keywords[..] {
        [] => {}
        [word] => parameters.push(format!("keyword={}", quoted(word))),
        _ => {
            if let Some(word) = keywords.iter().find(|word| word.contains(',')) {
                return Err(UsageError::Value {
                    name: "FILTER",
                    value: (*word).to_owned(),
                    expected: "words without a comma where there are several".to_owned(),
                });
            }
            parameters.push(format!("keywords={}", quoted(&keywords.join(","))));
            if !words.iter().any(|word| word.starts_with("operator=")) {
                parameters.push("operator=AND".to_owned());
            }
        }
    }
    Ok(parameters.join(" "))
}

/// Splits `name=value` or `name>=value` behind the comparison; `None` for a bare word.
fn parameter(word: &str) -> Option<(&str, &str)> {
    word.split_at_checked(parameter_bytes(word.as_bytes())?)
}

/// A value as the server reads it: in quotes where it holds spaces. What the person quoted stays.
fn quoted(value: &str) -> String {
    if value.starts_with('"') && value.ends_with('"') && value.len() > 1 {
        return value.to_owned();
    }
    if !value.is_empty() && !value.contains([' ', '\t', '"']) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_becomes_a_question() {
        let cases: [(&[&str], &str); 20] = [
            (&[], "QUERY order=desc limit=10"),
            (&["-n", "3", "error"], "QUERY order=desc limit=3 keyword=error"),
            (&["-f"], "TAIL n=10"),
            (&["-f", "-n", "0"], "TAIL"),
            (&["-f", "timeout", "level=error"], "TAIL n=10 level=error keyword=timeout"),
            (&["-f", "level>=warn"], "TAIL n=10 level>=warn"),
            (&["a", "b"], "QUERY order=desc limit=10 keywords=a,b operator=AND"),
            (&["a", "b", "operator=OR"], "QUERY order=desc limit=10 operator=OR keywords=a,b"),
            (&["two words"], "QUERY order=desc limit=10 keyword=\"two words\""),
            (&["regex=a \\d \"b\""], "QUERY order=desc limit=10 regex=\"a \\\\d \\\"b\\\"\""),
            (&["regex=\\d+"], "QUERY order=desc limit=10 regex=\\d+"),
            (&["=x"], "QUERY order=desc limit=10 keyword==x"),
            (&["-f", "field.status>500"], "TAIL n=10 field.status>500"),
            (&["-f", "field.user~bob b"], "TAIL n=10 field.user~\"bob b\""),
            (&["-f", "a!~b"], "TAIL n=10 a!~b"),
            (&["-f", "!keyword=health"], "TAIL n=10 !keyword=health"),
            (&["-f", "field.\"a b\"=1 2"], "TAIL n=10 field.\"a b\"=\"1 2\""),
            (&["-f", "level<error"], "TAIL n=10 level<error"),
            (&["-f", "!important"], "TAIL n=10 keyword=!important"),
            (&["-f", "\"a=b c\""], "TAIL n=10 keyword=\"a=b c\""),
        ];
        for (words, expected) in cases {
            let mut args = TailArgs { addr: None, follow: false, lines: None, filter: Vec::new() };
            let mut words = words.iter();
            while let Some(word) = words.next() {
                match *word {
                    "-f" => args.follow = true,
                    "-n" => args.lines = words.next().map(|lines| (*lines).to_owned()),
                    word => args.filter.push(word.to_owned()),
                }
            }
            let asked = lines(&args).and_then(|lines| question(&args, lines));
            assert_eq!(asked.map_err(|error| error.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn a_bad_number_of_lines_is_refused() {
        let lines = Some("ten".to_owned());
        let args = TailArgs { addr: None, follow: false, lines, filter: Vec::new() };
        let error = super::lines(&args).expect_err("ten").to_string();
        assert_eq!(error, "--lines \"ten\": expected a whole number of lines");
    }
}

//! What the tests of Loki and OTLP share.

use super::super::entries::Step;
use super::Said;
use crate::level::Level;
use crate::message::syslog::EventTime;
use crate::proto::testing;

/// The bodies of the requests in a capture.
pub fn captured(name: &str) -> Vec<Vec<u8>> {
    testing::captured(name).into_iter().map(|(_, body)| body).collect()
}

/// An entry, to be read by people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    pub time: EventTime,
    pub level: Option<Level>,
    /// `name=value` of each pair.
    pub stream: Vec<String>,
}

/// What a body came to: the entries, the reasons of the bad ones, whether it failed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub entries: Vec<Shown>,
    pub bad: Vec<&'static str>,
    pub failure: Option<String>,
    pub steps: usize,
}

/// Takes all steps. Each second entry is asked for again, and must come again.
pub fn run<'p, P>(
    parser: &'p mut P,
    body: &[u8],
    retry: impl Fn(&mut P),
    step: impl for<'b> Fn(&'b mut P, &'b [u8]) -> (usize, Step<'b>),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut is_again = false;
    loop {
        outcome.steps += 1;
        assert!(outcome.steps < 1000 + 4 * body.len(), "no end");
        let (used, step) = step(parser, body);
        assert_eq!(used, 0);
        match step {
            Step::Entry(entry) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let pair = |(name, value): (&[u8], &[u8])| text(name) + "=" + &text(value);
                let shown = Shown {
                    text: text(entry.text),
                    time: entry.time,
                    level: entry.level,
                    stream: entry.stream.iter().map(pair).collect(),
                };
                if entry.is_json {
                    assert!(shown.text.starts_with('{') && shown.text.ends_with('}'));
                }
                if std::mem::replace(&mut is_again, false) {
                    assert_eq!(outcome.entries.last(), Some(&shown), "when asked again");
                    continue;
                }
                outcome.entries.push(shown);
                if outcome.entries.len() % 2 == 1 {
                    is_again = true;
                    retry(parser);
                }
            }
            Step::Bad(bad) => outcome.bad.push(bad.reason.name()),
            Step::Again => {}
            Step::Fail(failure) => {
                outcome.failure = Some(failure.what);
                return outcome;
            }
            Step::End => return outcome,
            step @ Step::NeedMore => panic!("{:?}", Said::of(&step)),
        }
    }
}

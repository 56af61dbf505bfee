//! `logcaster ping`: the health check of an image that has no shell.

use crate::cli::args::PingArgs;
use crate::cli::client::{self, Failure, Role};
use core::time::Duration;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

/// How long a server may take to answer, and to let itself be connected to.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest answer that is looked at, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// Exits with 0 where the server answers as it should, else with 1 and the reason.
pub fn run(args: PingArgs) -> ExitCode {
    let addr = match client::address(args.addr.as_deref(), Role::Query) {
        Ok(addr) => addr,
        Err(error) => return super::refuse(&error),
    };
    let (question, expected) =
        if args.ready { ("PING ready", "PONG ready") } else { ("PING", "PONG") };
    match ask(&addr, question) {
        Ok(answer) if answer == expected => super::show(&format!("{answer}\n")),
        Ok(answer) => {
            let answer = answer.strip_prefix("ERROR: ").unwrap_or(&answer);
            super::complain(&format_args!("{addr}: {}", answer.escape_debug()));
            ExitCode::FAILURE
        }
        Err(failure) => {
            super::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Asks `question` and returns the answer's first line.
fn ask(addr: &str, question: &str) -> Result<String, Failure> {
    let mut stream = client::connect(addr, PATIENCE)?;
    let broken = |action| {
        move |error: io::Error| {
            let is_late =
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            match is_late {
                true => Failure::Ended(addr.to_owned(), "no answer within 1s".to_owned()),
                false => Failure::Broken(addr.to_owned(), action, error),
            }
        }
    };
    stream
        .set_timeouts(PATIENCE)
        .and_then(|()| stream.write_all(format!("{question}\n").as_bytes()))
        .and_then(|()| stream.shutdown_write())
        .map_err(broken("write to"))?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX))
        .read_until(b'\n', &mut answer)
        .map_err(broken("read from"))?;
    if answer.is_empty() {
        return Err(Failure::Ended(addr.to_owned(), "closed without an answer".to_owned()));
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

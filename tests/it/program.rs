//! The binary run to its end, as people and scripts call it.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::support::BINARY;

/// Takes from `command` what the environment of this test says to logcaster.
pub fn without_environment(command: &mut Command) {
    let alone = ["NO_COLOR", "LOG_LEVEL", "MAX_CLIENTS", "MAX_BUFFER_SIZE", "PERSISTENCE_PATH"];
    for (name, _) in std::env::vars() {
        if name.starts_with("LOGCASTER_") || alone.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command.env("TZ", "UTC");
}

/// The binary with `args`, in an environment that says nothing.
pub fn logcaster(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    without_environment(&mut command);
    command.args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a run ended and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn run(args: &[&str]) -> Ran {
    logcaster(args).output().unwrap().into()
}

/// Runs with `input` on standard input.
pub fn run_with(args: &[&str], input: &[u8]) -> Ran {
    let mut child = logcaster(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // The program may end before it has read everything, which is then what the test looks at.
    let _ = writer.join().unwrap();
    output.into()
}

/// Succeeds, silently on stderr; gives stdout.
#[track_caller]
pub fn ok(ran: Ran) -> String {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    ran.stdout
}

//! The command line: what people type is normalised, read by argh and handed to a subcommand, one
//! file each.
//!
//! Exit codes: 0 for success; 2 for a command line or settings that are not understood, before
//! anything was done; beyond that each subcommand's own, as grep's for those that read.

mod answer;
pub mod args;
mod backup;
pub mod bench;
mod client;
mod completion;
mod config_cmd;
mod help;
mod man;
mod names;
pub mod normalise;
mod offline;
mod output;
mod ping;
mod plan;
mod query;
mod send;
pub mod serve;
mod stats;
mod tail;

use crate::config;
use argh::FromArgs;
use args::{Command, TopLevel};
use core::fmt;
use normalise::{Invocation, UsageError, normalise};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit code for what was not understood, and of subcommands that read and failed.
pub const EXIT_USAGE: u8 = 2;

/// Runs the command line `args`, the program's name left out.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(args) {
        Ok(Parsed::Run(command)) => dispatch(*command),
        Ok(Parsed::Show(text)) => show(&text),
        Err(error) => refuse(&error),
    }
}

/// What is to be done.
enum Parsed {
    Run(Box<Command>),
    /// Text for standard output, and nothing else.
    Show(String),
}

/// Reads the command line.
fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let text = args
        .enumerate()
        .map(|(index, arg)| arg.into_string().map_err(|_| UsageError::NotUtf8(index + 1)));
    let text: Vec<String> = text.collect::<Result<_, _>>()?;
    let args = match normalise(&text)? {
        Invocation::Run(args) => args,
        Invocation::Version => return Ok(Parsed::Show(version())),
        Invocation::Help { command, is_long } => {
            return Ok(Parsed::Show(help::render(command, is_long)));
        }
    };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match TopLevel::from_args(&["logcaster"], &words) {
        Ok(top) => Ok(Parsed::Run(Box::new(top.command))),
        // argh says it in several lines, the first letter a capital.
        Err(exit) => {
            let reason = exit.output.split_whitespace().collect::<Vec<_>>().join(" ");
            let reason = match reason.strip_prefix("Unrecognized argument: ") {
                Some(word) => format!("unexpected argument {word:?}"),
                None => reason.replace("Required positional arguments not provided:", "expected"),
            };
            Err(UsageError::Arguments { command: words[0].to_owned(), reason })
        }
    }
}

/// The program's name and version, one line.
fn version() -> String {
    format!("logcaster {}\n", env!("CARGO_PKG_VERSION"))
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Serve(args) => match config::load(args.flags()) {
            Ok((settings, warnings)) => serve::run(settings, warnings),
            Err(error) => refuse(&error),
        },
        Command::Config(args) => config_cmd::run(args.0),
        Command::Bench(args) => bench::run(args),
        Command::Completion(args) => completion::run(args),
        Command::Man(_) => man::run(),
        Command::Query(args) => query::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Send(args) => send::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Ping(args) => ping::run(args),
        Command::Verify(args) => offline::verify(args),
        Command::Export(args) => offline::export(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Plan(args) => plan::run(args),
    }
}

/// Says why nothing was done; exit code 2.
fn refuse(error: &dyn fmt::Display) -> ExitCode {
    complain(error);
    ExitCode::from(EXIT_USAGE)
}

/// Writes one line to standard error. A standard error that is closed is no reason to fail.
fn complain(error: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "logcaster: {error}");
}

/// Writes `text` to standard output.
fn show(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format_args!("write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

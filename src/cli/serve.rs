//! `logcaster serve`, and what is said when the server has a bug.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use crate::config::Settings;
use crate::reactor::{Reactor, sys};

/// Runs the server until it is told to stop. `warnings` are lines for its own log.
pub fn run(settings: Settings, warnings: Vec<String>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let _nobody_listens = std::io::stderr().write_all(describe(panic).as_bytes());
    }));
    match Reactor::start(settings, &warnings) {
        Ok(reactor) => reactor.run(),
        Err(error) => {
            super::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Where it happened, in which build, and the way there as addresses that `scripts/symbolize` turns
/// into source lines. The process then aborts; what has its slot stays in the segment.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let image = sys::program_image();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let mut text = format!("panic at {place}: {message}\n");
    let version = env!("CARGO_PKG_VERSION");
    let _infallible = writeln!(text, "version {version} build {}", image.build_id);
    for address in addresses(&format!("{:#}", Backtrace::force_capture())) {
        if let Some(offset) = address.checked_sub(image.base) {
            let _infallible = writeln!(text, "frame 0x{offset:x}");
        }
    }
    text
}

/// The addresses of a backtrace in its long form: `  3:  0x55d0c0ffee - name`.
fn addresses(trace: &str) -> Vec<usize> {
    let words = trace.lines().filter_map(|line| line.split_ascii_whitespace().nth(1));
    words
        .filter_map(|word| usize::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .filter(|address| *address != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_trace_are_found_with_and_without_names() {
        let trace = "   0:     0x7f8e - <unknown>\n   1:  0x10 - main\n      \
                     at src/main.rs:1\n   2: 0x0 - x\n";
        assert_eq!(addresses(trace), [0x7f8e, 0x10]);
    }

    #[test]
    fn a_real_trace_has_addresses_behind_the_base() {
        let image = sys::program_image();
        let trace = format!("{:#}", Backtrace::force_capture());
        assert!(addresses(&trace).iter().any(|address| *address > image.base), "{trace}");
    }
}

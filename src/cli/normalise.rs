//! What people type, made into what argh reads.
//!
//! argh takes `--name value`, one flag an argument, each once, after a subcommand. People type
//! `logcaster -Pi -p99 --size=8 -s 16`. Here the subcommand is filled in, clusters and `=` are
//! split, of a repeated flag only the last stays, and positional arguments go behind a `--`:
//!
//! ```text
//! -Pi -p99 --size=8 -s 16   =>   serve --persist --irc --log-port 99 --size 16 --
//! ```

use crate::cli::args::TopLevel;
use crate::config::nearest;
use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use core::fmt;

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Run a subcommand: its name, then its arguments as argh reads them.
    Run(Vec<String>),
    /// Show help.
    Help {
        /// For this subcommand; `None` = for the whole.
        command: Option<&'static str>,
        /// With everything there is to say.
        is_long: bool,
    },
    /// Show the version.
    Version,
}

/// Why a command line was not understood. One line; exit code 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UsageError {
    /// No subcommand has this name.
    UnknownCommand(String),
    /// The subcommand has no such flag.
    UnknownFlag {
        /// The subcommand.
        command: &'static str,
        /// The flag, with its dashes.
        flag: String,
    },
    /// The flag stands last and needs a value.
    MissingValue {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What the value is called.
        value: &'static str,
    },
    /// A switch was given a value.
    NoValue {
        /// The flag, with its dashes.
        flag: &'static str,
    },
    /// A value that its flag or argument does not allow.
    Value {
        /// The flag with its dashes, or the argument's name.
        name: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// Too few or too many arguments, in argh's words.
    Arguments {
        /// The subcommand.
        command: String,
        /// What is wrong.
        reason: String,
    },
    /// The argument with this number, from 1, is not UTF-8.
    NotUtf8(usize),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::UnknownCommand(word) => {
                write!(f, "unknown command {word:?}")?;
                let commands = commands();
                match nearest(word, commands.iter().map(|command| command.name).chain(["help"])) {
                    Some(name) => write!(f, " (did you mean {name}?)"),
                    None => f.write_str(" (logcaster --help lists them)"),
                }
            }
            UsageError::UnknownFlag { command, flag } => {
                write!(f, "{command}: unknown flag {flag}")?;
                let known = find(command).map_or(&[][..], |command| command.flags);
                let near = nearest(flag, known.iter().map(|flag| flag.long));
                match near.filter(|_| flag.starts_with("--")) {
                    Some(name) => write!(f, " (did you mean {name}?)"),
                    None => write!(f, " (logcaster {command} --help lists them)"),
                }
            }
            UsageError::MissingValue { flag, value } => {
                write!(f, "{flag}: expected a value ({value})")
            }
            UsageError::NoValue { flag } => write!(f, "{flag}: takes no value"),
            UsageError::Value { name, value, expected } => {
                write!(f, "{name} {value:?}: expected {expected}")
            }
            UsageError::Arguments { command, reason } => write!(f, "{command}: {reason}"),
            UsageError::NotUtf8(number) => write!(f, "argument {number} is not UTF-8"),
        }
    }
}

impl core::error::Error for UsageError {}

/// Every subcommand, as argh knows it.
pub fn commands() -> Vec<CommandInfoWithArgs> {
    TopLevel::get_args_info().commands.into_iter().map(|command| command.command).collect()
}

/// The subcommand `name`.
pub fn find(name: &str) -> Option<CommandInfoWithArgs> {
    commands().into_iter().find(|command| command.name == name)
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// [`UsageError`] for the first argument that cannot be understood.
pub fn normalise(args: &[String]) -> Result<Invocation, UsageError> {
    let (word, rest) = match args.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (Some(first.as_str()), rest),
        _ => (None, args),
    };
    if word == Some("help") {
        return help_command(rest);
    }
    let name = word.unwrap_or("serve");
    let command = find(name).ok_or_else(|| UsageError::UnknownCommand(name.to_owned()))?;
    let mut given = Given { command, flags: Vec::new(), positionals: Vec::new() };
    match given.read(rest)? {
        Some(Special::Version) => Ok(Invocation::Version),
        Some(Special::Help { is_long }) => {
            Ok(Invocation::Help { command: word.map(|_| given.command.name), is_long })
        }
        None => Ok(Invocation::Run(given.into_args())),
    }
}

/// `logcaster help [COMMAND]`.
fn help_command(rest: &[String]) -> Result<Invocation, UsageError> {
    let command = match rest.iter().find(|word| !word.starts_with('-')) {
        Some(word) => {
            let found = find(word).ok_or_else(|| UsageError::UnknownCommand(word.clone()))?;
            Some(found.name)
        }
        None => None,
    };
    Ok(Invocation::Help { command, is_long: true })
}

/// Flags that every subcommand has, and that end the reading.
enum Special {
    Help { is_long: bool },
    Version,
}

/// What has been read so far.
struct Given {
    command: CommandInfoWithArgs,
    /// Long names with their dashes, and the values of those that take one.
    flags: Vec<(&'static str, Option<String>)>,
    positionals: Vec<String>,
}

impl Given {
    /// Reads every argument after the subcommand.
    fn read(&mut self, args: &[String]) -> Result<Option<Special>, UsageError> {
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let special = if arg == "--" {
                self.positionals.extend(rest.cloned());
                return Ok(None);
            } else if let Some(long) = arg.strip_prefix("--") {
                self.read_long(long, &mut rest)?
            } else if arg.len() > 1 && arg.starts_with('-') {
                self.read_cluster(arg, &mut rest)?
            } else {
                self.positionals.push(arg.clone());
                None
            };
            if special.is_some() {
                return Ok(special);
            }
        }
        Ok(None)
    }

    /// Reads `--name`, `--name value` or `--name=value`.
    fn read_long<'a>(
        &mut self,
        long: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<Option<Special>, UsageError> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        match name {
            "help" => return Ok(Some(Special::Help { is_long: true })),
            "version" => return Ok(Some(Special::Version)),
            _ => {}
        }
        let flags: &'static [FlagInfo<'static>] = self.command.flags;
        let flag = flags.iter().find(|flag| flag.long.strip_prefix("--") == Some(name));
        let Some(flag) = flag else {
            return Err(self.unknown(&format!("--{name}")));
        };
        if is_switch(flag) && value.is_some() {
            return Err(UsageError::NoValue { flag: flag.long });
        }
        self.push(flag, value, rest)?;
        Ok(None)
    }

    /// Reads `-P`, `-Pi`, `-p99`, `-p 99`, `-p=99`, and `-20` where the subcommand counts lines.
    fn read_cluster<'a>(
        &mut self,
        arg: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<Option<Special>, UsageError> {
        let flags: &'static [FlagInfo<'static>] = self.command.flags;
        let letters = &arg[1..];
        if letters.bytes().all(|byte| byte.is_ascii_digit()) {
            let lines = flags.iter().find(|flag| flag.long == "--lines");
            let lines = lines.ok_or_else(|| self.unknown(arg))?;
            self.push(lines, Some(letters.to_owned()), rest)?;
            return Ok(None);
        }
        for (index, letter) in letters.char_indices() {
            let flag = flags.iter().find(|flag| flag.short == Some(letter));
            match (letter, flag) {
                ('h', None) => return Ok(Some(Special::Help { is_long: false })),
                ('V', None) => return Ok(Some(Special::Version)),
                (_, None) => return Err(self.unknown(&format!("-{letter}"))),
                (_, Some(flag)) if is_switch(flag) => self.push(flag, None, rest)?,
                (_, Some(flag)) => {
                    let value = &letters[index + letter.len_utf8()..];
                    let value = value.strip_prefix('=').unwrap_or(value);
                    let value = Some(value).filter(|value| !value.is_empty());
                    self.push(flag, value.map(str::to_owned), rest)?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Notes a flag; a value that does not stand with it is the next argument, whatever it is.
    fn push<'a>(
        &mut self,
        flag: &'static FlagInfo<'static>,
        value: Option<String>,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), UsageError> {
        let value = match (flag.kind.value_name(), value) {
            (None, _) => None,
            (Some(_), Some(value)) => Some(value),
            (Some(name), None) => {
                let next = rest.next().cloned();
                let missing = UsageError::MissingValue { flag: flag.long, value: name };
                Some(next.ok_or(missing)?)
            }
        };
        if flag.optionality != Optionality::Repeating {
            self.flags.retain(|(long, _)| *long != flag.long);
        }
        self.flags.push((flag.long, value));
        Ok(())
    }

    /// The error for a flag that the subcommand does not have.
    fn unknown(&self, flag: &str) -> UsageError {
        UsageError::UnknownFlag { command: self.command.name, flag: flag.to_owned() }
    }

    /// The arguments for argh, the subcommand first.
    fn into_args(self) -> Vec<String> {
        let mut args = vec![self.command.name.to_owned()];
        for (long, value) in self.flags {
            args.push(long.to_owned());
            args.extend(value);
        }
        args.push("--".to_owned());
        args.extend(self.positionals);
        args
    }
}

/// What a flag's value is called; `None` for a switch.
pub trait ValueName {
    /// The name in help, as `PORT`.
    fn value_name(&self) -> Option<&'static str>;
}

impl ValueName for FlagInfoKind<'static> {
    fn value_name(&self) -> Option<&'static str> {
        match self {
            FlagInfoKind::Switch => None,
            FlagInfoKind::Option { arg_name } => Some(arg_name),
        }
    }
}

fn is_switch(flag: &FlagInfo<'static>) -> bool {
    flag.kind.value_name().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_people_type_becomes_what_argh_reads() {
        let cases = [
            ("", "serve --"),
            ("-p 99", "serve --log-port 99 --"),
            ("-p99", "serve --log-port 99 --"),
            ("-p=99", "serve --log-port 99 --"),
            ("--log-port=99", "serve --log-port 99 --"),
            ("-Pi", "serve --persist --irc --"),
            ("-Pip99", "serve --persist --irc --log-port 99 --"),
            ("-PI 7000 -t", "serve --persist --irc-port 7000 --test --"),
            (
                "-p 1 -q 2 -P -d /x -s 8",
                "serve --log-port 1 --query-port 2 --persist --dir /x --size 8 --",
            ),
            ("-s 8 --size=16 --size 32", "serve --size 32 --"),
            ("-P -P --persist", "serve --persist --"),
            ("--allow a --allow=b", "serve --allow a --allow b --"),
            ("serve -p 1", "serve --log-port 1 --"),
            ("config -s8", "config --size 8 --"),
            ("query --addr h:1 SEARCH x", "query --addr h:1 -- SEARCH x"),
            ("query SEARCH help --addr=h:1", "query --addr h:1 -- SEARCH help"),
            ("query -- -x --addr", "query -- -x --addr"),
            ("tail -fn5 level=error", "tail --follow --lines 5 -- level=error"),
            ("tail -20", "tail --lines 20 --"),
            ("tail -f -n 5 -n 6", "tail --follow --lines 6 --"),
            ("send - --retry", "send --retry -- -"),
            ("export d --since -5m", "export --since -5m -- d"),
            ("export d --since=-5m", "export --since -5m -- d"),
        ];
        for (typed, expected) in cases {
            let found = normalise(&split(typed));
            assert_eq!(found, Ok(Invocation::Run(split(expected))), "{typed}");
        }
    }

    #[test]
    fn help_and_version_are_found_anywhere() {
        let help = |command, is_long| Ok(Invocation::Help { command, is_long });
        let cases = [
            ("-h", help(None, false)),
            ("--help", help(None, true)),
            ("help", help(None, true)),
            ("-Ph", help(None, false)),
            ("-p 1 --help", help(None, true)),
            ("help query", help(Some("query"), true)),
            ("query --help", help(Some("query"), true)),
            ("serve -h", help(Some("serve"), false)),
            ("--version", Ok(Invocation::Version)),
            ("-V", Ok(Invocation::Version)),
            ("serve --version", Ok(Invocation::Version)),
        ];
        for (typed, expected) in cases {
            assert_eq!(normalise(&split(typed)), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        let cases = [
            ("qurey x", "unknown command \"qurey\" (did you mean query?)"),
            ("hlep", "unknown command \"hlep\" (did you mean help?)"),
            ("banana", "unknown command \"banana\" (logcaster --help lists them)"),
            ("help banana", "unknown command \"banana\" (logcaster --help lists them)"),
            ("--log-prot 1", "serve: unknown flag --log-prot (did you mean --log-port?)"),
            ("--nothing=1", "serve: unknown flag --nothing (logcaster serve --help lists them)"),
            ("-x", "serve: unknown flag -x (logcaster serve --help lists them)"),
            ("-5", "serve: unknown flag -5 (logcaster serve --help lists them)"),
            ("-é", "serve: unknown flag -é (logcaster serve --help lists them)"),
            ("-p", "--log-port: expected a value (PORT)"),
            ("--size", "--size: expected a value (MB)"),
            ("--persist=yes", "--persist: takes no value"),
            ("tail --frog", "tail: unknown flag --frog (logcaster tail --help lists them)"),
        ];
        for (typed, expected) in cases {
            let error = normalise(&split(typed)).expect_err(typed);
            assert_eq!(error.to_string(), expected, "{typed}");
        }
    }
}

//! `logcaster config`: the effective settings, as a config file that says where each comes from.

use crate::cli::args::ServeArgs;
use crate::config::{self, Settings, TABLE};
use std::process::ExitCode;

/// Column at which the sources begin where the settings are shorter.
const SOURCE_COLUMN: usize = 36;

/// Shows what `serve` would run with, given the same flags, environment and config file.
pub fn run(args: ServeArgs) -> ExitCode {
    match config::load(args.flags()) {
        Ok((settings, warnings)) => {
            for warning in warnings {
                super::complain(&warning);
            }
            super::show(&render(&settings))
        }
        Err(error) => super::refuse(&error),
    }
}

/// One line a setting, `name = value  # source`: TOML that `--config` reads back to the same
/// settings. The config file's own name cannot stand in one, so it is only a comment.
fn render(settings: &Settings) -> String {
    let mut out = String::new();
    for row in TABLE {
        let shown = (row.show)(settings);
        let is_bare = shown == "true" || shown == "false" || shown.parse::<u32>().is_ok();
        let value = if is_bare { shown } else { quoted(&shown) };
        let comment = if row.name == "config" { "# " } else { "" };
        let line = format!("{comment}{} = {value}", row.name);
        out.push_str(&format!("{line:SOURCE_COLUMN$} # {}\n", settings.source(row.name)));
    }
    out
}

/// `text` as a TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_a_config_file_with_the_same_meaning() {
        let cases: [&[(&str, &str)]; 5] = [
            &[],
            &[("persist", "true"), ("dir", "/a \"b\"\\\u{7f}c"), ("size", "3"), ("irc", "true")],
            &[("max-age", "30d"), ("allow", "query=10.0.0.0/8"), ("cpu", "0"), ("spin", "true")],
            &[
                ("syslog", "5514,framing=lf"),
                ("unix", "stream:/run/x"),
                ("kmsg", "true"),
                ("syslog-timezone", "+01:00"),
                ("query-socket", "unix:/run/q"),
            ],
            &[("sync", "always"), ("dirty-max", "1M"), ("bind", "all"), ("test", "true")],
        ];
        for flags in cases {
            let settings = Settings::from_flags(flags).unwrap();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), render(&settings)).unwrap();
            let path = file.path().to_str().unwrap();
            let again = Settings::from_flags(&[("config", path)]).unwrap();
            for row in TABLE.iter().filter(|row| row.name != "config") {
                assert_eq!((row.show)(&again), (row.show)(&settings), "{}", row.name);
            }
        }
    }

    #[test]
    fn each_line_names_its_source() {
        let settings = Settings::from_flags(&[("size", "8")]).unwrap();
        let text = render(&settings);
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for expected in ["size = \"8M\" # flag --size", "log-port = 9999 # default"] {
            assert!(lines.iter().any(|line| line == expected), "{expected} in {text}");
        }
        assert_eq!(text.lines().count(), TABLE.len());
    }
}

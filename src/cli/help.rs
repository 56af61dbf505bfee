//! Help: `-h` is a page of one-liners, `--help` adds what there is to explain.
//!
//! The server's flags come from the table of [`crate::config`], the other subcommands' from argh's
//! own description of their structs; nothing is written down twice.

use crate::cli::normalise::{self, ValueName};
use crate::config::TABLE;

/// Columns that help may fill.
pub const COLUMNS: usize = 79;

/// Column at which the explanations of flags begin.
const FLAG_COLUMN: usize = 31;

/// What there is to say about a subcommand beyond its flags.
pub struct Page {
    /// The subcommand.
    pub name: &'static str,
    /// What follows its name, on lines of usage.
    pub usage: &'static [&'static str],
    /// Paragraphs for `--help` and the manual.
    pub essay: &'static [&'static str],
    /// Command lines and what they do.
    pub examples: &'static [(&'static str, &'static str)],
}

/// Every subcommand's page, in the order of the subcommands.
pub static PAGES: &[Page] = &[
    Page {
        name: "serve",
        usage: &["[FLAGS]"],
        essay: &[
            "Collects lines on the log port, keeps the newest of them in a ring of fixed size, and \
             answers questions about them on the query port.",
            "Every flag can also stand in the environment, as LOGCASTER_LOG_PORT for --log-port, \
             and in the config file, as log-port = 9999. A flag wins over the environment, the \
             environment over the file. LOG_LEVEL, MAX_CLIENTS, MAX_BUFFER_SIZE (the number of \
             records) and PERSISTENCE_PATH are read as well.",
            "Sizes are 1024-based and end in K, M, G or T; times end in ms, s, m, h or d.",
        ],
        examples: &[
            ("logcaster", "keep the newest 64 MiB in memory"),
            ("logcaster -P -d /var/lib/logcaster -s 1024", "keep 1 GiB on disk"),
            ("logcaster --bind all --allow 10.0.0.0/8", "be open to one network"),
        ],
    },
    Page {
        name: "query",
        usage: &["[--addr ADDR | --dir DIR] QUESTION"],
        essay: &[
            "Asks one question and prints the answer as it arrives. The questions are those of the \
             text protocol: COUNT, STATS, LABELS, VALUES host, RECENT 50, SEARCH text, REGEX \
             pattern, FILTER from to, QUERY with parameters; HELP lists them with examples.",
            "With --dir the segment is read straight from its file, whether or not a server writes \
             to it. That takes as much memory as the segment has bytes; export reads block by \
             block.",
            "Exits like grep: 0 where something was found, 1 where nothing was, 2 on an error. \
             With format=json, logfmt, csv and raw only the lines are printed, for pipes; what was \
             lost or is damaged is told on standard error. On a terminal control characters are \
             shown as \\xNN, unless format=raw asks for them.",
        ],
        examples: &[
            ("logcaster query 'SEARCH timeout'", "look for a word"),
            (
                "logcaster query 'QUERY level=error since=-5m format=json' | jq .msg",
                "hand the last five minutes' errors on",
            ),
            ("logcaster query --dir ./logs 'RECENT 20'", "read without a server"),
        ],
    },
    Page {
        name: "tail",
        usage: &["[-f] [-n N] [FILTER]"],
        essay: &[
            "Shows the newest lines that match FILTER; with -f it stays and shows what comes in, \
             until it is interrupted; a server that goes is an error. A bare word is looked for \
             (keyword=word); parameters are those of QUERY, as level=error or regex=time.*out.",
            "Exits like grep: 0 where something was shown, 1 where nothing was, 2 on an error.",
        ],
        examples: &[
            ("logcaster tail -f", "watch everything"),
            ("logcaster tail -f -n 100 level=error", "watch errors, the last 100 first"),
        ],
    },
    Page {
        name: "send",
        usage: &["[--retry] [FILE]"],
        essay: &[
            "Sends the lines of FILE, or of standard input, and waits until the server has taken \
             them in. With a terminal on standard error a progress bar is shown.",
            "With --retry the lines go in batches of at most 1 MiB, each on a connection of its \
             own that the server closes once it has taken in the whole batch. A batch that was not \
             closed so is sent again, until it arrives: every line arrives at least once, lines of \
             a batch that broke off may arrive twice.",
            "Exits with 0 when all was taken in, 1 when not, 2 on a bad command line.",
        ],
        examples: &[
            ("logcaster send app.log", "send a file"),
            ("myprogram | logcaster send --retry", "send what a program prints, come what may"),
        ],
    },
    Page {
        name: "stats",
        usage: &["[--json] [--watch] [--addr ADDR]"],
        essay: &[
            "Shows how many lines came, were kept and were dropped, how full the ring is, how long \
             syncs and answers take, and what of the server is not well.",
            "With --json every metric is printed as one object, by the names of the page of \
             metrics: a number, or an object by the values of its labels. It is what SIGUSR1 \
             writes to DIR/metrics.json. With --watch it comes again every second until it is \
             interrupted; with both, an object a line.",
            "Exits with 0, or with 2 on an error.",
        ],
        examples: &[
            ("logcaster stats --watch", "see how it goes"),
            ("logcaster stats --json | jq .logcaster_dropped_total", "what was dropped, and why"),
        ],
    },
    Page {
        name: "ping",
        usage: &["[--ready] [--addr ADDR]"],
        essay: &[
            "Exits with 0 where the server answers within a second, else with 1 and the reason. A \
             server answers from its first moment; --ready asks whether the segment is open, so \
             that it takes in lines and answers questions.",
        ],
        examples: &[("logcaster ping --ready", "as a container's health check")],
    },
    Page {
        name: "verify",
        usage: &["DIR"],
        essay: &[
            "Walks every block and every record of the segment in DIR and checks each checksum, \
             without a server or beside one. Prints how many records there are, the bytes that had \
             to be skipped, and why.",
            "Exits with 0 where all is whole, 1 on damage, 2 where the segment cannot be read.",
        ],
        examples: &[("logcaster verify /var/lib/logcaster", "before a backup")],
    },
    Page {
        name: "export",
        usage: &["DIR [--since TIME] [--until TIME] [--format FORMAT]"],
        essay: &[
            "Writes the records of the segment in DIR to standard output, oldest first, without a \
             server or beside one. Times are those of questions: -2h, 2026-11-20, 2026-11-20 \
             10:00:00, RFC 3339, Unix seconds.",
            "Exits like grep: 0 where something was written, 1 where nothing was, 2 on an error.",
        ],
        examples: &[(
            "logcaster export ./logs --since -1d --format json | gzip > day.gz",
            "keep a day elsewhere",
        )],
    },
    Page {
        name: "backup",
        usage: &["DIR OUT"],
        essay: &[
            "Copies the segment in DIR to the directory OUT, whether or not a server writes it, \
             which is not held up. The copy is a segment by itself: verify checks it, query --dir \
             and export read it, serve -P -d OUT opens it. It takes as much room as blocks are in \
             use; the file has its name when all of it is on the disk.",
            "Prints how many records there are, their numbers and times: every record up to the \
             last number is there as it was. What the ring overwrote while it was copied is \
             counted; a damaged record is copied as it is.",
            "Exits with 0; with 1 where the segment is damaged, or was overwritten faster than it \
             could be read; with 2 where nothing was copied.",
        ],
        examples: &[
            ("logcaster backup /var/lib/logcaster /backup/today", "beside a running server"),
            ("logcaster verify /backup/today", "see that it is whole"),
        ],
    },
    Page {
        name: "restore",
        usage: &["[--force] OUT DIR"],
        essay: &[
            "Checks the backup in OUT and copies it into DIR, where a server then finds it. A \
             directory with something in it is refused, and so is a segment that a server holds, \
             with --force too. Numbers that were given out after the backup was made are not \
             given again.",
            "Exits with 0, with 1 where the backup is damaged, 2 where nothing could be restored.",
        ],
        examples: &[("logcaster restore /backup/today /var/lib/logcaster", "before the start")],
    },
    Page {
        name: "plan",
        usage: &["[--rate LINES/S] [--size SIZE | --hours H] [FLAGS]"],
        essay: &[
            "Shows how long a ring keeps what comes in, from the format's own arithmetic: a line \
             takes its bytes, one for its end and 32 of its slot; a block of 256 KiB has 9.5 KiB \
             before its text, and 40 bytes for each sender. A full ring keeps at least this; the \
             block that is being recycled comes on top.",
            "With --hours it is turned around: the size for these hours, as --size of serve \
             takes it.",
        ],
        examples: &[
            ("logcaster plan", "a table of rates and sizes"),
            ("logcaster plan --rate 2500 --line-bytes 200 --hours 72", "how large for three days"),
        ],
    },
    Page { name: "bench", usage: &["[FLAGS] [CASE]"], essay: &[], examples: &[] },
    Page {
        name: "config",
        usage: &["[FLAGS OF SERVE]"],
        essay: &[
            "Prints what serve would run with, given the same flags, environment and config file. \
             The output is itself a config file.",
        ],
        examples: &[("logcaster config -P > logcaster.toml", "begin a config file")],
    },
    Page {
        name: "completion",
        usage: &["bash|zsh|fish"],
        essay: &["Writes a script that completes commands, flags and values."],
        examples: &[
            ("source <(logcaster completion bash)", "in this shell"),
            (
                "logcaster completion fish > ~/.config/fish/completions/logcaster.fish",
                "for good, in fish",
            ),
        ],
    },
    Page {
        name: "man",
        usage: &[""],
        essay: &[],
        examples: &[("logcaster man | man -l -", "read it")],
    },
];

/// One flag, as help and completion show it.
pub struct FlagLine {
    /// The one letter.
    pub short: Option<char>,
    /// The name without dashes.
    pub long: &'static str,
    /// What its value is called; `None` for a switch.
    pub value: Option<&'static str>,
    /// One sentence, with the default.
    pub help: String,
    /// What there is beyond.
    pub essay: &'static str,
    /// All values, where they are few.
    pub choices: &'static [&'static str],
    /// The environment variables, where there are any.
    pub env: Vec<&'static str>,
}

/// The flags of a subcommand, in the order of help.
pub fn flags(command: &str) -> Vec<FlagLine> {
    match command {
        "serve" | "config" => server_flags(),
        _ => client_flags(command),
    }
}

fn server_flags() -> Vec<FlagLine> {
    let lines = TABLE.iter().map(|row| {
        let default = match row.value {
            Some(_) if !row.default.is_empty() => format!(" (default: {})", row.default),
            _ => String::new(),
        };
        FlagLine {
            short: row.short,
            long: row.name,
            value: row.value,
            help: format!("{}{default}.", row.help),
            essay: row.essay,
            choices: row.choices,
            env: [Some(row.env), row.env_also].into_iter().flatten().collect(),
        }
    });
    lines.collect()
}

fn client_flags(command: &str) -> Vec<FlagLine> {
    let flags = normalise::find(command).map_or(&[][..], |command| command.flags);
    let flags = flags.iter().filter(|flag| flag.long != "--help");
    let lines = flags.map(|flag| FlagLine {
        short: flag.short,
        long: flag.long.trim_start_matches('-'),
        value: flag.kind.value_name(),
        help: format!("{}.", capital(flag.description)),
        essay: "",
        choices: match flag.long {
            "--format" if command == "plan" => &["text", "json"],
            "--format" => &["text", "json", "logfmt", "csv", "raw"],
            _ => &[],
        },
        env: match (flag.long, command) {
            ("--addr", "send") => vec!["LOGCASTER_LOG_ADDR", "LOGCASTER_ADDR"],
            ("--addr", "query" | "tail" | "stats" | "ping") => vec!["LOGCASTER_ADDR"],
            _ => Vec::new(),
        },
    });
    lines.collect()
}

/// The page of a subcommand.
pub fn page(command: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == command)
}

/// `text` with its first letter a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Help for `command`, or for the whole program.
pub fn render(command: Option<&'static str>, is_long: bool) -> String {
    match command {
        Some(command) => render_command(command, is_long),
        None => render_top(is_long),
    }
}

fn render_top(is_long: bool) -> String {
    let mut out = String::from(
        "logcaster - collects log lines, keeps the newest, answers about them at once\n\n\
         Usage: logcaster [FLAGS OF SERVE]\n       logcaster COMMAND [ARGUMENTS]\n\nCommands:\n",
    );
    for command in normalise::commands() {
        let name = format!("  {}", command.name);
        push_wrapped(&mut out, &name, 14, &format!("{}.", command.description));
    }
    out.push_str("\nFlags of serve:\n");
    push_flags(&mut out, "serve", is_long);
    out.push_str(
        "\nlogcaster COMMAND --help says more. Try it: logcaster &  then\n\
         echo hello | logcaster send; logcaster query 'RECENT 1'\n",
    );
    out
}

fn render_command(command: &'static str, is_long: bool) -> String {
    let mut out = String::new();
    let about = normalise::find(command).map_or("", |command| command.description);
    push_wrapped(&mut out, "", 0, &format!("{}.", capital(about)));
    out.push('\n');
    let page = page(command);
    for (index, usage) in page.map_or(&[][..], |page| page.usage).iter().enumerate() {
        let lead = if index == 0 { "Usage: " } else { "       " };
        out.push_str(format!("{lead}logcaster {command} {usage}").trim_end());
        out.push('\n');
    }
    if let Some(page) = page.filter(|_| is_long) {
        for paragraph in page.essay {
            out.push('\n');
            push_wrapped(&mut out, "", 0, paragraph);
        }
    }
    let arguments = arguments(command);
    if !arguments.is_empty() {
        out.push_str("\nArguments:\n");
        for (name, about) in arguments {
            push_wrapped(&mut out, &format!("  {name}"), FLAG_COLUMN, &about);
        }
    }
    out.push_str("\nFlags:\n");
    push_flags(&mut out, command, is_long);
    if let Some(page) = page.filter(|page| is_long && !page.examples.is_empty()) {
        out.push_str("\nExamples:\n");
        for (line, about) in page.examples {
            out.push_str(&format!("  {line}\n      {about}\n"));
        }
    }
    out
}

/// The positional arguments of a subcommand and what they are.
pub fn arguments(command: &str) -> Vec<(&'static str, String)> {
    let found = normalise::find(command).map_or(&[][..], |command| command.positionals);
    found.iter().map(|one| (one.name, format!("{}.", capital(one.description)))).collect()
}

fn push_flags(out: &mut String, command: &str, is_long: bool) {
    let mut page = String::new();
    for flag in flags(command) {
        // A no-break space holds a default together until the lines are broken.
        let help = flag.help.replace("(default: ", "(default:\u{a0}");
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
        push_wrapped(&mut page, &format!("  {short}--{}{value}", flag.long), FLAG_COLUMN, &help);
        if is_long {
            if !flag.essay.is_empty() {
                push_wrapped(&mut page, "", 10, flag.essay);
            }
            if !flag.env.is_empty() {
                push_wrapped(&mut page, "", 10, &format!("[{}]", flag.env.join(", ")));
            }
        }
    }
    let help = if is_long { "Show this help." } else { "Show help; --help says more." };
    push_wrapped(&mut page, "  -h, --help", FLAG_COLUMN, help);
    if command == "serve" {
        push_wrapped(&mut page, "  -V, --version", FLAG_COLUMN, "Show the version.");
    }
    out.push_str(&page.replace('\u{a0}', " "));
}

/// Appends `text`, wrapped, from `column` on, behind `lead` on the first line. A lead too long for
/// its column has a line of its own.
pub fn push_wrapped(out: &mut String, lead: &str, column: usize, text: &str) {
    let mut line = lead.to_owned();
    if !lead.is_empty() && lead.len() + 2 > column {
        out.push_str(lead);
        out.push('\n');
        line.clear();
    }
    let mut is_fresh = true;
    for word in text.split_ascii_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            line.clear();
            is_fresh = true;
        }
        if is_fresh {
            line = format!("{line:column$}");
            is_fresh = false;
        } else {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every help there is.
    fn all() -> Vec<(String, String)> {
        let mut all = Vec::new();
        for is_long in [false, true] {
            all.push((format!("top {is_long}"), render(None, is_long)));
            for page in PAGES {
                all.push((format!("{} {is_long}", page.name), render(Some(page.name), is_long)));
            }
        }
        all
    }

    #[test]
    fn help_fits_79_columns() {
        for (name, text) in all() {
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "{name}: {line:?}");
                assert_eq!(line.trim_end(), line, "{name}: {line:?}");
            }
        }
    }

    #[test]
    fn every_subcommand_has_its_page() {
        let commands: Vec<&str> =
            normalise::commands().iter().map(|command| command.name).collect();
        let pages: Vec<&str> = PAGES.iter().map(|page| page.name).collect();
        assert_eq!(commands, pages);
    }

    #[test]
    fn help_shows_value_names_and_defaults() {
        let text = render(Some("serve"), false);
        let expected = [
            "  -p, --log-port PORT          Accept log lines on PORT (default: 9999).",
            "  -P, --persist                Keep the ring in a file that survives restarts.",
            "      --max-line SIZE          Cut longer lines to SIZE, as 64K (default: 64K).",
        ];
        for line in expected {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        for row in TABLE {
            assert!(text.contains(&format!("--{}", row.name)), "{}", row.name);
        }
    }

    #[test]
    fn help_names_the_variables_of_the_address() {
        for (command, expected) in [
            ("query", "[LOGCASTER_ADDR]"),
            ("tail", "[LOGCASTER_ADDR]"),
            ("stats", "[LOGCASTER_ADDR]"),
            ("ping", "[LOGCASTER_ADDR]"),
            ("send", "[LOGCASTER_LOG_ADDR, LOGCASTER_ADDR]"),
        ] {
            assert!(render(Some(command), true).contains(expected), "{command}");
        }
    }

    #[test]
    fn help_is_in_one_style() {
        for (name, text) in all() {
            for line in text.lines() {
                let flag = line.strip_prefix("      --").and_then(|flag| flag.split_once("  "));
                if let Some((lead, about)) = flag {
                    let value = lead.split_once(' ').map_or("", |(_, value)| value);
                    assert_eq!(value, value.to_uppercase(), "{name}: {line}");
                    let first = about.trim_start().chars().next();
                    assert!(first.is_some_and(char::is_uppercase), "{name}: {line}");
                }
            }
        }
    }

    #[test]
    fn essays_are_for_long_help_only() {
        let essay = "dual-stack";
        let found = |is_long| render(Some("serve"), is_long).contains("1024-based");
        assert_eq!((found(false), found(true)), (false, true), "{essay}");
        assert!(render(Some("query"), true).contains("Examples:"));
    }

    #[test]
    fn wrapping_keeps_the_column() {
        let mut out = String::new();
        push_wrapped(&mut out, "  -x", 6, &"word ".repeat(20));
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  -x  word") && lines[1].starts_with("      word"));
        let mut out = String::new();
        push_wrapped(&mut out, "  --very-long", 6, "text");
        assert_eq!(out, "  --very-long\n      text\n");
    }
}

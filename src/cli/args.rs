//! What argh reads: one struct a subcommand. Values stay text here; the table in
//! [`crate::config`] and the subcommands check them, so that every refusal has one shape.

use crate::cli::bench::BenchArgs;
use crate::config::Flags;
use argh::{ArgsInfo, FromArgs};

/// Collect log lines, keep the newest, answer about them at once
#[derive(FromArgs, ArgsInfo, Debug)]
pub struct TopLevel {
    /// what to do
    #[argh(subcommand)]
    pub command: Command,
}

/// The subcommands, in the order in which help shows them.
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
pub enum Command {
    /// The server.
    Serve(ServeArgs),
    /// One question.
    Query(QueryArgs),
    /// The newest lines, and what follows.
    Tail(TailArgs),
    /// Lines to a server.
    Send(SendArgs),
    /// The server's numbers.
    Stats(StatsArgs),
    /// Is it alive?
    Ping(PingArgs),
    /// Is the segment whole?
    Verify(VerifyArgs),
    /// The segment's records.
    Export(ExportArgs),
    /// A copy of a segment.
    Backup(BackupArgs),
    /// The way back.
    Restore(RestoreArgs),
    /// How long a ring lasts.
    Plan(PlanArgs),
    /// Load and latencies.
    Bench(BenchArgs),
    /// Effective settings.
    Config(ConfigArgs),
    /// Completion scripts.
    Completion(CompletionArgs),
    /// The manual page.
    Man(ManArgs),
}

/// Run the server; this is what happens without a command
#[derive(FromArgs, ArgsInfo, Debug, Default)]
#[argh(subcommand, name = "serve")]
pub struct ServeArgs {
    /// see the table
    #[argh(option, short = 'p', arg_name = "PORT")]
    log_port: Option<String>,
    /// see the table
    #[argh(option, arg_name = "FRAMING")]
    framing: Option<String>,
    /// see the table
    #[argh(option, arg_name = "ADDR")]
    syslog: Vec<String>,
    /// see the table
    #[argh(option, arg_name = "ZONE")]
    syslog_timezone: Option<String>,
    /// see the table
    #[argh(option, arg_name = "PATH")]
    unix: Vec<String>,
    /// see the table
    #[argh(switch)]
    kmsg: bool,
    /// see the table
    #[argh(option, short = 'q', arg_name = "PORT")]
    query_port: Option<String>,
    /// see the table
    #[argh(option, arg_name = "PATH")]
    query_socket: Option<String>,
    /// see the table
    #[argh(option, arg_name = "PORT")]
    http_port: Option<String>,
    /// see the table
    #[argh(option, arg_name = "PATH")]
    http_prefix: Option<String>,
    /// see the table
    #[argh(option, arg_name = "ORIGIN")]
    cors: Vec<String>,
    /// see the table
    #[argh(switch, short = 'i')]
    irc: bool,
    /// see the table
    #[argh(option, short = 'I', arg_name = "PORT")]
    irc_port: Option<String>,
    /// see the table
    #[argh(option, arg_name = "NAME")]
    irc_name: Option<String>,
    /// see the table
    #[argh(option, arg_name = "CHANNELS")]
    irc_auto_join: Option<String>,
    /// see the table
    #[argh(option, arg_name = "FILE")]
    irc_motd: Option<String>,
    /// see the table
    #[argh(option, arg_name = "WORD")]
    irc_password: Option<String>,
    /// see the table
    #[argh(option, arg_name = "N")]
    irc_max_clients: Option<String>,
    /// see the table
    #[argh(option, arg_name = "N")]
    irc_per_address: Option<String>,
    /// see the table
    #[argh(option, arg_name = "ADDRS")]
    bind: Option<String>,
    /// see the table
    #[argh(option, arg_name = "CIDR")]
    allow: Vec<String>,
    /// see the table
    #[argh(option, arg_name = "CIDR")]
    proxy_from: Vec<String>,
    /// see the table
    #[argh(switch, short = 'P')]
    persist: bool,
    /// see the table
    #[argh(option, short = 'd', arg_name = "DIR")]
    dir: Option<String>,
    /// see the table
    #[argh(option, short = 's', arg_name = "MB")]
    size: Option<String>,
    /// see the table
    #[argh(option, arg_name = "N")]
    max_logs: Option<String>,
    /// see the table
    #[argh(option, arg_name = "TIME")]
    max_age: Option<String>,
    /// see the table
    #[argh(option, arg_name = "N")]
    max_clients: Option<String>,
    /// see the table
    #[argh(option, arg_name = "SIZE")]
    max_line: Option<String>,
    /// see the table
    #[argh(option, arg_name = "LINES[:BURST]")]
    rate_limit: Option<String>,
    /// see the table
    #[argh(switch)]
    dedupe: bool,
    /// see the table
    #[argh(option, arg_name = "REGEX")]
    multiline: Option<String>,
    /// see the table
    #[argh(option, arg_name = "WHEN")]
    sync: Option<String>,
    /// see the table
    #[argh(option, arg_name = "SIZE")]
    dirty_max: Option<String>,
    /// see the table
    #[argh(option, arg_name = "SIZE")]
    memory: Option<String>,
    /// see the table
    #[argh(option, arg_name = "TIME")]
    idle_timeout: Option<String>,
    /// see the table
    #[argh(option, arg_name = "TIME")]
    lock_wait: Option<String>,
    /// see the table
    #[argh(option, arg_name = "TIME")]
    shutdown_timeout: Option<String>,
    /// see the table
    #[argh(option, arg_name = "LEVEL")]
    log_level: Option<String>,
    /// see the table
    #[argh(option, arg_name = "FORMAT")]
    log_format: Option<String>,
    /// see the table
    #[argh(switch)]
    spin: bool,
    /// see the table
    #[argh(option, arg_name = "N")]
    cpu: Option<String>,
    /// see the table
    #[argh(switch)]
    mlock: bool,
    /// see the table
    #[argh(switch, short = 't')]
    test: bool,
    /// see the table
    #[argh(option, arg_name = "FILE")]
    config: Option<String>,
}

impl ServeArgs {
    /// The flags that were given, by the names of the table's rows.
    pub fn flags(self) -> Flags {
        let options = [
            ("log-port", self.log_port),
            ("framing", self.framing),
            ("syslog-timezone", self.syslog_timezone),
            ("query-port", self.query_port),
            ("query-socket", self.query_socket),
            ("http-port", self.http_port),
            ("http-prefix", self.http_prefix),
            ("irc-port", self.irc_port),
            ("irc-name", self.irc_name),
            ("irc-auto-join", self.irc_auto_join),
            ("irc-motd", self.irc_motd),
            ("irc-password", self.irc_password),
            ("irc-max-clients", self.irc_max_clients),
            ("irc-per-address", self.irc_per_address),
            ("bind", self.bind),
            ("dir", self.dir),
            ("size", self.size),
            ("max-logs", self.max_logs),
            ("max-age", self.max_age),
            ("max-clients", self.max_clients),
            ("max-line", self.max_line),
            ("rate-limit", self.rate_limit),
            ("multiline", self.multiline),
            ("sync", self.sync),
            ("dirty-max", self.dirty_max),
            ("memory", self.memory),
            ("idle-timeout", self.idle_timeout),
            ("lock-wait", self.lock_wait),
            ("shutdown-timeout", self.shutdown_timeout),
            ("log-level", self.log_level),
            ("log-format", self.log_format),
            ("cpu", self.cpu),
            ("config", self.config),
        ];
        let switches = [
            ("kmsg", self.kmsg),
            ("irc", self.irc),
            ("persist", self.persist),
            ("dedupe", self.dedupe),
            ("spin", self.spin),
            ("mlock", self.mlock),
            ("test", self.test),
        ];
        let options = options.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let switches = switches.into_iter().filter(|(_, is_on)| *is_on);
        let lists = [
            ("allow", self.allow),
            ("cors", self.cors),
            ("proxy-from", self.proxy_from),
            ("syslog", self.syslog),
            ("unix", self.unix),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(name, texts)| texts.into_iter().map(move |text| (name, text)));
        options.chain(switches.map(|(name, _)| (name, "true".to_owned()))).chain(lists).collect()
    }
}

/// Ask a server one question, or read a segment without one
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "query")]
pub struct QueryArgs {
    /// ask the server at HOST:PORT or unix:PATH (default: 127.0.0.1:9998)
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// read the segment in DIR instead, no server needed
    #[argh(option, short = 'd', arg_name = "DIR")]
    pub dir: Option<String>,
    /// the question, as typed to the server
    #[argh(positional, arg_name = "QUESTION")]
    pub question: Vec<String>,
}

/// Show the newest lines, and with -f what follows
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "tail")]
pub struct TailArgs {
    /// ask the server at HOST:PORT or unix:PATH (default: 127.0.0.1:9998)
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// stay and show what comes in
    #[argh(switch, short = 'f')]
    pub follow: bool,
    /// begin with the newest N lines (default: 10)
    #[argh(option, short = 'n', arg_name = "N")]
    pub lines: Option<String>,
    /// words to look for, or parameters as level=error
    #[argh(positional, arg_name = "FILTER")]
    pub filter: Vec<String>,
}

/// Send a file's lines, or standard input's, to a server
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "send")]
pub struct SendArgs {
    /// send to the server at HOST:PORT or unix:PATH (default: 127.0.0.1:9999)
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// reconnect and send again what may not have arrived
    #[argh(switch)]
    pub retry: bool,
    /// the file; standard input without it, or for -
    #[argh(positional, arg_name = "FILE")]
    pub file: Option<String>,
}

/// Show what a server counts, and how it is
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "stats")]
pub struct StatsArgs {
    /// ask the server at HOST:PORT or unix:PATH (default: 127.0.0.1:9998)
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// print every metric as one JSON object
    #[argh(switch)]
    pub json: bool,
    /// show it again every second, with rates
    #[argh(switch)]
    pub watch: bool,
}

/// See whether a server answers; exit code 0 or 1
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "ping")]
pub struct PingArgs {
    /// ask the server at HOST:PORT or unix:PATH (default: 127.0.0.1:9998)
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// ask whether its segment is open, so that it answers questions
    #[argh(switch)]
    pub ready: bool,
}

/// Check every record of a segment; exit code 1 on damage
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "verify")]
pub struct VerifyArgs {
    /// the segment's directory
    #[argh(positional, arg_name = "DIR")]
    pub dir: String,
}

/// Write the records of a segment to standard output
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "export")]
pub struct ExportArgs {
    /// leave out what came before TIME, as -2h or 2026-11-20
    #[argh(option, arg_name = "TIME")]
    pub since: Option<String>,
    /// leave out what came after TIME
    #[argh(option, arg_name = "TIME")]
    pub until: Option<String>,
    /// write text, json, logfmt, csv or raw (default: text)
    #[argh(option, arg_name = "FORMAT")]
    pub format: Option<String>,
    /// the segment's directory
    #[argh(positional, arg_name = "DIR")]
    pub dir: String,
}

/// Copy a segment, with or without its server running
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "backup")]
pub struct BackupArgs {
    /// the segment's directory
    #[argh(positional, arg_name = "DIR")]
    pub dir: String,
    /// the directory that gets the copy; it is made, or is empty
    #[argh(positional, arg_name = "OUT")]
    pub out: String,
}

/// Copy a backup into the directory of a server that does not run
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "restore")]
pub struct RestoreArgs {
    /// replace a segment that is there, and take a damaged backup
    #[argh(switch)]
    pub force: bool,
    /// the directory of the backup
    #[argh(positional, arg_name = "OUT")]
    pub backup: String,
    /// the directory that the server is to have
    #[argh(positional, arg_name = "DIR")]
    pub dir: String,
}

/// Show how many hours of lines a ring keeps, or how large it must be
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "plan")]
pub struct PlanArgs {
    /// lines a second, as 2500 (default: a table of rates)
    #[argh(option, arg_name = "LINES/S")]
    pub rate: Option<String>,
    /// bytes of a line, without its end (default: 120)
    #[argh(option, arg_name = "N")]
    pub line_bytes: Option<String>,
    /// senders that are told apart at the same time (default: 1)
    #[argh(option, arg_name = "N")]
    pub streams: Option<String>,
    /// size of the ring, as 1G (default: a table of sizes)
    #[argh(option, arg_name = "SIZE")]
    pub size: Option<String>,
    /// find the size that keeps H hours of lines
    #[argh(option, arg_name = "H")]
    pub hours: Option<String>,
    /// write text or json (default: text)
    #[argh(option, arg_name = "FORMAT")]
    pub format: Option<String>,
}

/// What `serve` would run with, and where each setting comes from. It takes the flags of `serve`.
#[derive(Debug)]
pub struct ConfigArgs(pub ServeArgs);

impl FromArgs for ConfigArgs {
    fn from_args(command_name: &[&str], args: &[&str]) -> Result<Self, argh::EarlyExit> {
        ServeArgs::from_args(command_name, args).map(ConfigArgs)
    }
}

impl argh::SubCommand for ConfigArgs {
    const COMMAND: &'static argh::CommandInfo = &argh::CommandInfo {
        name: "config",
        short: &'\0',
        description: "Show the effective settings and where each comes from",
    };
}

impl ArgsInfo for ConfigArgs {
    fn get_args_info() -> argh::CommandInfoWithArgs {
        let info = <Self as argh::SubCommand>::COMMAND;
        argh::CommandInfoWithArgs {
            name: info.name,
            description: info.description,
            ..ServeArgs::get_args_info()
        }
    }
}

/// Write a completion script for a shell
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "completion")]
pub struct CompletionArgs {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "SHELL")]
    pub shell: String,
}

/// Write the manual page, for man -l -
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "man")]
pub struct ManArgs {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TABLE;
    use argh::FlagInfoKind;

    #[test]
    fn the_table_and_argh_agree_on_every_flag() {
        let info = ServeArgs::get_args_info();
        let flags: Vec<_> = info.flags.iter().filter(|flag| flag.long != "--help").collect();
        let names: Vec<&str> = flags.iter().map(|flag| flag.long).collect();
        let rows: Vec<String> = TABLE.iter().map(|row| format!("--{}", row.name)).collect();
        assert_eq!(names, rows);
        for (flag, row) in flags.iter().zip(TABLE) {
            assert_eq!(flag.short, row.short, "{}", row.name);
            let value = match flag.kind {
                FlagInfoKind::Switch => None,
                FlagInfoKind::Option { arg_name } => Some(arg_name),
            };
            assert_eq!(value, row.value, "{}", row.name);
            let is_repeatable = flag.optionality == argh::Optionality::Repeating;
            assert_eq!(is_repeatable, row.repeatable, "{}", row.name);
        }
    }

    #[test]
    fn every_flag_reaches_the_settings() {
        for row in TABLE {
            let flag = format!("--{}", row.name);
            let args: Vec<&str> = match row.value {
                None => vec![&flag],
                Some(_) => vec![&flag, "x"],
            };
            let given = ServeArgs::from_args(&["serve"], &args).expect(row.name).flags();
            let value = if row.value.is_some() { "x" } else { "true" };
            assert_eq!(given, [(row.name, value.to_owned())]);
        }
    }
}

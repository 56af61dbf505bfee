//! The commands of the text protocol: one row of [`COMMANDS`] each.
//!
//! A command is a line. Its name is read in any case; what follows is up to the row's `parse`. HELP
//! is rendered from the same rows, and an example of each row is a test of it.

use std::fmt;

use crate::limits::RECENT_DEFAULT;
use crate::query::{
    Echo, Listing, Query, QueryError, Regex, TimeContext, known_label, number, parse_parameters,
    parse_range, unquote,
};

/// What a client asks for.
#[derive(Debug)]
pub enum Command {
    /// How many records there are.
    Count,
    /// The server's numbers.
    Stats,
    /// Every metric, as JSON.
    Metrics,
    /// Whether the server answers.
    Ping,
    /// Whether it answers questions about records yet.
    Ready,
    /// What there is to ask; see [`help`].
    Help,
    /// What there is in the ring: LABELS, VALUES, and STATS by something.
    Census(Listing),
    /// Records that are there: RECENT, SEARCH, REGEX, FILTER and QUERY.
    Query(Box<Query>),
    /// Records from now on.
    Tail(Box<Query>),
    /// Forget all records.
    Clear,
    /// Say when all that was accepted is on disk.
    Sync,
    /// Who is connected.
    Clients,
    /// The slowest recent commands.
    SlowLog,
    /// Keep the connection open until the client ends it.
    Session,
}

/// One row of the table.
pub struct Row {
    /// The command's name, in capitals.
    pub name: &'static str,
    /// What may follow the name.
    pub usage: &'static str,
    /// What it does, for HELP.
    pub what: &'static str,
    /// A line that works.
    pub example: &'static str,
    parse: Parse,
}

/// What is made of a line.
enum Parse {
    /// Nothing may follow the name.
    Alone(fn() -> Command),
    /// What follows the name is read by this; it is given the name for its errors.
    With(fn(&'static str, &[u8], &TimeContext<'_>) -> Result<Command, CommandError>),
}

const fn row(
    name: &'static str,
    usage: &'static str,
    what: &'static str,
    example: &'static str,
    parse: Parse,
) -> Row {
    Row { name, usage, what, example, parse }
}

/// Every command, in the order of HELP.
pub const COMMANDS: &[Row] = &[
    row("COUNT", "", "how many lines there are", "COUNT", Parse::Alone(|| Command::Count)),
    row(
        "STATS",
        "[level|stream|transport|json]",
        "the server's numbers as Key=Value, or every metric as json; else lines by that word",
        "STATS level",
        Parse::With(stats),
    ),
    row(
        "PING",
        "[ready]",
        "answers PONG; with ready, only once questions are answered",
        "PING ready",
        Parse::With(ping),
    ),
    row("HELP", "", "this text", "HELP", Parse::Alone(|| Command::Help)),
    row("RECENT", "[N]", "the newest N lines (10), oldest first", "RECENT 50", Parse::With(recent)),
    row(
        "SEARCH",
        "TEXT",
        "lines that hold TEXT in any case",
        "SEARCH connection refused",
        Parse::With(search),
    ),
    row(
        "REGEX",
        "PATTERN",
        "lines that match; (?i) ignores case",
        r"REGEX timeout after \d+ ms",
        Parse::With(regex),
    ),
    row(
        "FILTER",
        "FROM [TO]",
        "lines received in a range; times may be 2026-11-20 10:00:00",
        "FILTER -1h now",
        Parse::With(filter),
    ),
    row(
        "QUERY",
        "NAME=VALUE...",
        "lines that meet all conditions",
        "QUERY host=10.0.0.5 field.status>=500 level>=warning since=-5m limit=100 order=desc",
        Parse::With(query),
    ),
    row(
        "TAIL",
        "[NAME=VALUE...]",
        "lines from now on; n=20 shows the last 20 first",
        "TAIL level=error field.user=bob n=20",
        Parse::With(tail),
    ),
    row(
        "LABELS",
        "",
        "the names of labels, and how many values each has",
        "LABELS",
        Parse::Alone(|| Command::Census(Listing::Labels)),
    ),
    row(
        "VALUES",
        "LABEL",
        "the values of a label, and how many lines have each",
        "VALUES host",
        Parse::With(values),
    ),
    row(
        "CLEAR",
        "",
        "forgets all lines (their bytes stay in the file until overwritten)",
        "CLEAR",
        Parse::Alone(|| Command::Clear),
    ),
    row(
        "SYNC",
        "",
        "answers when all accepted lines are on disk",
        "SYNC",
        Parse::Alone(|| Command::Sync),
    ),
    row("CLIENTS", "", "who is connected", "CLIENTS", Parse::Alone(|| Command::Clients)),
    row("SLOWLOG", "", "the slowest recent commands", "SLOWLOG", Parse::Alone(|| Command::SlowLog)),
    row(
        "SESSION",
        "",
        "keeps the connection open until you end it",
        "SESSION",
        Parse::Alone(|| Command::Session),
    ),
];

/// Why a line is not a command. The connection lives on, except after [`CommandError::Http`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such command; holds the word that was sent.
    Unknown(Vec<u8>),
    /// The line is one of an HTTP request: a web page must not be able to ask questions here.
    Http,
    /// Something follows a command that takes nothing.
    Alone {
        /// The command.
        name: &'static str,
        /// What followed it.
        seen: Vec<u8>,
    },
    /// What follows the command is wrong.
    Query(QueryError),
}

impl CommandError {
    /// Whether the connection must be closed behind the answer.
    pub fn closes(&self) -> bool {
        matches!(self, Self::Http)
    }

    /// Writes the error as a line of the protocol.
    pub fn to_wire(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("ERROR: {self}\n").as_bytes());
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(seen) => {
                write!(f, "unknown command {} (allowed:", Echo(seen))?;
                for row in COMMANDS {
                    write!(f, " {}", row.name)?;
                }
                write!(f, ")")
            }
            Self::Http => write!(f, "this port does not speak HTTP (allowed: commands; try HELP)"),
            Self::Alone { name, seen } => {
                write!(f, "{name} does not take {} (allowed: {name} alone)", Echo(seen))
            }
            Self::Query(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<QueryError> for CommandError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// Reads one line, without its end.
///
/// # Errors
/// What is wrong with it; see [`CommandError`].
pub fn parse(line: &[u8], context: &TimeContext<'_>) -> Result<Command, CommandError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
    if is_http(line) {
        return Err(CommandError::Http);
    }
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let row = COMMANDS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name));
    let row = row.ok_or_else(|| CommandError::Unknown(name.to_vec()))?;
    let rest = rest.trim_ascii_start();
    match row.parse {
        Parse::Alone(command) => alone(row.name, rest, command()),
        Parse::With(parse) => parse(row.name, rest, context),
    }
}

/// Writes the answer to HELP: a line for each command and one for its example.
pub fn help(out: &mut Vec<u8>) {
    for row in COMMANDS {
        let head = format!("{} {}", row.name, row.usage);
        out.extend_from_slice(format!("{:<24} {}\n", head.trim_end(), row.what).as_bytes());
        out.extend_from_slice(format!("{:<24} e.g. {}\n", "", row.example).as_bytes());
    }
    out.extend_from_slice(PARAMETERS_HELP.as_bytes());
}

/// What HELP says of the parameters.
const PARAMETERS_HELP: &str = "\
QUERY and TAIL take: keyword=TEXT keywords=A,B operator=AND|OR regex=PATTERN
  !keyword=TEXT since=TIME until=TIME (or time_from= time_to=) level=error level>=warning
  host= app= facility= transport= severity= pri= proc_id= msg_id= and any other label, and
  field.NAME= of the line, as field.status>=500 (JSON, also a.b.c, key=value, syslog's data):
  = != > >= < <= as numbers where both are, ~ !~ match a pattern; != !~ also where it is absent
  source=ADDRESS limit=N order=asc|desc|time time=received|event after=SEQ; TAIL: n=N
  QUERY: before=SEQ (with order=desc the page before the last line shown)
  format=text|json|logfmt|csv|raw
  a value with spaces stands in quotes: keyword=\"connection refused\"
time=event takes the time that the line says, where it says one, else when it came; json,
  logfmt and csv show both: time and, null or unreadable where it is no time, event_time
order=time sorts the newest 10000 matches by time; limit=N takes the latest N of them
format=csv begins with the columns: seq,time,event_time,level,host,app,facility,
  transport,msg,fields; msg is the whole line, in json _msg is the message inside it
TIME: now, -5m, -1h30m, 2026-11-20, \"2026-11-20 10:00:00\", RFC 3339, Unix seconds
";

/// Whether the line is the first of an HTTP request, or a header that each one has.
fn is_http(line: &[u8]) -> bool {
    if line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"Host:")) {
        return true;
    }
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let version = words.next_back().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && words.next().is_some_and(|target| !target.is_empty())
        && words.next().is_none()
        && version.starts_with(b"HTTP/")
}

fn alone(name: &'static str, rest: &[u8], command: Command) -> Result<Command, CommandError> {
    let rest = rest.trim_ascii_end();
    if rest.is_empty() { Ok(command) } else { Err(CommandError::Alone { name, seen: rest.into() }) }
}

fn ping(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    match rest.trim_ascii_end() {
        ready if ready.eq_ignore_ascii_case(b"ready") => Ok(Command::Ready),
        b"" => Ok(Command::Ping),
        rest => {
            let allowed = "PING or PING ready";
            Err(QueryError::Value { name, seen: rest.to_vec(), allowed }.into())
        }
    }
}

fn stats(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    let rest = rest.trim_ascii_end();
    match &rest.to_ascii_lowercase()[..] {
        b"" => Ok(Command::Stats),
        b"json" => Ok(Command::Metrics),
        b"level" => Ok(Command::Census(Listing::Levels)),
        b"stream" => Ok(Command::Census(Listing::Streams)),
        b"transport" => Ok(Command::Census(Listing::Transports)),
        _ => {
            let allowed = "STATS, STATS level, STATS stream, STATS transport, STATS json";
            Err(QueryError::Value { name, seen: rest.to_vec(), allowed }.into())
        }
    }
}

fn values(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    let label = unquote(rest.trim_ascii_end());
    if label.is_empty() {
        return Err(QueryError::Missing { name, allowed: "the name of a label; see LABELS" }.into());
    }
    if label.iter().any(u8::is_ascii_whitespace) {
        let allowed = "one label, as VALUES host";
        return Err(QueryError::Value { name, seen: label, allowed }.into());
    }
    // Names of parameters are taken in any case, so these are, too.
    let label = known_label(&label).map_or(label, <[u8]>::to_vec);
    Ok(Command::Census(Listing::Values(label)))
}

fn recent(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    let rest = rest.trim_ascii_end();
    let count = if rest.is_empty() { Some(RECENT_DEFAULT) } else { number(rest, 0) };
    let Some(count) = count else {
        let allowed = "0 to 18446744073709551615, as RECENT 50";
        return Err(QueryError::Value { name, seen: rest.to_vec(), allowed }.into());
    };
    let query = Query { limit: Some(count), is_recent: true, ..Query::default() };
    Ok(Command::Query(Box::new(query)))
}

fn search(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    let text = unquote(rest);
    if text.is_empty() {
        return Err(QueryError::Missing { name, allowed: "SEARCH text" }.into());
    }
    let mut query = Query::default();
    query.filter.keyword(&text);
    Ok(Command::Query(Box::new(query)))
}

fn regex(name: &'static str, rest: &[u8], _: &TimeContext<'_>) -> Result<Command, CommandError> {
    let pattern = unquote(rest);
    if pattern.is_empty() {
        return Err(QueryError::Missing { name, allowed: "REGEX pattern" }.into());
    }
    let mut query = Query::default();
    query.filter.regex(Regex::new(&pattern).map_err(QueryError::from)?);
    Ok(Command::Query(Box::new(query)))
}

fn filter(
    _: &'static str,
    rest: &[u8],
    context: &TimeContext<'_>,
) -> Result<Command, CommandError> {
    Ok(Command::Query(Box::new(parse_range(rest, context)?)))
}

fn query(_: &'static str, rest: &[u8], context: &TimeContext<'_>) -> Result<Command, CommandError> {
    Ok(Command::Query(Box::new(parse_parameters(rest, false, context)?)))
}

fn tail(_: &'static str, rest: &[u8], context: &TimeContext<'_>) -> Result<Command, CommandError> {
    Ok(Command::Tail(Box::new(parse_parameters(rest, true, context)?)))
}

/// Reads any bytes as a line of the protocol: must never panic.
pub fn fuzz_command(data: &[u8]) {
    let zone = jiff::tz::TimeZone::UTC;
    let context = TimeContext::new(1_795_168_800_000_000_000, &zone);
    if let Err(error) = parse(data, &context) {
        let mut out = Vec::new();
        error.to_wire(&mut out);
        let lines = out.iter().filter(|byte| **byte == b'\n').count();
        assert!(lines == 1 && out.is_ascii(), "an error is one printable line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: u64 = 1_795_168_800_000_000_000;

    fn read(line: &str) -> Result<Command, CommandError> {
        parse(line.as_bytes(), &TimeContext::new(NOW, &TimeZone::UTC))
    }

    #[test]
    fn lines_that_are_commands() {
        for line in [
            "COUNT",
            "count",
            "  Ping \r",
            "STATS",
            "stats Level",
            "STATS stream",
            "STATS transport",
            "STATS JSON",
            "LABELS",
            "VALUES app",
            "VALUES \"host\" ",
            "HELP",
            "CLEAR",
            "SYNC",
            "CLIENTS",
            "SLOWLOG",
            "SESSION",
            "RECENT",
            "RECENT 50",
            "RECENT 0",
            "SEARCH connection refused",
            "SEARCH \"connection refused\"",
            "SEARCH GET /index.html HTTP",
            r"REGEX (?i)time(d )?out",
            r"REGEX ^\S+ é+",
            "FILTER 2026-11-20 10:00:00 2026-11-20 11:00:00",
            "FILTER \"2026-11-20 10:00:00\" \"2026-11-20 11:00:00\"",
            "FILTER 2026-11-20 2026-11-21 09:00",
            "FILTER 2026-11-20 2026-11-20",
            "FILTER -5m now",
            "FILTER -2h",
            "FILTER 1795168800 1795168800.5",
            "FILTER 2026-11-20T10:00:00Z 2026-11-20T12:00:00+01:00",
            "QUERY",
            "QUERY keyword=timeout",
            "QUERY keyword=\"connection refused\" level=ERROR",
            r#"QUERY keyword="say \"hi\" \\ there" regex="\d+ ms""#,
            "QUERY keywords=a,b operator=OR regex=x+ time_from=-1h time_to=now limit=5",
            "QUERY level>=warning source=10.0.0.5 since=-5m order=desc format=json",
            "QUERY until=+1m after=7",
            "QUERY order=time time=event limit=5 format=csv",
            "TAIL time=event format=logfmt",
            "TAIL",
            "TAIL n=20 keyword=x",
            "TAIL after=12 level=error limit=3",
        ] {
            if let Err(error) = read(line) {
                panic!("{line}: {error}");
            }
        }
        for row in COMMANDS {
            assert!(read(row.example).is_ok(), "the example of {}", row.name);
        }
    }

    #[test]
    fn lines_that_are_refused_say_why() {
        for (line, expected) in [
            ("GTE 5", "unknown command \"GTE\" (allowed: COUNT STATS PING HELP RECENT"),
            ("", "unknown command \"\" (allowed:"),
            ("\u{1b}[31m", "unknown command \"\\x1b[31m\""),
            ("COUNT 5", "COUNT does not take \"5\" (allowed: COUNT alone)"),
            ("STATS colour", "bad STATS \"colour\" (allowed: STATS, STATS level, STATS stream"),
            ("LABELS x", "LABELS does not take \"x\""),
            ("VALUES", "VALUES needs a value (allowed: the name of a label; see LABELS)"),
            ("VALUES a b", "bad VALUES \"a b\" (allowed: one label, as VALUES host)"),
            ("QUERY time=later", "bad time \"later\" (allowed: received, event)"),
            ("TAIL order=time", "unknown parameter \"order\""),
            ("RECENT x", "bad RECENT \"x\" (allowed: 0 to 18446744073709551615, as RECENT 50)"),
            ("PING x", "bad PING \"x\" (allowed: PING or PING ready)"),
            ("RECENT -5", "bad RECENT \"-5\""),
            (
                "RECENT 99999999999999999999",
                "bad RECENT \"99999999999999999999\" (allowed: 0 to 1844",
            ),
            ("SEARCH", "SEARCH needs a value (allowed: SEARCH text)"),
            ("REGEX", "REGEX needs a value"),
            ("REGEX a(b", "regex: unclosed group at character 2"),
            (
                "REGEX é[z-a]",
                "regex: invalid character class range, the start must be <= the end at character 3",
            ),
            ("REGEX a{2", "regex: unclosed counted repetition at character 2"),
            (r"REGEX \pL", "regex: Unicode not allowed here at character 1"),
            ("REGEX (?:a{999}){999}", "regex is too big: its program exceeds 256 KiB"),
            ("FILTER", "FILTER needs a value (allowed: FILTER from to)"),
            ("FILTER yesterday", "bad time \"yesterday\" (allowed: now, -5m"),
            ("FILTER 2026-11-20 10:00:00 2026-11-31 11:00:00", "bad time \"2026-11-31\""),
            ("FILTER now -5m", "from \"now\" is after to \"-5m\" (allowed: from <= to)"),
            ("FILTER 1 2 3 4 5 6", "bad time"),
            ("QUERY timeout", "\"timeout\" is not name=value"),
            ("QUERY foo=1", "unknown parameter \"foo\" (allowed: keyword, !keyword, keywords"),
            ("QUERY n=5", "unknown parameter \"n\""),
            ("TAIL order=desc", "unknown parameter \"order\""),
            ("QUERY limit=1 limit=2", "limit= is given more than once"),
            ("QUERY since=-5m time_from=-6m", "time_from= is given more than once"),
            ("QUERY limit>=5", "limit>= is not a comparison of limit (allowed: =)"),
            ("QUERY level~err", "level~ is not a comparison of level (allowed: =, !=, >, >=, <"),
            ("QUERY level=loud", "bad level \"loud\" (allowed: unknown, trace, debug"),
            ("QUERY keywords=a,b operator=XOR", "bad operator \"XOR\" (allowed: AND, OR)"),
            ("QUERY operator=OR", "operator= needs keywords= (allowed: keywords=a,b operator=OR)"),
            ("QUERY keyword=", "keyword needs a value"),
            ("QUERY keywords=a,,b", "bad keywords \"a,,b\""),
            ("QUERY limit=0", "bad limit \"0\" (allowed: 1 or more)"),
            ("QUERY order=up", "bad order \"up\" (allowed: asc, desc, time)"),
            ("QUERY format=xml", "bad format \"xml\" (allowed: text, json, logfmt, csv, raw)"),
            ("QUERY after=x", "bad after \"x\" (allowed: the number of a record)"),
            ("QUERY since=soon", "bad time \"soon\""),
            ("QUERY since=now until=-1h", "from \"now\" is after to \"-1h\""),
            ("QUERY keyword=\"open", "bad quotes in \"keyword=\\\"open\""),
            ("QUERY keyword=\"a\"b", "bad quotes in"),
            ("QUERY regex=a)", "regex: unopened group at character 2"),
            ("TAIL n=20 after=5", "after= and n= exclude each other"),
            ("GET / HTTP/1.1", "this port does not speak HTTP"),
            ("POST /x HTTP/1.0\r", "this port does not speak HTTP"),
            ("Host: example.com", "this port does not speak HTTP"),
        ] {
            let error = read(line).map(|_| ()).expect_err(line);
            let mut wire = Vec::new();
            error.to_wire(&mut wire);
            let wire = String::from_utf8(wire).unwrap();
            assert!(wire.starts_with(&format!("ERROR: {expected}")), "{line}: {wire}");
            assert_eq!(wire.lines().count(), 1, "{line}");
            assert_eq!(error.closes(), expected.contains("HTTP"), "{line}");
        }
    }

    #[test]
    fn more_keywords_than_allowed_are_refused() {
        let many = |count: usize| format!("QUERY keywords={}", vec!["x"; count].join(","));
        assert!(read(&many(crate::limits::KEYWORDS_MAX)).is_ok());
        assert!(read(&many(crate::limits::KEYWORDS_MAX + 1)).is_err());
    }

    #[test]
    fn help_names_every_command_with_an_example() {
        let mut out = Vec::new();
        help(&mut out);
        let text = String::from_utf8(out).unwrap();
        for row in COMMANDS {
            assert!(text.lines().any(|line| line.starts_with(row.name)), "{}", row.name);
            let example = format!("e.g. {}", row.example);
            assert!(text.lines().any(|line| line.trim() == example), "{}", row.name);
        }
        assert!(text.contains("bytes stay in the file until overwritten"));
    }

    const HEADS: &[&str] =
        &["", "QUERY ", "FILTER ", "REGEX ", "TAIL ", "SEARCH ", "QUERY since=", "RECENT "];

    proptest::proptest! {
        #[test]
        fn no_bytes_make_a_command_panic(
            data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
            head in proptest::sample::select(HEADS),
        ) {
            let mut line = head.as_bytes().to_vec();
            line.extend_from_slice(&data);
            fuzz_command(&line);
            crate::query::fuzz_query(&data);
        }
    }
}

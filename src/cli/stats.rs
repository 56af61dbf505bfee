//! `logcaster stats`: the server's numbers for people, or as JSON.

use crate::cli::args::StatsArgs;
use crate::cli::client::{self, Failure, Role, Stream};
use crate::cli::output;
use crate::limits::STATS_BYTES_MAX;
use crate::message::fields::{self, Value};
use core::fmt::Write as _;
use core::time::Duration;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::ExitCode;

/// How long a server may take to answer, and to let itself be connected to.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often `--watch` asks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the server is asked, and the beginning of its answer.
const QUESTION: &str = "STATS json\n";
const BEGINNING: &[u8] = b"{";

/// Shows the numbers; exit code 2 where the server does not say them.
pub fn run(args: StatsArgs) -> ExitCode {
    let addr = match client::address(args.addr.as_deref(), Role::Query) {
        Ok(addr) => addr,
        Err(error) => return super::refuse(&error),
    };
    match show(&addr, &args) {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => super::refuse(&failure),
    }
}

fn show(addr: &str, args: &StatsArgs) -> Result<(), Failure> {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let mut server = Server::connect(addr, args.watch)?;
    let mut before: Option<Numbers> = None;
    loop {
        let now = server.ask()?;
        let text = match args.json {
            true => now.text.clone(),
            false => summary(addr, &now, before.as_ref()),
        };
        let mut page = Vec::new();
        match (args.watch && !args.json, is_terminal) {
            (true, true) => page.extend_from_slice(b"\x1b[H\x1b[J"),
            // Between two in a file.
            (true, false) if before.is_some() => page.push(b'\n'),
            _ => {}
        }
        for line in text.lines() {
            output::escape(line.as_bytes(), &mut page);
            page.push(b'\n');
        }
        let mut out = stdout.lock();
        out.write_all(&page).and_then(|()| out.flush()).map_err(Failure::write)?;
        if !args.watch {
            return Ok(());
        }
        before = Some(now);
        std::thread::sleep(INTERVAL);
    }
}

/// A connection that is asked once, or again and again.
struct Server<'a> {
    addr: &'a str,
    stream: BufReader<Stream>,
    is_session: bool,
}

impl<'a> Server<'a> {
    fn connect(addr: &'a str, is_session: bool) -> Result<Self, Failure> {
        let stream = client::connect(addr, PATIENCE)?;
        let mut server = Self { addr, stream: BufReader::new(stream), is_session };
        let set = server.stream.get_ref().set_timeouts(PATIENCE);
        set.map_err(|error| server.broken("write to", error))?;
        if is_session {
            server.say("SESSION\n")?;
            server.hear()?;
        }
        Ok(server)
    }

    fn ask(&mut self) -> Result<Numbers, Failure> {
        self.say(QUESTION)?;
        if !self.is_session {
            let ended = self.stream.get_ref().shutdown_write();
            ended.map_err(|error| self.broken("write to", error))?;
        }
        let text = self.hear()?;
        if text.starts_with(BEGINNING) {
            return Ok(Numbers { text: String::from_utf8_lossy(&text).into_owned() });
        }
        let answer = String::from_utf8_lossy(&text);
        let reason = answer.trim_end().strip_prefix("ERROR: ").unwrap_or("no logcaster answers");
        Err(Failure::Refused(format!("{}: {}", self.addr, reason.escape_debug())))
    }

    fn say(&mut self, words: &str) -> Result<(), Failure> {
        let said = self.stream.get_mut().write_all(words.as_bytes());
        said.map_err(|error| self.broken("write to", error))
    }

    fn hear(&mut self) -> Result<Vec<u8>, Failure> {
        match read_line(&mut self.stream) {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(Failure::Ended(self.addr.to_owned(), "closed too early".to_owned())),
            Err(error) => Err(self.broken("read from", error)),
        }
    }

    fn broken(&self, action: &'static str, error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::Ended(self.addr.to_owned(), format!("no answer within {PATIENCE:?}"))
            }
            _ => Failure::Broken(self.addr.to_owned(), action, error),
        }
    }
}

/// A line with its end; `None` where the input ends before it.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(STATS_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.len() as u64 == STATS_BYTES_MAX {
        let reason = format!("an answer longer than {} KiB", STATS_BYTES_MAX >> 10);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Some(line).filter(|line| line.ends_with(b"\n")))
}

/// What the server said at one time.
struct Numbers {
    text: String,
}

impl Numbers {
    /// The number that is called so, as `logcaster_dropped_total.cut`; `None` where there is none.
    fn find(&self, name: &str) -> Option<f64> {
        match fields::field(self.text.as_bytes(), name.as_bytes())? {
            Value::Number(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The same, 0 where there is none.
    fn get(&self, name: &str) -> f64 {
        self.find(name).unwrap_or(0.0)
    }

    /// Every number that a family has and that is not 0, by its label.
    fn each(&self, family: &str) -> Vec<(String, f64)> {
        let mut found = Vec::new();
        let object = fields::field(self.text.as_bytes(), family.as_bytes());
        if let Some(Value::Raw(object)) = object {
            fields::each(object, &mut |name, value| {
                let number = std::str::from_utf8(value.text()).ok().and_then(|n| n.parse().ok());
                if let Some(number) = number.filter(|number| *number > 0.0) {
                    found.push((String::from_utf8_lossy(name).into_owned(), number));
                }
            });
        }
        found
    }

    /// `tcp 12, udp 3`, or `none`.
    fn list(&self, family: &str) -> String {
        let all = self.each(family);
        let all: Vec<String> =
            all.iter().map(|(name, count)| format!("{name} {}", number(*count))).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }

    /// `p50 2.5 ms, p99 10 ms`, as bounds from above; empty where nothing was measured.
    fn times(&self, family: &str) -> String {
        if self.get(&format!("{family}.count")) == 0.0 {
            return String::new();
        }
        let bound = |name: &str| match self.find(&format!("{family}.{name}")) {
            Some(seconds) => format!("<= {}", span(seconds)),
            None => "beyond all bounds".to_owned(),
        };
        format!("p50 {}, p99 {}", bound("p50"), bound("p99"))
    }
}

/// A line of the summary: what it is, its value, and how fast that grows.
struct Row {
    name: &'static str,
    value: String,
    rate: String,
}

/// The sections, each its title and its lines.
type Sections = Vec<(&'static str, Vec<Row>)>;

/// The numbers for people; with those of some time before, how fast they grow.
fn summary(addr: &str, now: &Numbers, before: Option<&Numbers>) -> String {
    let sections = vec![
        ("Lines", lines(now, before)),
        ("Kept", kept(now)),
        ("Disk", disk(now, before)),
        ("Clients", clients(now, before)),
        ("Server", server(now, before)),
    ];
    let mut text = format!("{}\n", head(addr, now));
    push_sections(&sections, &mut text);
    text
}

/// One line: what runs where, and how it is.
fn head(addr: &str, now: &Numbers) -> String {
    let version = now.each("logcaster_build_info").pop().map_or(String::new(), |(label, _)| label);
    let version = version.replace(',', " ");
    let parts = now.each("logcaster_health_status");
    let named = |wanted: f64| -> Vec<&str> {
        let those = parts.iter().filter(|(_, status)| *status == wanted);
        those.map(|(part, _)| part.as_str()).collect()
    };
    let health = match (named(2.0), named(1.0)) {
        (down, _) if !down.is_empty() => format!("DOWN: {}", down.join(", ")),
        (_, degraded) if !degraded.is_empty() => format!("DEGRADED: {}", degraded.join(", ")),
        _ => "OK".to_owned(),
    };
    let up = age(now.get("logcaster_uptime_seconds"));
    format!("logcaster {version} at {addr}, up {up}, {health}")
}

fn push_sections(sections: &Sections, text: &mut String) {
    let rows = || sections.iter().flat_map(|(_, rows)| rows);
    let names = rows().map(|row| row.name.len()).max().unwrap_or(0);
    let rated = rows().filter(|row| !row.rate.is_empty());
    let values = rated.map(|row| row.value.chars().count()).max().unwrap_or(0);
    for (title, rows) in sections {
        let _infallible = write!(text, "\n{title}\n");
        for Row { name, value, rate } in rows {
            let line = format!("  {name:names$}  {value:values$}  {rate}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// A row that does not grow, or of which that does not matter.
fn still(name: &'static str, value: String) -> Row {
    Row { name, value, rate: String::new() }
}

/// A row of a counter, and how fast it grows.
fn counter(
    name: &'static str,
    counter: &str,
    show: fn(f64) -> String,
    (now, before): (&Numbers, Option<&Numbers>),
) -> Row {
    Row { name, value: show(now.get(counter)), rate: rate(counter, show, (now, before)) }
}

/// `+1,200/s`; empty where nothing was asked before.
fn rate(
    counter: &str,
    show: fn(f64) -> String,
    (now, before): (&Numbers, Option<&Numbers>),
) -> String {
    let Some(before) = before else { return String::new() };
    let seconds = now.get("logcaster_uptime_seconds") - before.get("logcaster_uptime_seconds");
    // A server that was started anew counts from zero.
    let more = (now.get(counter) - before.get(counter)).max(0.0);
    if seconds > 0.0 { format!("+{}/s", show(more / seconds)) } else { String::new() }
}

fn lines(now: &Numbers, before: Option<&Numbers>) -> Vec<Row> {
    vec![
        counter("stored", "logcaster_logs_total", number, (now, before)),
        counter("received", "logcaster_received_bytes_total", bytes, (now, before)),
        still("by level", now.list("logcaster_logs_by_level_total")),
        still("by transport", now.list("logcaster_logs_by_transport_total")),
        still("dropped", now.list("logcaster_dropped_total")),
    ]
}

fn kept(now: &Numbers) -> Vec<Row> {
    let records = now.get("logcaster_records");
    let oldest = match records {
        0.0 => String::new(),
        _ => format!(", the oldest {} old", age(now.get("logcaster_oldest_record_age_seconds"))),
    };
    let (used, all) =
        (now.get("logcaster_buffer_size_bytes"), now.get("logcaster_buffer_capacity_bytes"));
    let percent = if all > 0.0 { 100.0 * used / all } else { 0.0 };
    vec![
        still("lines", format!("{}{oldest}", number(records))),
        still("ring", format!("{} of {} ({percent:.0} %)", bytes(used), bytes(all))),
    ]
}

fn disk(now: &Numbers, before: Option<&Numbers>) -> Vec<Row> {
    if now.get("logcaster_persistence_enabled") == 0.0 {
        return vec![still("kept", "in memory only".to_owned())];
    }
    let missing = now.get("logcaster_head_sequence") - now.get("logcaster_durable_sequence");
    let durable = match missing {
        missing if missing > 0.0 => format!("all but the newest {}", number(missing)),
        _ => "all".to_owned(),
    };
    let failed = match now.get("logcaster_sync_failures_total") {
        0.0 => "none failed".to_owned(),
        failed => format!("{} FAILED", number(failed)),
    };
    let times = now.times("logcaster_sync_duration_seconds");
    let syncs = number(now.get("logcaster_disk_writes_total"));
    vec![
        still("on disk", durable),
        counter("written", "logcaster_disk_written_bytes_total", bytes, (now, before)),
        still("syncs", format!("{syncs}, {failed}; {times}").trim_end_matches("; ").to_owned()),
    ]
}

fn clients(now: &Numbers, before: Option<&Numbers>) -> Vec<Row> {
    let open = number(now.get("logcaster_connections_active"));
    let roles = match now.list("logcaster_connections_by_role") {
        none if none == "none" => String::new(),
        roles => format!(" ({roles})"),
    };
    let all = number(now.get("logcaster_connections_total"));
    let refused = number(now.get("logcaster_connections_refused_total"));
    let under_way = number(now.get("logcaster_cursors.query"));
    let tails = number(now.get("logcaster_cursors.tail"));
    let requests = now.each("logcaster_http_requests_total");
    // The sum of no floats at all is -0.
    let requests = requests.iter().fold(0.0, |sum, (_, count)| sum + count);
    let times = now.times("logcaster_query_duration_seconds");
    let mut rows = vec![
        still("connected", format!("{open}{roles}; {all} so far, {refused} refused")),
        counter("questions", "logcaster_queries_total", number, (now, before)),
        still("under way", format!("{under_way} questions, {tails} tails")),
        still("over HTTP", format!("{} requests", number(requests))),
    ];
    if !times.is_empty() {
        rows.insert(2, still("answered in", times));
    }
    rows
}

fn server(now: &Numbers, before: Option<&Numbers>) -> Vec<Row> {
    let used = now.get("logcaster_held_bytes") + now.get("logcaster_outbox_bytes");
    let budget = bytes(now.get("logcaster_memory_budget_bytes"));
    let resident = bytes(now.get("process_resident_memory_bytes"));
    let worst = span(now.get("logcaster_turn_worst_duration_seconds"));
    let turns = now.times("logcaster_turn_duration_seconds");
    let processor = "process_cpu_seconds_total";
    let files = number(now.get("process_open_fds"));
    let files_max = number(now.get("process_max_fds"));
    vec![
        still("memory", format!("{resident}; {} of a budget of {budget}", bytes(used))),
        Row {
            name: "processor",
            value: span(now.get(processor)),
            rate: rate(processor, |seconds| format!("{:.0} % of a core", 100.0 * seconds), {
                (now, before)
            })
            .replace("/s", "")
            .replace('+', ""),
        },
        still("open files", format!("{files} of {files_max}")),
        still("turns", format!("{turns}; worst of late {worst}")),
    ]
}

/// `12,345`; what is small and no whole number keeps a digit.
fn number(count: f64) -> String {
    if count < 10.0 && count.fract() != 0.0 {
        return format!("{count:.1}");
    }
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.2 GiB`.
fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut count, mut at) = (count, 0);
    while count >= 1024.0 && at + 1 < units.len() {
        count /= 1024.0;
        at += 1;
    }
    if at == 0 { format!("{count:.0} B") } else { format!("{count:.1} {}", units[at]) }
}

/// A short time: `0.25 ms`, `1.5 s`.
fn span(seconds: f64) -> String {
    let (count, unit) = if seconds >= 1.0 { (seconds, "s") } else { (seconds * 1e3, "ms") };
    let text = if count >= 100.0 { format!("{count:.0}") } else { format!("{count:.2}") };
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} {unit}")
}

/// A long time in its two largest units: `2d 3h`, `45s`.
fn age(seconds: f64) -> String {
    let seconds = seconds as u64;
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, length)| seconds >= *length).unwrap_or(3);
    let (unit, length) = units[first];
    let mut text = format!("{}{unit}", seconds / length);
    if let Some((unit, shorter)) = units.get(first + 1)
        && seconds % length >= *shorter
    {
        let _infallible = write!(text, " {}{unit}", seconds % length / shorter);
    }
    text
}

#[cfg(test)]
mod tests;

//! logcaster's own log: one event a line, as text (`warn accept_waits role=logs error="…"`) or
//! JSON, never a line per record. Events are gathered here; the reactor writes them to standard
//! error when it takes them.

use std::collections::VecDeque;
use std::fmt::{Display, Write as _};

use crate::clock::{SECOND, Wall};
pub use crate::config::{LogFormat as Format, LogLevel as Severity};
use crate::limits::{LOG_KINDS_MAX, LOG_PENDING_BYTES_MAX, LOG_REPEATS_PER_SECOND_MAX};

/// How often one kind of event came within the current second.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    second: u64,
    written: u32,
    suppressed: u64,
}

/// Events on their way to standard error, bounded in bytes and in repeats.
#[derive(Debug)]
pub struct Log {
    level: Severity,
    format: Format,
    pending: VecDeque<u8>,
    kinds: Vec<Kind>,
    line: String,
    /// Events thrown away because standard error did not take them in time.
    pub dropped: u64,
    /// Events left out because their kind repeated too often.
    pub suppressed: u64,
}

impl Log {
    /// An empty log that keeps events of `level` and graver.
    pub fn new(level: Severity, format: Format) -> Self {
        Self {
            level,
            format,
            pending: VecDeque::new(),
            kinds: Vec::new(),
            line: String::new(),
            dropped: 0,
            suppressed: 0,
        }
    }

    /// Changes what is kept from now on (a reload).
    pub fn set_level(&mut self, level: Severity) {
        self.level = level;
    }

    /// Whether an event of `level` would be kept; spares building its fields.
    pub fn keeps(&self, level: Severity) -> bool {
        level <= self.level
    }

    /// Adds an event: its kind, as one word, and what is known of it.
    pub fn event(
        &mut self,
        now: Wall,
        level: Severity,
        kind: &'static str,
        fields: &[(&str, &dyn Display)],
    ) {
        if !self.keeps(level) {
            return;
        }
        match self.admit(now, kind) {
            Some(left_out) => self.add(now, level, kind, fields, left_out),
            None => self.suppressed += 1,
        }
    }

    /// Adds an event that is not left out however often its kind repeats: one of those whose number
    /// the settings bound, as one for each listener.
    pub fn event_of_many(
        &mut self,
        now: Wall,
        level: Severity,
        kind: &'static str,
        fields: &[(&str, &dyn Display)],
    ) {
        if self.keeps(level) {
            self.add(now, level, kind, fields, 0);
        }
    }

    fn add(
        &mut self,
        now: Wall,
        level: Severity,
        kind: &'static str,
        fields: &[(&str, &dyn Display)],
        left_out: u64,
    ) {
        self.line.clear();
        match self.format {
            Format::Text => write_text(&mut self.line, level, kind, fields, left_out),
            Format::Json => write_json(&mut self.line, now, level, kind, fields, left_out),
        }
        if self.pending.len() + self.line.len() > LOG_PENDING_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.pending.extend(self.line.as_bytes());
    }

    /// What waits to be written, oldest first.
    pub fn pending(&self) -> &[u8] {
        self.pending.as_slices().0
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Forgets the first `bytes` of [`Self::pending`]: they were written.
    pub fn written(&mut self, bytes: usize) {
        self.pending.drain(..bytes.min(self.pending.len()));
        if self.pending.is_empty() && self.pending.capacity() > LOG_PENDING_BYTES_MAX / 4 {
            self.pending.shrink_to_fit();
        }
    }

    /// Whether this kind may write now, and how many of it were left out before.
    fn admit(&mut self, now: Wall, name: &'static str) -> Option<u64> {
        let second = now / SECOND;
        let at = match self.kinds.iter().position(|kind| kind.name == name) {
            Some(at) => at,
            None if self.kinds.len() < LOG_KINDS_MAX => {
                self.kinds.push(Kind { name, second, written: 0, suppressed: 0 });
                self.kinds.len() - 1
            }
            None => return Some(0),
        };
        let kind = &mut self.kinds[at];
        if kind.second != second {
            kind.second = second;
            kind.written = 0;
        }
        if kind.written >= LOG_REPEATS_PER_SECOND_MAX {
            kind.suppressed += 1;
            return None;
        }
        kind.written += 1;
        Some(std::mem::take(&mut kind.suppressed))
    }
}

/// `warn connection_closed token=17 reason="…"`
fn write_text(
    line: &mut String,
    level: Severity,
    kind: &str,
    fields: &[(&str, &dyn Display)],
    left_out: u64,
) {
    line.push_str(level.name());
    line.push(' ');
    line.push_str(kind);
    for (name, value) in fields {
        let value = value.to_string();
        let is_plain = !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'=');
        line.push(' ');
        line.push_str(name);
        line.push('=');
        if is_plain {
            line.push_str(&value);
        } else {
            push_quoted(line, &value);
        }
    }
    if left_out > 0 {
        let _infallible = write!(line, " left_out={left_out}");
    }
    line.push('\n');
}

/// `{"time":…,"level":"warn","event":"connection_closed","token":"17"}`, time in Unix seconds.
fn write_json(
    line: &mut String,
    now: Wall,
    level: Severity,
    kind: &str,
    fields: &[(&str, &dyn Display)],
    left_out: u64,
) {
    let _infallible = write!(
        line,
        "{{\"time\":{}.{:03},\"level\":\"{}\",\"event\":\"{kind}\"",
        now / SECOND,
        now % SECOND / 1_000_000,
        level.name()
    );
    for (name, value) in fields {
        let _infallible = write!(line, ",\"{name}\":");
        push_quoted(line, &value.to_string());
    }
    if left_out > 0 {
        let _infallible = write!(line, ",\"left_out\":{left_out}");
    }
    line.push_str("}\n");
}

/// `value` as a JSON string, which reads well in text too.
fn push_quoted(line: &mut String, value: &str) {
    line.push('"');
    for letter in value.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            letter if letter.is_control() => {
                let _infallible = write!(line, "\\u{:04x}", u32::from(letter));
            }
            letter => line.push(letter),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(log: &mut Log) -> String {
        let mut out = Vec::new();
        while !log.is_empty() {
            let part = log.pending().to_vec();
            log.written(part.len());
            out.extend(part);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_one_line_and_odd_values_are_quoted() {
        let mut log = Log::new(Severity::Info, Format::Text);
        log.event(0, Severity::Warn, "closed", &[("token", &17), ("reason", &"a \"b\"\n")]);
        assert_eq!(text(&mut log), "warn closed token=17 reason=\"a \\\"b\\\"\\n\"\n");
        log.event(0, Severity::Debug, "closed", &[]);
        assert!(log.is_empty());
    }

    #[test]
    fn json_holds_the_same() {
        let mut log = Log::new(Severity::Info, Format::Json);
        log.event(1_500_000_000, Severity::Info, "listening", &[("addr", &"[::1]:9")]);
        let expected = r#"{"time":1.500,"level":"info","event":"listening","addr":"[::1]:9"}"#;
        assert_eq!(text(&mut log), format!("{expected}\n"));
    }

    #[test]
    fn a_kind_that_repeats_is_limited_and_says_how_many_were_left_out() {
        let mut log = Log::new(Severity::Info, Format::Text);
        for _ in 0..25 {
            log.event(SECOND, Severity::Info, "again", &[]);
        }
        log.event(SECOND, Severity::Info, "other", &[]);
        assert_eq!(log.suppressed, 15);
        for _ in 0..25 {
            log.event_of_many(SECOND, Severity::Info, "listening", &[]);
        }
        assert_eq!(log.suppressed, 15);
        assert_eq!(text(&mut log).lines().count(), 11 + 25);
        log.event(2 * SECOND, Severity::Info, "again", &[]);
        assert_eq!(text(&mut log), "info again left_out=15\n");
    }

    #[test]
    fn a_full_log_drops_and_counts() {
        let mut log = Log::new(Severity::Info, Format::Text);
        let long = "x".repeat(1000);
        for second in 0..200 {
            log.event(second * SECOND, Severity::Info, "long", &[("value", &long)]);
        }
        assert!(log.dropped > 0);
        assert!(text(&mut log).len() <= LOG_PENDING_BYTES_MAX);
    }

    #[test]
    fn more_kinds_than_the_table_holds_are_still_written() {
        let mut log = Log::new(Severity::Info, Format::Text);
        let names: Vec<&'static str> =
            (0..=LOG_KINDS_MAX).map(|n| &*Box::leak(format!("k{n}").into_boxed_str())).collect();
        for name in names {
            log.event(0, Severity::Info, name, &[]);
        }
        assert_eq!(text(&mut log).lines().count(), LOG_KINDS_MAX + 1);
    }
}

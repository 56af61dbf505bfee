//! What comes out: rows, the table on standard output and the JSON file.

use std::fmt::Write as _;

use super::machine::Noise;

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Passes at or above.
    AtLeast(f64),
    /// Passes below.
    Below(f64),
    /// Nothing is asked; the figure is told.
    Stated,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case that it belongs to.
    pub case: &'static str,
    /// What was measured.
    pub what: String,
    /// The figure, in `unit`; `None` where it could not be measured, and `note` says why.
    pub figure: Option<f64>,
    /// The unit, as it stands behind the figure.
    pub unit: &'static str,
    /// What it is held against.
    pub bar: Bar,
    /// What disturbed the measurement.
    pub noise: Noise,
    /// More about it, in words.
    pub note: String,
    /// More figures of the same measurement, by name with its unit.
    pub details: Vec<(String, f64)>,
}

impl Row {
    /// A row without noise, note and details.
    pub fn new(
        case: &'static str,
        what: impl Into<String>,
        figure: f64,
        unit: &'static str,
        bar: Bar,
    ) -> Self {
        Self {
            case,
            what: what.into(),
            figure: Some(figure),
            unit,
            bar,
            noise: Noise::default(),
            note: String::new(),
            details: Vec::new(),
        }
    }

    /// A row for what could not be measured.
    pub fn missing(case: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        let mut row = Self::new(case, what, 0.0, "", Bar::Stated);
        row.figure = None;
        row.note = why.into();
        row
    }

    /// The same with the noise it was taken under.
    pub fn noise(mut self, noise: Noise) -> Self {
        self.noise = noise;
        self
    }

    /// The same with a remark.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The same with one more figure.
    pub fn detail(mut self, name: impl Into<String>, value: f64) -> Self {
        self.details.push((name.into(), value));
        self
    }

    /// How the figure stands against its bar.
    pub fn verdict(&self) -> &'static str {
        match (self.figure, self.bar) {
            (None, _) => "not measured",
            (Some(_), Bar::Stated) => "stated",
            (Some(figure), Bar::AtLeast(bar)) if figure >= bar => "pass",
            (Some(figure), Bar::Below(bar)) if figure < bar => "pass",
            _ => "MISS",
        }
    }

    /// The figure by its bar; above 1 is more than the bar, whichever side is good.
    fn ratio(&self) -> Option<f64> {
        match self.bar {
            Bar::AtLeast(bar) | Bar::Below(bar) => self.figure.map(|figure| figure / bar),
            Bar::Stated => None,
        }
    }
}

/// The heading of the table.
pub fn heading() -> String {
    format!(
        "{:<18} {:<44} {:>12} {:>14} {:>7}  {}",
        "case", "what", "figure", "bar", "of bar", "verdict"
    )
}

/// One row of the table, with its remarks on lines of their own below.
pub fn line(row: &Row) -> String {
    let figure = row.figure.map_or("-".to_owned(), |f| format!("{} {}", number(f), row.unit));
    let bar = match row.bar {
        Bar::AtLeast(bar) => format!(">= {} {}", number(bar), row.unit),
        Bar::Below(bar) => format!("< {} {}", number(bar), row.unit),
        Bar::Stated => "-".to_owned(),
    };
    let ratio = row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let mut out = format!(
        "{:<18} {:<44} {:>12} {:>14} {:>7}  {}",
        row.case,
        row.what,
        figure.trim(),
        bar.trim(),
        ratio,
        row.verdict()
    );
    if row.noise.is_noisy() {
        let _ = write!(
            out,
            " (noisy: steal {:.1} %, others {:.0} % of a core, taken off its core {:.0}/s server, \
             {:.0}/s generator)",
            row.noise.steal_percent,
            row.noise.others_percent,
            row.noise.server_switches,
            row.noise.generator_switches
        );
    }
    if !row.details.is_empty() {
        let details: Vec<String> =
            row.details.iter().map(|(name, value)| format!("{name}={}", number(*value))).collect();
        let _ = write!(out, "\n{:<19}{}", "", details.join(" "));
    }
    if !row.note.is_empty() {
        let _ = write!(out, "\n{:<19}{}", "", row.note);
    }
    out
}

/// The table as a record to keep: the machine, the command, and what came out.
pub fn markdown(machine: &[(&'static str, String)], rows: &[Row], command: &str) -> String {
    let mut out = String::from("# logcaster bench\n\n");
    for (name, value) in machine {
        let _ = writeln!(out, "- {name}: {value}");
    }
    let _ = writeln!(out, "- command: `{command}`\n\n```text\n{}", heading());
    for row in rows {
        let _ = writeln!(out, "{}", line(row));
    }
    out.push_str("```\n");
    out
}

/// Everything as one JSON object: the machine, then the rows.
pub fn json(machine: &[(&'static str, String)], rows: &[Row]) -> String {
    let mut out = String::from("{\n  \"machine\": {");
    for (index, (name, value)) in machine.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{}: {}", quoted(name), quoted(value));
    }
    out.push_str("},\n  \"rows\": [");
    for (index, row) in rows.iter().enumerate() {
        out.push_str(if index == 0 { "\n    " } else { ",\n    " });
        row_json(row, &mut out);
    }
    out.push_str("\n  ]\n}\n");
    out
}

/// One row as a JSON object.
fn row_json(row: &Row, out: &mut String) {
    let (kind, bar) = match row.bar {
        Bar::AtLeast(bar) => ("at_least", json_number(bar)),
        Bar::Below(bar) => ("below", json_number(bar)),
        Bar::Stated => ("stated", "null".to_owned()),
    };
    let figure = row.figure.map_or("null".to_owned(), json_number);
    let _ = write!(
        out,
        "{{\"case\": {}, \"what\": {}, \"figure\": {figure}, \"unit\": {}, \"bar_kind\": \
         \"{kind}\", \"bar\": {bar}, \"verdict\": {}, \"noisy\": {}, \"steal_percent\": {}, \
         \"others_percent\": {}, \"server_switches_per_s\": {}, \
         \"generator_switches_per_s\": {}, \"note\": {}",
        quoted(row.case),
        quoted(&row.what),
        quoted(row.unit),
        quoted(row.verdict()),
        row.noise.is_noisy(),
        json_number(row.noise.steal_percent),
        json_number(row.noise.others_percent),
        json_number(row.noise.server_switches),
        json_number(row.noise.generator_switches),
        quoted(&row.note),
    );
    out.push_str(", \"details\": {");
    for (index, (name, value)) in row.details.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{}: {}", quoted(name), json_number(*value));
    }
    out.push_str("}}");
}

/// A number for people: about three significant digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.1}k", value / 1e3)
    } else if size >= 100.0 || size == value.trunc() && size >= 10.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// A number for machines; JSON has no infinities.
fn json_number(value: f64) -> String {
    if value.is_finite() { format!("{}", (value * 1e6).round() / 1e6) } else { "null".to_owned() }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_the_bar() {
        assert_eq!(Row::new("c", "w", 0.6, "", Bar::AtLeast(0.6)).verdict(), "pass");
        assert_eq!(Row::new("c", "w", 0.59, "", Bar::AtLeast(0.6)).verdict(), "MISS");
        assert_eq!(Row::new("c", "w", 1.0, "ms", Bar::Below(1.0)).verdict(), "MISS");
        assert_eq!(Row::new("c", "w", 9.0, "", Bar::Stated).verdict(), "stated");
        assert_eq!(Row::missing("c", "w", "no disk").verdict(), "not measured");
    }

    #[test]
    fn json_is_escaped_and_finite() {
        let row = Row::new("c", "a \"b\"\n", f64::INFINITY, "", Bar::Stated).detail("d", 1.5);
        let text = json(&[("cpu", "x\\y".to_owned())], &[row]);
        assert!(text.contains(r#""what": "a \"b\"\n", "figure": null"#), "{text}");
        assert!(text.contains(r#""cpu": "x\\y""#), "{text}");
        assert!(text.contains(r#""details": {"d": 1.5}"#), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(0.614), "0.61");
        assert_eq!(number(12_345_678.0), "12.35M");
        assert_eq!(number(15_000.0), "15.0k");
        assert_eq!(number(5.0), "5");
    }
}

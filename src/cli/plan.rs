//! `logcaster plan`: how long a ring lasts, by the arithmetic of its format.

use crate::cli::args::PlanArgs;
use crate::cli::normalise::UsageError;
use crate::config::{self, show_size};
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::segment::Geometry;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Rates of the table, in lines a second.
const RATES: [u64; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Sizes of the table, in bytes.
const SIZES: [u64; 6] = [16 << 20, 64 << 20, 256 << 20, 1 << 30, 4 << 30, 16 << 30];
/// Bytes of a line where nobody says.
const LINE_BYTES: u64 = 120;
/// Bytes of a sender's labels: an address, an application and how it is connected.
const LABELS_BYTES: usize = 32;
/// The longest line and the highest rate that can be asked about.
const COUNT_MAX: u64 = 1_000_000_000;
/// The longest time that can be asked about, in hours: a hundred years.
const HOURS_MAX: u64 = 876_000;

const SECONDS_PER_HOUR: f64 = 3600.0;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    rates: Vec<u64>,
    line_bytes: u64,
    streams: u64,
    asked: Asked,
    is_json: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// How long do rings of these sizes, in bytes, last?
    Sizes(Vec<u64>),
    /// How large must a ring be for so many hours?
    Hours(u64),
}

/// One answer.
#[derive(Debug, PartialEq)]
struct Row {
    rate: u64,
    /// `None`: no ring is large enough.
    size: Option<u64>,
    records: u64,
    hours: f64,
}

/// Prints the plan; exit code 2 for flags that are not understood.
pub fn run(args: PlanArgs) -> ExitCode {
    match Plan::read(&args) {
        Ok(plan) if plan.is_json => super::show(&plan.json()),
        Ok(plan) => super::show(&plan.text()),
        Err(error) => super::refuse(&error),
    }
}

impl Plan {
    fn read(args: &PlanArgs) -> Result<Self, UsageError> {
        let count = |name, given: &Option<String>, max| {
            given.as_ref().map(|text| {
                config::count(text, 1..=max).map_err(|expected| refuse(name, text, expected.0))
            })
        };
        let size = args.size.as_ref().map(|text| {
            config::size(text, 1 << 20, SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX)
                .map_err(|expected| refuse("--size", text, expected.0))
        });
        let hours = count("--hours", &args.hours, HOURS_MAX).transpose()?;
        let asked = match (size.transpose()?, hours) {
            (Some(_), Some(_)) => {
                let reason = String::from("--size or --hours, not both");
                return Err(UsageError::Arguments { command: "plan".to_owned(), reason });
            }
            (Some(size), None) => Asked::Sizes(vec![size]),
            (None, Some(hours)) => Asked::Hours(hours),
            (None, None) => Asked::Sizes(SIZES.to_vec()),
        };
        let is_json = match args.format.as_deref() {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => return Err(refuse("--format", other, "text or json".to_owned())),
        };
        let rate = count("--rate", &args.rate, COUNT_MAX).transpose()?;
        let line_bytes = count("--line-bytes", &args.line_bytes, COUNT_MAX).transpose()?;
        let streams = count("--streams", &args.streams, COUNT_MAX).transpose()?;
        Ok(Self {
            rates: rate.map_or(RATES.to_vec(), |rate| vec![rate]),
            line_bytes: line_bytes.unwrap_or(LINE_BYTES),
            streams: streams.unwrap_or(1),
            asked,
            is_json,
        })
    }

    /// Records that a full ring of `bytes` keeps at least: the block that is being filled, or
    /// recycled, is not counted.
    fn records(&self, bytes: u64) -> u64 {
        let Ok(geometry) = Geometry::for_size(bytes) else { return 0 };
        let block = geometry.block_records(self.line_bytes, self.streams, LABELS_BYTES);
        u64::from(geometry.blocks - 1) * block
    }

    /// The smallest whole number of megabytes that keeps `records`.
    fn size_for(&self, records: u64) -> Option<u64> {
        let (mut low, mut high) = (SEGMENT_BYTES_MIN >> 20, SEGMENT_BYTES_MAX >> 20);
        if self.records(high << 20) < records {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.records(middle << 20) < records { low = middle + 1 } else { high = middle }
        }
        Some(low << 20)
    }

    fn rows(&self) -> Vec<Row> {
        let row = |rate: u64, size: u64| {
            let records = self.records(size);
            let hours = records as f64 / rate as f64 / SECONDS_PER_HOUR;
            Row { rate, size: Some(size), records, hours }
        };
        let mut rows = Vec::new();
        for &rate in &self.rates {
            match &self.asked {
                Asked::Sizes(sizes) => rows.extend(sizes.iter().map(|size| row(rate, *size))),
                Asked::Hours(hours) => {
                    let records = rate.saturating_mul(*hours).saturating_mul(3600);
                    rows.push(match self.size_for(records) {
                        Some(size) => row(rate, size),
                        None => Row { rate, size: None, records, hours: *hours as f64 },
                    });
                }
            }
        }
        rows
    }

    /// Bytes of the ring that a line takes, in one of 1 GiB.
    fn bytes_per_line(&self) -> f64 {
        let block = Geometry::for_size(1 << 30).map_or(0, |geometry| {
            let records = geometry.block_records(self.line_bytes, self.streams, LABELS_BYTES);
            u64::from(geometry.block_bytes) * 1000 / records.max(1)
        });
        block as f64 / 1000.0
    }

    fn text(&self) -> String {
        let (line_bytes, streams, each) = (self.line_bytes, self.streams, self.bytes_per_line());
        let mut out = format!(
            "A line of {line_bytes} bytes takes {each:.1} in the ring (senders: {streams}).\n"
        );
        let rows = self.rows();
        if let Asked::Sizes(sizes) = &self.asked {
            let _infallible = write!(out, "{:>12}", "lines/s");
            for size in sizes {
                let _infallible = write!(out, "{:>10}", show_size(*size));
            }
            for (at, row) in rows.iter().enumerate() {
                if at % sizes.len() == 0 {
                    let _infallible = write!(out, "\n{:>12}", row.rate);
                }
                let _infallible = write!(out, "{:>10}", show_hours(row.hours));
            }
            out.push('\n');
            return out;
        }
        let _infallible = writeln!(out, "{:>12}{:>10}{:>10}", "lines/s", "--size", "keeps");
        for row in rows {
            let size = row.size.map_or("too large".to_owned(), show_size);
            let hours = show_hours(row.hours);
            let _infallible = writeln!(out, "{:>12}{size:>10}{hours:>10}", row.rate);
        }
        out
    }

    fn json(&self) -> String {
        let rows: Vec<serde_json::Value> = self
            .rows()
            .iter()
            .map(|row| {
                serde_json::json!({
                    "lines_per_second": row.rate,
                    "size_bytes": row.size,
                    "records": row.records,
                    "hours": row.hours,
                })
            })
            .collect();
        let whole = serde_json::json!({
            "line_bytes": self.line_bytes,
            "streams": self.streams,
            "bytes_per_line": self.bytes_per_line(),
            "rows": rows,
        });
        format!("{whole}\n")
    }
}

fn refuse(name: &'static str, value: &str, expected: String) -> UsageError {
    UsageError::Value { name, value: value.to_owned(), expected }
}

/// A time as people say it, in the unit that leaves one to three digits before the point.
fn show_hours(hours: f64) -> String {
    match hours {
        hours if hours < 1.0 / 60.0 => format!("{:.1} s", hours * SECONDS_PER_HOUR),
        hours if hours < 1.0 => format!("{:.1} min", hours * 60.0),
        hours if hours < 48.0 => format!("{hours:.1} h"),
        hours if hours < 24_000.0 => format!("{:.1} d", hours / 24.0),
        hours => format!("{:.1} y", hours / 24.0 / 365.25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::segment::{MemStore, NewRecord, Options, Segment, StreamRef};

    fn plan(words: &[&str]) -> Result<Plan, String> {
        let args = <PlanArgs as argh::FromArgs>::from_args(&["plan"], words).unwrap();
        Plan::read(&args).map_err(|error| error.to_string())
    }

    /// Fills a ring until it has recycled blocks; the records that it keeps then.
    fn filled(bytes: u64, line_bytes: usize, streams: usize) -> u64 {
        let geometry = Geometry::for_size(bytes).unwrap();
        let store = MemStore::zeroed(bytes as usize);
        let mut segment = Segment::create(store, geometry, Options::default(), 7, 1_000_000);
        let line = vec![b'x'; line_bytes];
        let labels: Vec<String> = (0..streams)
            .map(|number| format!("host=10.0.{:03}.{:03}\0app=a{number:05}", number / 250, number))
            .collect();
        let mut places = vec![StreamRef::default(); streams];
        let mut at = 0;
        while segment.counters().evicted_blocks < 3 {
            let record = NewRecord {
                text: &line,
                cut: false,
                level: Level::Info,
                received_ns: 5,
                event_ns: 0,
            };
            segment.append(&record, labels[at].as_bytes(), &mut places[at]).unwrap();
            at = (at + 1) % streams;
        }
        segment.records()
    }

    #[test]
    fn a_full_ring_keeps_what_was_planned() {
        for (line_bytes, streams) in [(120, 1), (20, 1), (1000, 10), (120, 500), (8000, 3)] {
            let size = 40 << 20;
            let (line_words, stream_words) = (line_bytes.to_string(), streams.to_string());
            let words = ["--line-bytes", &line_words, "--streams", &stream_words, "--size", "40M"];
            let planned = plan(&words).unwrap().rows()[0].records as f64;
            let kept = filled(size, line_bytes, streams) as f64;
            assert!((planned - kept).abs() / kept < 0.02, "{line_bytes}: {planned}, kept {kept}");
        }
    }

    #[test]
    fn hours_and_sizes_are_each_others_reverse() {
        let plan_of = |words: &[&str]| plan(words).unwrap().rows().remove(0);
        let row = plan_of(&["--rate", "2500", "--hours", "72"]);
        let size = row.size.unwrap();
        assert!(row.hours >= 72.0);
        let megabytes = (size >> 20).to_string();
        assert_eq!(plan_of(&["--rate", "2500", "--size", &megabytes]), row);
        let less = ((size >> 20) - 1).to_string();
        assert!(plan_of(&["--rate", "2500", "--size", &less]).hours < 72.0);
        assert_eq!(plan_of(&["--rate", "1000000", "--hours", "876000"]).size, None);
    }

    #[test]
    fn the_table_has_a_row_a_rate_and_a_column_a_size() {
        let text = plan(&[]).unwrap().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + RATES.len(), "{text}");
        assert!(lines[1].contains("16M") && lines[1].contains("16G"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&plan(&[]).unwrap().json()).unwrap();
        assert_eq!(json["rows"].as_array().unwrap().len(), RATES.len() * SIZES.len());
        let text = plan(&["--hours", "24"]).unwrap().text();
        assert_eq!(text.lines().count(), 2 + RATES.len(), "{text}");
    }

    #[test]
    fn flags_are_refused_with_what_they_allow() {
        let cases = [
            (&["--rate", "0"][..], "--rate \"0\": expected a whole number from 1 to 1000000000"),
            (&["--size", "3"], ""),
            (&["--size", "1G", "--hours", "1"], "plan: --size or --hours, not both"),
            (&["--format", "xml"], "--format \"xml\": expected text or json"),
        ];
        for (words, expected) in cases {
            match plan(words) {
                Ok(_) => assert_eq!(expected, "", "{words:?}"),
                Err(error) => assert_eq!(error, expected),
            }
        }
    }
}

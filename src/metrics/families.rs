//! Writes metric families: the text format of Prometheus, version 0.0.4; OpenMetrics, version
//! 1.0.0; or one JSON object.
//!
//! ```text
//! # HELP logcaster_dropped_total …                 # TYPE logcaster_dropped counter
//! # TYPE logcaster_dropped_total counter           # HELP logcaster_dropped …
//! logcaster_dropped_total{reason="cut"} 7          logcaster_dropped_total{reason="cut"} 7
//!                                                  # EOF
//! {"logcaster_dropped_total":{"cut":7}}
//! ```
//!
//! A family is begun, then each of its samples is written; nothing is kept between them.

use std::io::Write as _;

use crate::clock::SECOND;

/// How the families are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// An object with a member for each family: a number, an object by the values of its labels
    /// (joined by commas where there are several), or `count`, `sum`, `p50`, `p99` and `buckets`.
    Json,
}

impl Exposition {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows. Its name ends in `_total`, which is added.
    Counter,
    /// It comes and goes.
    Gauge,
    /// Its labels say something, its value is 1. Its name ends in `_info`, which is added.
    Info,
    /// Durations by their length.
    Histogram,
}

/// A sample's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// Nanoseconds, written as seconds.
    Nanoseconds(u64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

/// Writes one family after the other.
#[derive(Debug)]
pub struct Families<'a> {
    exposition: Exposition,
    out: &'a mut Vec<u8>,
    /// The name of the family's samples.
    name: String,
    labels: &'static [&'static str],
    has_families: bool,
    has_samples: bool,
}

impl<'a> Families<'a> {
    /// Begins a page at the end of `out`.
    pub fn new(exposition: Exposition, out: &'a mut Vec<u8>) -> Self {
        if exposition == Exposition::Json {
            out.push(b'{');
        }
        let name = String::new();
        Self { exposition, out, name, labels: &[], has_families: false, has_samples: false }
    }

    /// Ends the page.
    pub fn finish(mut self) {
        self.end();
        match self.exposition {
            Exposition::Prometheus => {}
            Exposition::OpenMetrics => self.out.extend_from_slice(b"# EOF\n"),
            Exposition::Json => self.out.extend_from_slice(b"}\n"),
        }
    }

    /// Begins a family: `name` without the ending that its kind adds, `help` a sentence without
    /// quotes and backslashes, `labels` the names of the labels that each sample has.
    pub fn begin(
        &mut self,
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) {
        self.end();
        let ending = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.clear();
        self.name.push_str(name);
        self.name.push_str(ending);
        self.labels = labels;
        let type_name = match (kind, self.exposition) {
            (Kind::Counter, _) => "counter",
            (Kind::Info, Exposition::OpenMetrics) => "info",
            (Kind::Gauge | Kind::Info, _) => "gauge",
            (Kind::Histogram, _) => "histogram",
        };
        match self.exposition {
            Exposition::Prometheus => {
                put(self.out, format_args!("# HELP {} {help}\n", self.name));
                put(self.out, format_args!("# TYPE {} {type_name}\n", self.name));
            }
            // There the ending belongs to the sample, not to the family.
            Exposition::OpenMetrics => {
                put(self.out, format_args!("# TYPE {name} {type_name}\n# HELP {name} {help}\n"));
            }
            Exposition::Json => {
                let comma = if self.has_families { "," } else { "" };
                put(self.out, format_args!("{comma}\"{}\":", self.name));
                if !labels.is_empty() {
                    self.out.push(b'{');
                }
            }
        }
        self.has_families = true;
        self.has_samples = false;
    }

    /// Writes a sample of the family: its labels' values, in the order of their names, as many as
    /// there are names.
    pub fn sample(&mut self, values: &[&str], value: impl Into<Value>) {
        assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        if self.exposition == Exposition::Json {
            if !self.labels.is_empty() {
                self.out.extend_from_slice(if self.has_samples { b",\"" } else { b"\"" });
                for (at, value) in values.iter().enumerate() {
                    self.out.extend_from_slice(if at > 0 { b"," } else { b"" });
                    escape(value, self.exposition, self.out);
                }
                self.out.extend_from_slice(b"\":");
            }
        } else {
            self.out.extend_from_slice(self.name.as_bytes());
            for (at, (name, value)) in self.labels.iter().zip(values).enumerate() {
                self.out.push(if at == 0 { b'{' } else { b',' });
                put(self.out, format_args!("{name}=\""));
                escape(value, self.exposition, self.out);
                self.out.push(b'"');
            }
            self.out.extend_from_slice(if values.is_empty() { b" " } else { b"} " });
        }
        push_value(value.into(), self.out);
        self.end_sample();
    }

    /// A family of one sample without labels.
    pub fn one(
        &mut self,
        kind: Kind,
        name: &'static str,
        value: impl Into<Value>,
        help: &'static str,
    ) {
        self.begin(kind, name, &[], help);
        self.sample(&[], value);
    }

    /// A histogram of durations without labels: how many there were, their sum in nanoseconds, and
    /// bounds in nanoseconds, growing, with how many were at most so long.
    pub fn histogram(
        &mut self,
        name: &'static str,
        (count, sum_ns): (u64, u64),
        buckets: impl Iterator<Item = (u64, u64)> + Clone,
        help: &'static str,
    ) {
        self.begin(Kind::Histogram, name, &[], help);
        if self.exposition == Exposition::Json {
            self.histogram_members((count, sum_ns), buckets);
            self.has_samples = true;
            return;
        }
        for (bound, below) in buckets {
            put(self.out, format_args!("{name}_bucket{{le=\""));
            push_bound(bound, self.out);
            put(self.out, format_args!("\"}} {below}\n"));
        }
        put(self.out, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum "));
        push_value(Value::Nanoseconds(sum_ns), self.out);
        put(self.out, format_args!("\n{name}_count {count}\n"));
    }

    fn histogram_members(
        &mut self,
        (count, sum_ns): (u64, u64),
        buckets: impl Iterator<Item = (u64, u64)> + Clone,
    ) {
        put(self.out, format_args!("{{\"count\":{count},\"sum\":"));
        push_value(Value::Nanoseconds(sum_ns), self.out);
        for thousandths in [500, 990] {
            put(self.out, format_args!(",\"p{}\":", thousandths / 10));
            let wanted = count.saturating_mul(thousandths).div_ceil(1000);
            match buckets.clone().find(|(_, below)| *below >= wanted) {
                _ if count == 0 => self.out.push(b'0'),
                Some((bound, _)) => push_value(Value::Nanoseconds(bound), self.out),
                // Longer than every bound.
                None => self.out.extend_from_slice(b"null"),
            }
        }
        self.out.extend_from_slice(b",\"buckets\":{");
        for (bound, below) in buckets {
            self.out.push(b'"');
            push_bound(bound, self.out);
            put(self.out, format_args!("\":{below},"));
        }
        put(self.out, format_args!("\"+Inf\":{count}}}}}"));
    }

    fn end_sample(&mut self) {
        if self.exposition != Exposition::Json {
            self.out.push(b'\n');
        }
        self.has_samples = true;
    }

    /// Ends the family before the next.
    fn end(&mut self) {
        if self.exposition == Exposition::Json && self.has_families && !self.labels.is_empty() {
            self.out.push(b'}');
        }
    }
}

/// Appends formatted text: a `Vec` takes everything.
fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}

fn push_value(value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Count(count) => put(out, format_args!("{count}")),
        Value::Nanoseconds(ns) => push_seconds(ns, out),
    }
}

/// Seconds with as many digits behind the point as it takes: `0`, `12.5`.
fn push_seconds(ns: u64, out: &mut Vec<u8>) {
    put(out, format_args!("{}", ns / SECOND));
    if !ns.is_multiple_of(SECOND) {
        put(out, format_args!(".{:09}", ns % SECOND));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// A bound in seconds, always with a point, so that it is the same label in both formats:
/// OpenMetrics, section "Numbers in le".
fn push_bound(ns: u64, out: &mut Vec<u8>) {
    // Below a ten thousandth a float is written with an exponent.
    if ns > 0 && ns < SECOND / 10_000 {
        let digits = ns.to_string();
        let (first, rest) = digits.split_at(1);
        let rest = rest.trim_end_matches('0');
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = 10 - digits.len();
        return put(out, format_args!("{first}{point}{rest}e-{exponent:02}"));
    }
    push_seconds(ns, out);
    if ns.is_multiple_of(SECOND) {
        out.extend_from_slice(b".0");
    }
}

/// A label's value inside its quotes.
fn escape(value: &str, exposition: Exposition, out: &mut Vec<u8>) {
    for letter in value.chars() {
        match letter {
            '\\' => out.extend_from_slice(b"\\\\"),
            '"' => out.extend_from_slice(b"\\\""),
            '\n' => out.extend_from_slice(b"\\n"),
            control if exposition == Exposition::Json && control.is_control() => {
                put(out, format_args!("\\u{:04x}", u32::from(control)));
            }
            letter => put(out, format_args!("{letter}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::Page;

    fn page(exposition: Exposition, write: impl FnOnce(&mut Families<'_>)) -> String {
        let mut out = Vec::new();
        let mut families = Families::new(exposition, &mut out);
        write(&mut families);
        families.finish();
        String::from_utf8(out).unwrap()
    }

    fn example(families: &mut Families<'_>) {
        families.begin(Kind::Info, "x_build", &["version"], "What runs");
        families.sample(&["a\\b\"c\nd\té"], 1_u64);
        families.begin(Kind::Counter, "x_http", &["route", "code"], "Requests");
        families.sample(&["a", "2xx"], 3_u64);
        families.sample(&["b", "2xx"], u64::MAX);
        families.one(Kind::Gauge, "x_age_seconds", Value::Nanoseconds(1_500_000_000), "Age");
        let buckets = [(SECOND / 1_000_000 * 8, 1), (SECOND / 10_000, 2), (SECOND, 3)];
        families.histogram("x_seconds", (4, 30 * SECOND), buckets.into_iter(), "Times");
    }

    #[test]
    fn the_text_format_is_as_it_is_specified() {
        let expected = "# HELP x_build_info What runs\n# TYPE x_build_info gauge\n\
             x_build_info{version=\"a\\\\b\\\"c\\nd\té\"} 1\n\
             # HELP x_http_total Requests\n# TYPE x_http_total counter\n\
             x_http_total{route=\"a\",code=\"2xx\"} 3\n\
             x_http_total{route=\"b\",code=\"2xx\"} 18446744073709551615\n\
             # HELP x_age_seconds Age\n# TYPE x_age_seconds gauge\nx_age_seconds 1.5\n\
             # HELP x_seconds Times\n# TYPE x_seconds histogram\n\
             x_seconds_bucket{le=\"8e-06\"} 1\nx_seconds_bucket{le=\"0.0001\"} 2\n\
             x_seconds_bucket{le=\"1.0\"} 3\nx_seconds_bucket{le=\"+Inf\"} 4\n\
             x_seconds_sum 30\nx_seconds_count 4\n";
        assert_eq!(page(Exposition::Prometheus, example), expected);
    }

    #[test]
    fn open_metrics_names_families_without_their_endings_and_has_an_end() {
        let text = page(Exposition::OpenMetrics, example);
        assert!(text.starts_with("# TYPE x_build info\n# HELP x_build What runs\nx_build_info{"));
        assert!(text.contains("# TYPE x_http counter\n# HELP x_http Requests\nx_http_total{"));
        assert!(text.ends_with("x_seconds_count 4\n# EOF\n"));
    }

    #[test]
    fn label_values_are_escaped_and_read_back() {
        for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
            let page = Page::read(&page(exposition, example), exposition);
            assert_eq!(page.value("x_build_info{version=a\\b\"c\nd\té}"), 1.0);
            assert_eq!(page.value("x_http_total{route=b,code=2xx}"), u64::MAX as f64);
        }
    }

    #[test]
    fn json_is_one_object_of_the_same_names() {
        let text = page(Exposition::Json, example);
        let expected = "{\"x_build_info\":{\"a\\\\b\\\"c\\nd\\u0009é\":1},\
             \"x_http_total\":{\"a,2xx\":3,\"b,2xx\":18446744073709551615},\
             \"x_age_seconds\":1.5,\
             \"x_seconds\":{\"count\":4,\"sum\":30,\"p50\":0.0001,\"p99\":null,\
             \"buckets\":{\"8e-06\":1,\"0.0001\":2,\"1.0\":3,\"+Inf\":4}}}\n";
        assert_eq!(text, expected);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn a_family_without_samples_is_still_json() {
        let nothing = |families: &mut Families<'_>| {
            families.begin(Kind::Counter, "x_bad", &["reason"], "Bad");
            families.one(Kind::Gauge, "x", 1_u64, "One");
            families.begin(Kind::Counter, "x_worse", &["reason"], "Worse");
        };
        assert_eq!(
            page(Exposition::Json, nothing),
            "{\"x_bad_total\":{},\"x\":1,\"x_worse_total\":{}}\n"
        );
        assert_eq!(page(Exposition::Json, |_| ()), "{}\n");
    }

    #[test]
    fn bounds_are_written_as_floats_are() {
        let bounds = [
            (8192, "8.192e-06"),
            (32_768, "3.2768e-05"),
            (100_000, "0.0001"),
            (131_072, "0.000131072"),
            (2_500_000_000, "2.5"),
            (10 * SECOND, "10.0"),
            (1, "1e-09"),
            (10, "1e-08"),
            (0, "0.0"),
        ];
        for (ns, expected) in bounds {
            let mut out = Vec::new();
            push_bound(ns, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, expected);
            assert_eq!(text.parse::<f64>(), Ok(ns as f64 / 1e9));
        }
    }
}

//! For tests: a naive reader of a page of metrics, which refuses what a collector would.

use std::collections::BTreeMap;

use super::families::Exposition;

/// What a page says.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Families and their types.
    pub types: BTreeMap<String, String>,
    /// Families and what is said of them.
    pub helps: BTreeMap<String, String>,
    /// Samples as `name{label=value,…}`, values unescaped, and their numbers.
    pub samples: BTreeMap<String, f64>,
    /// The family of each sample.
    families: BTreeMap<String, String>,
}

impl Page {
    /// Reads `text`. Fails the test where a line is none, a family lacks its help or its type or
    /// comes twice, a sample belongs to no family or comes twice.
    #[track_caller]
    pub fn read(text: &str, exposition: Exposition) -> Self {
        let mut page = Self::default();
        let body = match exposition {
            Exposition::OpenMetrics => text.strip_suffix("# EOF\n").expect("an end"),
            _ => text,
        };
        assert!(body.ends_with('\n') && !body.contains("# EOF"));
        let mut family = String::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(!help.contains(['\\', '"']), "{line}");
                family = name.to_owned();
                let before = page.helps.insert(family.clone(), help.to_owned());
                assert_eq!(before, None, "{name} comes twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                family = name.to_owned();
                let before = page.types.insert(family.clone(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
            } else {
                page.read_sample(line, &family, exposition);
            }
        }
        assert!(page.types.keys().eq(page.helps.keys()), "each family has a help and a type");
        page.check_histograms();
        page
    }

    #[track_caller]
    fn read_sample(&mut self, line: &str, family: &str, exposition: Exposition) {
        let (key, value) = read_sample(line);
        let name = key.split('{').next().expect("a first piece");
        let kind = self.types.get(family).map_or("", String::as_str);
        let endings: &[&str] = match kind {
            "counter" if exposition == Exposition::OpenMetrics => &["_total"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "counter" | "gauge" => &[""],
            other => panic!("{line}: type {other:?}"),
        };
        let ending = name.strip_prefix(family);
        assert!(ending.is_some_and(|ending| endings.contains(&ending)), "{line} of {family}");
        let is_counter = kind == "counter";
        assert_eq!(name.ends_with("_total"), is_counter, "{line}: _total is for counters");
        assert!(value >= 0.0 && value.is_finite(), "{line}");
        self.families.insert(key.clone(), family.to_owned());
        assert_eq!(self.samples.insert(key, value), None, "{line} comes twice");
    }

    /// Buckets grow, the last is `+Inf` and equals the count.
    #[track_caller]
    fn check_histograms(&self) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let prefix = format!("{family}_bucket{{le=");
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for (key, count) in self.samples.iter().filter(|(key, _)| key.starts_with(&prefix)) {
                let bound = key[prefix.len()..].trim_end_matches('}');
                buckets.push((bound.parse().expect("a bound"), *count));
            }
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{family}: {buckets:?}");
            let last = *buckets.last().expect("buckets");
            assert_eq!(last, (f64::INFINITY, self.value(&format!("{family}_count"))), "{family}");
            self.value(&format!("{family}_sum"));
        }
    }

    /// The value of a sample, which must be there.
    #[track_caller]
    pub fn value(&self, key: &str) -> f64 {
        *self.samples.get(key).unwrap_or_else(|| panic!("no {key} in {:#?}", self.samples))
    }
}

/// `name{label="value"} 5` as `name{label=value}` and 5.
#[track_caller]
fn read_sample(line: &str) -> (String, f64) {
    let is_name = |name: &str| {
        let is_letter = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        name.starts_with(is_letter)
            && name.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit())
    };
    let name_bytes = line.find(['{', ' ']).expect("a sample");
    let (name, mut rest) = line.split_at(name_bytes);
    assert!(is_name(name), "{line}");
    let mut key = name.to_owned();
    while let Some(inner) = rest.strip_prefix(['{', ',']) {
        key.push_str(&rest[..1]);
        let (label, value) = inner.split_once("=\"").expect("a label");
        assert!(is_name(label), "{line}");
        key.push_str(label);
        key.push('=');
        let mut letters = value.char_indices();
        let end = loop {
            match letters.next().expect("a quote") {
                (at, '"') => break at,
                (_, '\\') => match letters.next().expect("an escaped letter").1 {
                    'n' => key.push('\n'),
                    letter @ ('\\' | '"') => key.push(letter),
                    other => panic!("{line}: \\{other}"),
                },
                (_, letter) => key.push(letter),
            }
        };
        rest = &value[end + 1..];
    }
    if let Some(after) = rest.strip_prefix('}') {
        key.push('}');
        rest = after;
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    (key, value.parse().expect("a number"))
}

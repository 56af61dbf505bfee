//! The house's rules, kept by reading the tree: sizes, who may import what, and that every bound
//! has a counter and a test.

use std::path::{Path, PathBuf};

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Files longer than [`FILE_LINES_MAX`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/config/table.rs", "one flat table: a row a setting"),
    ("src/limits.rs", "one flat table: a constant a bound"),
];

/// One source file, with its path from the top of the tree.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its lines with their numbers, without comments and without what stands between quotes.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, code_of(line)))
    }

    fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// A line without its comment and without the text of its strings.
fn code_of(line: &str) -> String {
    let (mut code, mut chars, mut quoted) = (String::new(), line.chars().peekable(), false);
    while let Some(char) = chars.next() {
        match char {
            '\\' if quoted => {
                chars.next();
            }
            '"' => quoted = !quoted,
            // A quote or a brace as a character is no quote and no brace.
            '\'' if !quoted => {
                let rest: String = chars.clone().take(3).collect();
                let inner = rest.strip_prefix('\\').unwrap_or(&rest);
                if inner.chars().nth(1) == Some('\'') {
                    chars.nth(rest.len() - inner.len() + 1);
                }
            }
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            char if !quoted => code.push(char),
            _ => {}
        }
    }
    code
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("data") {
            files_below(&path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
}

/// Every Rust file below `folders`.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        files_below(&top().join(folder), ".rs", &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no sources in {folders:?}");
    let source = |path: PathBuf| Source {
        path: path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(source).collect()
}

fn all_sources() -> Vec<Source> {
    sources(&["src", "tests", "fuzz"])
}

/// Fails with all findings at once, so that one run shows them all.
#[track_caller]
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Where `pattern` stands in code outside `folders`.
fn outside(folders: &[&str], among: &[Source], is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for source in among.iter().filter(|source| !source.is_below(folders)) {
        for (number, line) in source.code().filter(|(_, line)| is_bad(line)) {
            findings.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    findings
}

/// Whether `word` stands in `line` with no letter, digit or `_` on either side.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

#[test]
fn lines_have_at_most_100_columns() {
    let mut findings = Vec::new();
    for source in all_sources() {
        for (index, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            // A link cannot be broken.
            if columns > COLUMNS_MAX && !line.contains("https://") {
                findings.push(format!("{}:{}: {columns} columns", source.path, index + 1));
            }
        }
    }
    none("at most 100 columns", findings);
}

#[test]
fn files_have_at_most_600_lines_or_a_reason() {
    let sources = all_sources();
    let long = |source: &&Source| {
        source.text.lines().count() > FILE_LINES_MAX
            && !LONG_FILES.iter().any(|&(path, _)| path == source.path)
    };
    let said = |source: &Source| format!("{}: {} lines", source.path, source.text.lines().count());
    none("at most 600 lines", sources.iter().filter(long).map(said).collect());
    for (path, reason) in LONG_FILES {
        assert!(sources.iter().any(|source| source.path == *path), "{path} is gone: drop it here");
        assert!(!reason.is_empty());
    }
}

#[test]
fn functions_have_at_most_70_lines() {
    let mut findings = Vec::new();
    for source in all_sources() {
        findings.extend(long_functions(&source));
    }
    none("at most 70 lines a function", findings);
}

/// Relies on rustfmt's shape: a function ends at the first `}` that is indented as its `fn` is.
fn long_functions(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = code_of(line);
        if !has_word(&code, "fn") || !is_function(code.trim_start()) {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_end = |line: &&str| line.strip_prefix(indent).is_some_and(|rest| rest == "}");
        let ends_at_once = code.ends_with(';') || code.ends_with('}');
        let length = lines[start..].iter().position(is_end).map_or(0, |last| last + 1);
        if !ends_at_once && length > FUNCTION_LINES_MAX {
            findings.push(format!("{}:{}: {length} lines", source.path, start + 1));
        }
    }
    findings
}

/// Whether a line of code begins a function (and is no `Fn` bound or type).
fn is_function(code: &str) -> bool {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    code.split_whitespace().find(|word| !words.contains(word)) == Some("fn")
}

#[test]
fn sockets_stand_in_the_reactor_and_the_command_line_only() {
    let sources = sources(&["src"]);
    let mio = outside(&["src/reactor/"], &sources, |line| has_word(line, "mio"));
    none("mio only in src/reactor/", mio);
    let net = outside(&["src/reactor/", "src/cli/"], &sources, |line| line.contains("std::net"));
    none("std::net only in src/reactor/ and src/cli/", net);
}

#[test]
fn unsafe_stands_in_two_modules_only() {
    let unsafe_homes = ["src/segment/map.rs", "src/reactor/sys.rs"];
    let findings = outside(&unsafe_homes, &all_sources(), |line| has_word(line, "unsafe"));
    none("unsafe only in the map and in sys", findings);
}

#[test]
fn time_is_read_in_the_clock_only() {
    let reads_time = |line: &str| {
        ["Instant::now", "SystemTime::now", "Zoned::now", "Timestamp::now"]
            .iter()
            .any(|call| line.contains(call))
    };
    // The command line is at the other end of the wire: a client and a bench have a clock.
    let homes = ["src/clock.rs", "src/cli/"];
    let is_core = |source: &Source| !source.path.contains("/tests");
    let core: Vec<Source> = sources(&["src"]).into_iter().filter(is_core).collect();
    none("now() only in src/clock.rs", outside(&homes, &core, reads_time));
}

#[test]
fn every_module_stands_on_the_map() {
    let map = std::fs::read_to_string(top().join("src/ARCHITECTURE.md")).unwrap();
    let is_missing = |source: &Source| {
        let path = source.path.strip_prefix("src/").unwrap();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // A folder's mod.rs is the folder; a folder within a folder may stand for its files.
        let by_folder = name == "mod.rs" || folder.contains('/');
        let is_test = name == "tests.rs" || folder.ends_with("tests");
        // The roots of the crate are no modules: one holds the map, the other calls the library.
        let is_root = folder.is_empty() && matches!(name, "lib.rs" | "main.rs");
        let is_named = map.contains(name) || by_folder && map.contains(&format!("{folder}/"));
        !is_test && !is_root && !is_named
    };
    let sources = sources(&["src"]);
    let findings = sources.iter().filter(|s| is_missing(s)).map(|s| s.path.clone()).collect();
    none("every module is named in src/ARCHITECTURE.md", findings);
    assert!(map.lines().count() < 200, "a map of {} lines is no map", map.lines().count());
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    let sources = all_sources();
    let ignored = outside(&[], &sources, |line| line.trim_start().starts_with("#[ignore"));
    none("no ignored test", ignored);
    let tests: Vec<Source> = sources.into_iter().filter(|s| s.is_below(&["tests/"])).collect();
    none("no sleeps in tests", outside(&[], &tests, |line| has_word(line, "sleep")));
}

#[test]
fn nothing_is_put_off() {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let macros = ["todo!", "unimplemented!", "dbg!"];
    let mut findings = Vec::new();
    for source in all_sources() {
        for (index, line) in source.text.lines().enumerate() {
            let code = code_of(line);
            if marks.iter().any(|mark| has_word(line, mark))
                || macros.iter().any(|name| code.contains(name))
            {
                findings.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    none("nothing is put off in the tree", findings);
}

/// A bound of `src/limits.rs`: its name and what its documentation says of it.
struct Limit {
    name: String,
    doc: String,
}

fn limits() -> Vec<Limit> {
    let text = std::fs::read_to_string(top().join("src/limits.rs")).unwrap();
    let (mut limits, mut doc) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(more) = line.trim().strip_prefix("///") {
            doc.push_str(more);
            continue;
        }
        if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap().to_owned();
            limits.push(Limit { name, doc: doc.clone() });
        }
        doc.clear();
    }
    limits
}

/// What stands behind `key` in the documentation, between backquotes; or `none` with its reason.
fn named<'a>(doc: &'a str, key: &str) -> Result<Vec<&'a str>, String> {
    let (_, rest) = doc.split_once(key).ok_or(format!("no `{key}`"))?;
    let rest = rest.trim_start();
    if let Some(reason) = rest.strip_prefix("none") {
        let reason = reason.trim_start_matches([':', ' ', '(']);
        let said = reason.split_whitespace().count() > 1;
        return if said { Ok(Vec::new()) } else { Err(format!("{key} none, and no reason")) };
    }
    let sentence = rest.split_once(". ").map_or(rest, |(sentence, _)| sentence);
    let names: Vec<&str> = sentence.split('`').skip(1).step_by(2).collect();
    if names.is_empty() { Err(format!("{key} names nothing")) } else { Ok(names) }
}

#[test]
fn every_bound_has_a_counter_and_a_test_that_reaches_it() {
    let read = |path: &str| std::fs::read_to_string(top().join(path)).unwrap();
    // The segment counts for itself: it knows nothing of the server around it.
    let metrics = read("src/metrics.rs") + &read("src/metrics/http.rs");
    let segment = read("src/segment/ring.rs");
    let sources = sources(&["src", "tests"]);
    let fields = metrics + &segment;
    let has_counter = |name: &str| {
        let field = format!("{name}:");
        fields.lines().any(|line| line.trim_start().trim_start_matches("pub ").starts_with(&field))
    };
    let has_test = |name: &str| {
        let head = format!("fn {name}(");
        sources.iter().any(|source| source.text.contains(&head))
    };
    let mut findings = Vec::new();
    for Limit { name, doc } in limits() {
        for (key, exists) in [
            ("Counter:", &has_counter as &dyn Fn(&str) -> bool),
            ("Test:", &has_test as &dyn Fn(&str) -> bool),
        ] {
            match named(&doc, key) {
                Err(why) => findings.push(format!("{name}: {why}")),
                Ok(names) => {
                    let missing = names.into_iter().filter(|name| !exists(name));
                    findings
                        .extend(missing.map(|gone| format!("{name}: {key} `{gone}` is not there")));
                }
            }
        }
    }
    none("every bound has a counter and a test", findings);
}

#[test]
fn the_gates_see_what_they_should() {
    assert_eq!(code_of(r#"let a = "x // {"; // unsafe"#), "let a = ; ");
    assert_eq!(code_of(r"match c { '{' => 1, '\'' => 2, 'a'..='z' => 3 } // no"), {
        "match c {  => 1,  => 2, ..= => 3 } "
    });
    assert_eq!(code_of("fn f<'a>(x: &'a str) {"), "fn f<a>(x: &a str) {");
    assert!(has_word("use mio::Poll;", "mio") && !has_word("use tokamio;", "mio"));
    let long = format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    x();\n".repeat(69));
    let source = Source { path: "p.rs".to_owned(), text: long };
    assert_eq!(long_functions(&source), ["p.rs:2: 71 lines"]);
    assert_eq!(named("a. Counter: `x`. Test: `y`, `z`.", "Test:").unwrap(), ["y", "z"]);
    assert!(named("a. Counter: none.", "Counter:").is_err());
    assert!(named("a. Counter: none: a size and no bound. Test: `y`.", "Counter:").is_ok());
}

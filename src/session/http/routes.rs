//! Which path is what: one table.

use super::answer::JSON;
use super::page;
use super::questions::Ask;
use crate::metrics::http as metrics;
use crate::proto::bulk::{bulk_index, handshake};
use crate::proto::http::{Method, Request};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page, or who we are, by what the client wants to see.
    Root,
    /// The root, by a name without its slash.
    Below,
    /// A part of the page.
    Asset(&'static str),
    /// What the reactor knows of itself.
    Host(HostAsk),
    /// Log lines come in.
    Insert(Insert),
    /// A question about records.
    Ask(Ask),
    /// A fixed answer: its body, as JSON where it begins so. For Elasticsearch's clients.
    Handshake(&'static str),
    /// A fixed answer that a sender wants to see before it sends.
    Fixed(&'static str),
}

/// What only the reactor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAsk {
    /// Whether the loop turns.
    Live,
    /// Whether questions are answered and lines are taken.
    Ready,
    /// How everything is.
    Health {
        /// As words rather than JSON.
        is_text: bool,
    },
    /// Every number.
    Metrics {
        /// As OpenMetrics rather than Prometheus' own text.
        is_open: bool,
    },
}

/// What log lines are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// One JSON object a line.
    JsonLines,
    /// Plain lines.
    Raw,
    /// Loki's push, as protobuf or JSON.
    Loki,
    /// Elasticsearch's `_bulk`.
    Bulk,
    /// OTLP logs, as protobuf or JSON.
    Otlp,
}

impl Route {
    /// The same as the client wants to see it.
    pub fn shown_to(self, request: &Request) -> Self {
        match self {
            Self::Host(HostAsk::Health { .. }) => {
                let is_text = request.prefers(&[JSON, "text/plain"]) == Some("text/plain");
                Self::Host(HostAsk::Health { is_text })
            }
            Self::Host(HostAsk::Metrics { .. }) => {
                let offered = ["text/plain", "application/openmetrics-text"];
                let is_open = request.prefers(&offered) == Some(offered[1]);
                Self::Host(HostAsk::Metrics { is_open })
            }
            other => other,
        }
    }

    /// What it is counted as.
    pub fn class(&self) -> metrics::Route {
        match self {
            Self::Root | Self::Below | Self::Asset(_) => metrics::Route::Page,
            Self::Host(HostAsk::Metrics { .. }) => metrics::Route::Metrics,
            Self::Host(_) | Self::Fixed(_) => metrics::Route::Health,
            Self::Insert(Insert::JsonLines) => metrics::Route::InsertJsonline,
            Self::Insert(Insert::Raw) => metrics::Route::InsertRaw,
            Self::Insert(Insert::Loki) => metrics::Route::LokiPush,
            Self::Insert(Insert::Bulk) => metrics::Route::Bulk,
            Self::Insert(Insert::Otlp) => metrics::Route::Otlp,
            Self::Handshake(_) => metrics::Route::Elasticsearch,
            Self::Ask(Ask::Query) => metrics::Route::Query,
            Self::Ask(Ask::Tail) => metrics::Route::Tail,
            Self::Ask(Ask::Hits) => metrics::Route::Hits,
            Self::Ask(Ask::Labels | Ask::Values(_)) => metrics::Route::Labels,
            Self::Ask(Ask::Stats) => metrics::Route::Stats,
        }
    }
}

/// What became of looking for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is this.
    Route(Route),
    /// It is there for other methods, which are these.
    WrongMethod(&'static str),
    /// There is nothing.
    Nothing,
}

const READ: &str = "GET, HEAD, OPTIONS";
const WRITE: &str = "POST, PUT, OPTIONS";
const BOTH: &str = "GET, HEAD, POST, OPTIONS";

struct Row {
    /// `*` stands for one part of a path.
    path: &'static str,
    methods: &'static str,
    route: fn(part: &str) -> Route,
}

const fn row(path: &'static str, methods: &'static str, route: fn(&str) -> Route) -> Row {
    Row { path, methods, route }
}

/// Every path but those of Elasticsearch's handshake.
const ROUTES: &[Row] = &[
    row("/", READ, |_| Route::Root),
    row("/health", READ, |_| Route::Host(HostAsk::Health { is_text: false })),
    row("/health/live", READ, |_| Route::Host(HostAsk::Live)),
    row("/health/ready", READ, |_| Route::Host(HostAsk::Ready)),
    row("/ready", READ, |_| Route::Host(HostAsk::Ready)),
    row("/insert/loki/ready", READ, |_| Route::Host(HostAsk::Ready)),
    row("/insert/ready", READ, |_| Route::Fixed("{\"status\":\"ok\"}\n")),
    row("/metrics", READ, |_| Route::Host(HostAsk::Metrics { is_open: false })),
    row("/insert/jsonline", WRITE, |_| Route::Insert(Insert::JsonLines)),
    row("/insert/raw", WRITE, |_| Route::Insert(Insert::Raw)),
    row("/loki/api/v1/push", WRITE, |_| Route::Insert(Insert::Loki)),
    row("/insert/loki/api/v1/push", WRITE, |_| Route::Insert(Insert::Loki)),
    row("/api/prom/push", WRITE, |_| Route::Insert(Insert::Loki)),
    row("/v1/logs", WRITE, |_| Route::Insert(Insert::Otlp)),
    row("/insert/opentelemetry/v1/logs", WRITE, |_| Route::Insert(Insert::Otlp)),
    row("/api/query", BOTH, |_| Route::Ask(Ask::Query)),
    row("/api/tail", BOTH, |_| Route::Ask(Ask::Tail)),
    row("/api/hits", BOTH, |_| Route::Ask(Ask::Hits)),
    row("/api/labels", BOTH, |_| Route::Ask(Ask::Labels)),
    row("/api/labels/*", BOTH, |name| Route::Ask(Ask::Values(name.as_bytes().to_vec()))),
    row("/api/stats", BOTH, |_| Route::Ask(Ask::Stats)),
];

/// Looks a path up.
pub fn find(method: Method, path: &str) -> Found {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let found = ROUTES.iter().find_map(|row| Some((row, part(row.path, path)?)));
    if let Some((row, part)) = found {
        let is_allowed = row.methods.split(", ").any(|one| one == method.name());
        return if is_allowed {
            Found::Route((row.route)(part))
        } else {
            Found::WrongMethod(row.methods)
        };
    }
    if let Some(name) = page::name(path) {
        return match method {
            Method::Get | Method::Head => Found::Route(Route::Asset(name)),
            _ => Found::WrongMethod(READ),
        };
    }
    if bulk_index(path).is_some() {
        return match method {
            Method::Post | Method::Put => Found::Route(Route::Insert(Insert::Bulk)),
            _ => Found::WrongMethod(WRITE),
        };
    }
    match handshake(method.name(), path) {
        Some(answer) => Found::Route(Route::Handshake(answer)),
        None => Found::Nothing,
    }
}

/// What stands in `path` where `pattern` has its `*`; empty where it has none, `None` where the
/// path is another.
fn part<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once('*') else {
        return (pattern == path).then_some("");
    };
    let part = path.strip_prefix(before)?.strip_suffix(after)?;
    (!part.is_empty() && !part.contains('/')).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_found_under_each_of_its_names() {
        let insert = |one| Found::Route(Route::Insert(one));
        for path in
            ["/_bulk", "/logs-x/_bulk", "/elasticsearch/_bulk", "/insert/elasticsearch/a/_bulk"]
        {
            assert_eq!(find(Method::Post, path), insert(Insert::Bulk), "{path}");
            assert_eq!(find(Method::Put, path), insert(Insert::Bulk), "{path}");
        }
        for path in ["/loki/api/v1/push", "/api/prom/push", "/insert/loki/api/v1/push"] {
            assert_eq!(find(Method::Post, path), insert(Insert::Loki), "{path}");
        }
        assert_eq!(
            find(Method::Get, "/health/"),
            Found::Route(Route::Host(HostAsk::Health { is_text: false }))
        );
        let values = Route::Ask(Ask::Values(b"host".to_vec()));
        assert_eq!(find(Method::Get, "/api/labels/host"), Found::Route(values));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(find(Method::Get, "/insert/jsonline"), Found::WrongMethod(WRITE));
        assert_eq!(find(Method::Post, "/metrics"), Found::WrongMethod(READ));
        assert_eq!(find(Method::Get, "/a/b/c/_bulk"), Found::Nothing);
        assert_eq!(find(Method::Get, "/nothing"), Found::Nothing);
    }
}

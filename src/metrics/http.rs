//! What is counted of HTTP: requests by what they asked for and how they ended, bodies, entries.

use crate::limits::METRIC_KINDS_MAX as KINDS_MAX;

/// What a request asks for, as coarse as a label may be: whatever a client invents, there are only
/// so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/insert/jsonline`
    InsertJsonline,
    /// `/insert/raw`
    InsertRaw,
    /// `/loki/api/v1/push`
    LokiPush,
    /// `/_bulk`
    Bulk,
    /// `/v1/logs`
    Otlp,
    /// What shippers ask of an Elasticsearch before they send.
    Elasticsearch,
    /// `/api/query`
    Query,
    /// `/api/tail`
    Tail,
    /// `/api/hits`
    Hits,
    /// `/api/labels`
    Labels,
    /// `/api/stats`
    Stats,
    /// `/health`, `/ready` and the like.
    Health,
    /// `/metrics`
    Metrics,
    /// The page and its parts.
    Page,
    /// Anything else: what is not there, and what was no request.
    Other,
}

impl Route {
    /// How many there are.
    pub const COUNT: usize = 15;

    /// Every one of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::InsertJsonline,
        Self::InsertRaw,
        Self::LokiPush,
        Self::Bulk,
        Self::Otlp,
        Self::Elasticsearch,
        Self::Query,
        Self::Tail,
        Self::Hits,
        Self::Labels,
        Self::Stats,
        Self::Health,
        Self::Metrics,
        Self::Page,
        Self::Other,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsertJsonline => "insert_jsonline",
            Self::InsertRaw => "insert_raw",
            Self::LokiPush => "loki_push",
            Self::Bulk => "bulk",
            Self::Otlp => "otlp",
            Self::Elasticsearch => "elasticsearch",
            Self::Query => "query",
            Self::Tail => "tail",
            Self::Hits => "hits",
            Self::Labels => "labels",
            Self::Stats => "stats",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}

/// The classes of status codes that end a request: RFC 9110, section 15.
pub const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Counters by a word of the source: which reason, which refusal. There are at most so many series
/// as the source has words.
#[derive(Debug, Default, Clone)]
pub struct Kinds {
    counts: [(&'static str, u64); KINDS_MAX],
}

impl Kinds {
    /// Counts one more of `kind`. Beyond the bound all others are one, `other`.
    pub fn add(&mut self, kind: &'static str) {
        let last = KINDS_MAX - 1;
        let is_its = |(name, _): &(&str, u64)| *name == kind || name.is_empty();
        let at = self.counts[..last].iter().position(is_its);
        let (name, count) = &mut self.counts[at.unwrap_or(last)];
        *name = if at.is_some() { kind } else { "other" };
        *count += 1;
    }

    /// Each kind and how many there were of it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().copied().filter(|(name, _)| !name.is_empty())
    }

    /// How many there were of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// Every counter of HTTP.
#[derive(Debug, Default, Clone)]
pub struct HttpMetrics {
    /// Requests answered: by [`Route`], then by [`STATUS_CLASSES`].
    pub requests: [[u64; STATUS_CLASSES.len()]; Route::COUNT],
    /// Bytes received, heads and bodies as they came.
    pub bytes_in: u64,
    /// Bytes that the sockets took.
    pub bytes_out: u64,
    /// Bytes that request bodies had when they were decoded.
    pub body_bytes: u64,
    /// Entries of bodies that were stored.
    pub entries: u64,
    /// Entries that were not, by reason.
    pub entries_bad: Kinds,
    /// Bodies of which nothing more was taken, by reason: too large, a coding that is not taken.
    pub bodies_refused: Kinds,
    /// Requests turned away before anything of them was stored: full, or too many (429).
    pub throttled: u64,
    /// Tails begun (Server-Sent Events).
    pub tails: u64,
    /// Answers that waited for the disk before they said that all is stored.
    pub waits_sync: u64,
    /// Answers that were sent compressed.
    pub answers_compressed: u64,
}

impl HttpMetrics {
    /// Counts a request that was answered with `status`.
    pub fn answered(&mut self, route: Route, status: u16) {
        let class = usize::from(status / 100).clamp(2, 5) - 2;
        self.requests[route as usize][class] += 1;
        self.throttled += u64::from(status == 429);
    }

    /// Requests answered, of all routes.
    pub fn requests_total(&self) -> u64 {
        self.requests.iter().flatten().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_by_route_and_class() {
        let mut http = HttpMetrics::default();
        for status in [200, 204, 304, 404, 429, 500, 503, 101, 999] {
            http.answered(Route::Bulk, status);
        }
        assert_eq!(http.requests[Route::Bulk as usize], [3, 1, 2, 3]);
        assert_eq!((http.requests_total(), http.throttled), (9, 1));
    }

    #[test]
    fn routes_stand_in_the_order_of_their_numbers() {
        for (at, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, at);
        }
        let names: std::collections::BTreeSet<_> = Route::ALL.map(Route::name).into();
        assert_eq!(names.len(), Route::COUNT);
    }

    #[test]
    fn more_kinds_than_there_are_places_count_as_other() {
        let names: Vec<&'static str> =
            (0..40).map(|at| &*Box::leak(format!("kind{at}").into_boxed_str())).collect();
        let mut kinds = Kinds::default();
        for _ in 0..2 {
            names.iter().for_each(|name| kinds.add(name));
        }
        assert_eq!(kinds.iter().count(), KINDS_MAX);
        assert_eq!(kinds.iter().last(), Some(("other", 2 * (40 - 23))));
        assert_eq!(kinds.total(), 80);
    }
}

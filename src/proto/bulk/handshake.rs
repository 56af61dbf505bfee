//! What Elasticsearch's clients ask before they send anything, and what lets them.

/// The answer to some methods and paths, with a `|` between; a `*` stands for any end.
type Row = (&'static str, &'static str, &'static str);

/// The answer to `GET /`: who we are. Clients look at `version.number` and `tagline`.
pub const ROOT: &str = "{\"name\":\"logcaster\",\"cluster_name\":\"logcaster\",\
    \"cluster_uuid\":\"bG9nY2FzdGVyLWxvZ2Nhcw\",\"version\":{\"number\":\"8.9.0\",\
    \"build_flavor\":\"default\"},\"tagline\":\"You Know, for Search\"}";

/// A license that does not end; Logstash and Beats look at `status` and `type`.
const LICENSE: &str = "{\"license\":{\"uid\":\"logcaster\",\"type\":\"basic\",\
    \"status\":\"active\",\"expiry_date_in_millis\":4000000000000}}";

const HANDSHAKES: &[Row] = &[
    ("GET", "/", ROOT),
    ("HEAD", "/", ""),
    ("GET", "/_license", LICENSE),
    ("GET", "/_xpack", "{\"license\":{\"type\":\"basic\",\"status\":\"active\"},\"features\":{}}"),
    ("GET", "/_cluster/health*", "{\"cluster_name\":\"logcaster\",\"status\":\"green\"}"),
    (
        "GET|PUT|POST|HEAD",
        "/_ilm/*|/_index_template/*|/_component_template/*|/_template/*|/_data_stream/*|\
         /_ingest/*|/_nodes*|/_logstash/*|/logstash*|/_cluster/settings*",
        "{}",
    ),
];

/// Prefixes under which all of this is found, too.
const PREFIXES: [&str; 2] = ["/insert/elasticsearch", "/elasticsearch"];

/// What a client of Elasticsearch is answered that asks whether this is one: JSON, with status 200
/// and the header `X-Elastic-Product: Elasticsearch`; empty for HEAD. `None` for what is none of
/// its questions.
///
/// `HEAD /{index}` is one of them, so that other pages have to be looked for first.
pub fn handshake(method: &str, path: &str) -> Option<&'static str> {
    let path = without_prefix(path);
    let is_found = |(methods, paths, _): &&Row| {
        methods.split('|').any(|one| one == method)
            && paths.split('|').any(|one| is_like(path, one))
    };
    if let Some((_, _, answer)) = HANDSHAKES.iter().find(is_found) {
        return Some(if method == "HEAD" { "" } else { answer });
    }
    let is_index = path.strip_prefix('/').is_some_and(is_index_name);
    (method == "HEAD" && is_index).then_some("")
}

/// The index that the path of a bulk request names, empty where it names none; `None` for the path
/// of something else. `/{index}/{type}/_bulk` is that of old clients.
pub fn bulk_index(path: &str) -> Option<&str> {
    let names = without_prefix(path).strip_suffix("/_bulk")?;
    let Some(names) = names.strip_prefix('/') else { return names.is_empty().then_some("") };
    let (index, kind) = names.split_once('/').unwrap_or((names, "_doc"));
    let is_kind = !kind.is_empty() && !kind.contains('/');
    (is_kind && is_index_name(index)).then_some(index)
}

/// The path below the prefix, if it has one; a prefix alone is the root below it.
fn without_prefix(path: &str) -> &str {
    let rest = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Whether an index can have that name.
fn is_index_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['_', '-', '+']) && !name.contains(['/', ' ', '"', '\\'])
}

fn is_like(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => path == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_answered_with_json() {
        for (method, path, part) in [
            ("GET", "/", "\"number\":\"8.9.0\""),
            ("GET", "/elasticsearch/", "\"tagline\":\"You Know, for Search\""),
            ("GET", "/elasticsearch", "\"number\""),
            ("GET", "/insert/elasticsearch/_license", "\"status\":\"active\""),
            ("GET", "/_cluster/health", "\"status\":\"green\""),
            ("GET", "/_cluster/health/logs", "\"status\":\"green\""),
            ("PUT", "/_ilm/policy/filebeat", "{}"),
            ("GET", "/_index_template/x", "{}"),
            ("PUT", "/_component_template/x", "{}"),
            ("GET", "/_ingest/pipeline/x", "{}"),
            ("GET", "/_nodes", "{}"),
            ("GET", "/_nodes/_all/http", "{}"),
            ("GET", "/_logstash/pipeline", "{}"),
            ("GET", "/_xpack", "\"features\":{}"),
        ] {
            let answer = handshake(method, path).unwrap_or_else(|| panic!("{method} {path}"));
            assert!(answer.contains(part), "{method} {path}: {answer}");
            assert!(serde_json::from_str::<serde_json::Value>(answer).unwrap().is_object());
        }
        for path in ["/", "/edge-logs", "/_template/x", "/elasticsearch"] {
            assert_eq!(handshake("HEAD", path), Some(""), "{path}");
        }
        for (method, path) in [
            ("POST", "/"),
            ("GET", "/edge-logs"),
            ("DELETE", "/_ilm/policy/x"),
            ("GET", "/_search"),
            ("HEAD", "/a/b"),
            ("HEAD", "/_search"),
            ("GET", "/elasticsearchx"),
            ("GET", ""),
        ] {
            assert_eq!(handshake(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn the_index_of_a_bulk_request_is_in_its_path() {
        for (path, index) in [
            ("/_bulk", Some("")),
            ("/edge-logs/_bulk", Some("edge-logs")),
            ("/edge-logs/_doc/_bulk", Some("edge-logs")),
            ("/elasticsearch/_bulk", Some("")),
            ("/insert/elasticsearch/logs/_bulk", Some("logs")),
            ("_bulk", None),
            ("//_bulk", None),
            ("/a/b/c/_bulk", None),
            ("/_x/_bulk", None),
            ("/_bulk/", None),
            ("/edge-logs", None),
        ] {
            assert_eq!(bulk_index(path), index, "{path}");
        }
    }
}

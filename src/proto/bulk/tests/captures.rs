//! What real senders sent: `tests/data/captures/http`.

use super::*;
use crate::proto::testing::captured;

/// The bulk requests of a capture, each as it is read.
fn bodies(name: &str) -> Vec<Vec<String>> {
    let requests = captured(name);
    let bulks =
        requests.iter().filter_map(|(request, body)| Some((bulk_index(request.path())?, body)));
    bulks.map(|(index, body)| every_split(body, |pieces| read(index, pieces))).collect()
}

#[test]
fn no_document_of_a_real_sender_is_lost() {
    for (name, counts) in [
        ("elasticsearch-js/info-and-bulk", &[2][..]),
        ("elasticsearch-py/async-bulk", &[4]),
        ("elasticsearch-py/bulk", &[4]),
        ("elasticsearch-py/bulk-apikey-prefix", &[4]),
        ("elasticsearch-py/bulk-create-args", &[4]),
        ("elasticsearch-py/bulk-gzip-auth", &[4]),
        ("elasticsearch-py/bulk-http-429-retry", &[4, 4]),
        ("elasticsearch-py/bulk-index-in-path", &[4]),
        ("elasticsearch-py/bulk-item-429-retry", &[4, 1]),
        ("elasticsearch-py/bulk-no-product-header", &[4]),
        ("elasticsearch-py/parallel-bulk.c1", &[2, 2, 2]),
        ("elasticsearch-py/parallel-bulk.c2", &[2]),
        ("elasticsearch-py/streaming-bulk-chunks", &[2, 2]),
        ("elasticsearch-py/v9-info-bulk", &[4]),
        ("fluent-bit/es-all-429.c1", &[4]),
        ("fluent-bit/es-bulk", &[4]),
        ("fluent-bit/es-bulk-type", &[3]),
        ("fluent-bit/es-genid-index", &[4]),
        ("fluent-bit/es-http-429.c1", &[4]),
        ("fluent-bit/es-item-429", &[4]),
        ("fluent-bit/es-logstash-gzip", &[4]),
        ("fluent-bit/es-upsert-path-auth", &[4]),
        ("rsyslog/omelasticsearch-bulk", &[6]),
        ("rsyslog/omelasticsearch-defaults", &[1, 1, 1, 1, 1, 1]),
        ("victorialogs/bulk-ok", &[1]),
    ] {
        let read = bodies(name);
        let seen: Vec<usize> = read.iter().map(Vec::len).collect();
        assert_eq!(seen, counts, "{name}: {read:?}");
        for item in read.concat() {
            assert!(!item.contains(" !") && !item.contains("@bad"), "{name}: {item}");
        }
    }
}

#[test]
fn documents_have_their_labels_times_and_levels() {
    let first = |name: &str| bodies(name).concat().remove(0);
    assert_eq!(
        bodies("elasticsearch-py/bulk-mixed-ops").concat(),
        [
            "index {\"@timestamp\":\"2026-09-21T14:13:20.001Z\",\"message\":\"request 1 served in \
             7 ms\",\"level\":\"info\",\"host\":{\"name\":\"edge1\"}} @1790000000001000000 info \
             host=edge1 index=edge-logs",
            "create {\"@timestamp\":\"2026-09-21T14:13:21.250Z\",\"message\":\"payment timeout \
             user=42\",\"level\":\"error\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"} \
             @1790000001250000000 error index=edge-logs",
            "update {\"level\":\"warn\"} warning index=edge-logs",
            "delete !action: line 7: nothing is deleted here",
        ]
    );
    assert_eq!(
        first("rsyslog/omelasticsearch-defaults"),
        "create {\"message\":\" request 1 served in 7 ms\",\"fromhost\":\"edge1\",\"facility\":\
         \"daemon\",\"priority\":\"info\",\"timereported\":\"2026-09-21T14:13:20+00:00\",\
         \"timegenerated\":\"2026-11-20T18:23:42.298408+00:00\"} @1790000000000000000 info \
         host=edge1 index=system"
    );
    let upsert = first("fluent-bit/es-upsert-path-auth");
    assert!(upsert.starts_with("update {\"@timestamp\":\"2026-09-21T14:13:20.000Z\""), "{upsert}");
    assert!(first("fluent-bit/es-logstash-gzip").ends_with(" index=edge"));
    let broken = first("victorialogs/bulk-parse-error");
    assert_eq!(broken, "create !not_an_object: line 2: expected a JSON object, found `not json`");
}

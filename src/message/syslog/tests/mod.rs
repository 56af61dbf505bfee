mod corpus;
mod headers;

use std::path::Path;

use super::fuzz_syslog;

#[test]
fn no_promise_is_broken_by_what_real_senders_sent() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    for line in index.lines() {
        let name = line.split('\t').next().unwrap();
        let bytes = std::fs::read(folder.join(format!("{name}.req"))).unwrap();
        fuzz_syslog(&bytes);
        // Where each header of a datagram or a counted record begins.
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'<') {
            fuzz_syslog(&bytes[at..bytes.len().min(at + 1000)]);
        }
    }
}

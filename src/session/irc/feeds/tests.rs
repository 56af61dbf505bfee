//! What the names of log channels ask for.

use jiff::tz::TimeZone;

use super::{parse, question_of, shown};
use crate::query::TimeContext;

#[test]
fn a_name_asks_for_the_same_in_any_case() {
    for (names, words) in [
        (&["#logs-Timeout", "#LOGS-TIMEOUT", "#logs-timeout"][..], "keyword=timeout"),
        (&["#logs-ERROR", "#Logs-error"], "level>=error"),
        (&["#logs-host-Web1", "#logs-HOST-web1", "#LOGS-Host-WEB1"], "host~(?i)^web1$"),
        (&["#logs-app-a+b.C", "#logs-APP-A+B.c"], "app~(?i)^a\\+b\\.c$"),
        (&["#logs-host-10.0.0.5", "#logs-HOST-10.0.0.5"], "host=10.0.0.5"),
        (&["#logs-a[0]", "#logs-A{0}", "#logs-a[0}"], "regex=(?i)a[\\[{]0[\\]}]"),
        (&["#logs-host-a\\~", "#logs-host-A|^"], "host~(?i)^a[\\\\|][~^]$"),
        (&["#logs-host-", "#logs-HOST-"], "keyword=host-"),
        // No channel's name has a colon.
        (&["#logs-host---1"], "host~(?i)^[-:][-:]1$"),
        (&["#logs-host-fe80--A", "#logs-HOST-FE80--a"], "host~(?i)^fe80[-:][-:]a$"),
        (&["#logs-host-db-1", "#logs-HOST-DB-1"], "host~(?i)^db-1$"),
    ] {
        for name in names {
            assert_eq!(question_of(name.as_bytes()).as_deref(), Some(words), "{name}");
        }
        let read = parse(words, &TimeContext::new(1, &TimeZone::UTC));
        assert!(read.is_ok(), "{words}: {read:?}");
    }
    assert_eq!(question_of(b"#logs-"), None);
    assert_eq!(question_of(b"#ops"), None);
    let question = |name: &str| question_of(name.as_bytes()).unwrap();
    for (name, about) in [("#logs-host---1", "host=::1"), ("#logs-app-fe80--a", "app=fe80--a")] {
        assert_eq!(shown(name.as_bytes(), &question(name)), about);
    }
}

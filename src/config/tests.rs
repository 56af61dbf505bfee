//! Precedence, every bad value's line, warnings, and reloading.

use super::*;

/// Resolves with `flags` and `env`, both as pairs.
fn resolved(
    flags: &[(&'static str, &str)],
    env: &[(&str, &str)],
) -> Result<(Settings, Vec<String>), ConfigError> {
    let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    load_from(flags, env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

/// A config file that holds `text`, as long as it is kept.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn names_are_unique_and_each_default_is_valid() {
    let settings = Settings::from_flags(&[]).unwrap();
    for (index, row) in TABLE.iter().enumerate() {
        let others = &TABLE[index + 1..];
        assert!(others.iter().all(|other| other.name != row.name), "{}", row.name);
        assert!(row.short.is_none() || others.iter().all(|other| other.short != row.short));
        assert_eq!(row.env, format!("LOGCASTER_{}", row.name.to_uppercase().replace('-', "_")));
        let shown = (row.show)(&settings);
        let mut again = settings.clone();
        (row.set)(&mut again, &shown).unwrap();
        assert_eq!(again, settings, "{} {shown:?}", row.name);
        assert_eq!(*settings.source(row.name), Source::Default);
    }
}

#[test]
fn the_defaults_are_what_the_manual_says() {
    let settings = Settings::from_flags(&[]).unwrap();
    assert_eq!((settings.log_port, settings.query_port, settings.http_port), (9999, 9998, 9090));
    assert_eq!(format!("{:?}", settings.bind), "[127.0.0.1, ::1]");
    assert_eq!((settings.size_bytes, settings.max_line), (64 << 20, 64 << 10));
    assert_eq!((settings.memory, settings.max_clients), (16 << 20, 1000));
    assert_eq!((settings.sync, settings.irc_port), (SyncMode::Interval(1000), None));
    assert_eq!((settings.max_logs, settings.max_age, settings.idle_timeout), (None, None, None));
    assert_eq!(settings.dir, PathBuf::from("./logs"));
    assert!(!settings.persist && !settings.spin && !settings.mlock && !settings.test_mode);
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(5));
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let file = file("size = \"8M\"\nlog-port = 3\nquery-port = 3\nmax-clients = 3\n");
    let path = file.path().to_str().unwrap();
    let flags = [("config", path), ("log-port", "1")];
    let env = [("LOGCASTER_LOG_PORT", "2"), ("LOGCASTER_QUERY_PORT", "2"), ("MAX_CLIENTS", "2")];
    let (settings, _) = resolved(&flags, &env).unwrap();
    assert_eq!(settings.log_port, 1);
    assert_eq!(settings.query_port, 2);
    assert_eq!(settings.max_clients, 2);
    assert_eq!(settings.size_bytes, 8 << 20);
    let sources = ["log-port", "query-port", "max-clients", "size", "http-port"];
    let sources = sources.map(|name| settings.source(name).to_string());
    let expected = [
        "flag --log-port",
        "environment LOGCASTER_QUERY_PORT",
        "environment MAX_CLIENTS",
        &format!("file {path}"),
        "default",
    ];
    assert_eq!(sources, expected);
}

#[test]
fn the_last_of_a_repeated_flag_wins_and_networks_add_up() {
    let flags = [("size", "8"), ("size", "16"), ("allow", "10.0.0.0/8"), ("allow", "query=::1")];
    let settings = Settings::from_flags(&flags).unwrap();
    assert_eq!(settings.size_bytes, 16 << 20);
    assert_eq!((row("allow").show)(&settings), "10.0.0.0/8,query=::1/128");
}

#[test]
fn unprefixed_variables_are_read_and_never_fatal() {
    let env = [
        ("LOG_LEVEL", "WARN"),
        ("MAX_CLIENTS", "7"),
        ("MAX_BUFFER_SIZE", "10000"),
        ("PERSISTENCE_PATH", "/data"),
    ];
    let (settings, _) = resolved(&[("http-port", "0")], &env).unwrap();
    assert_eq!((settings.log_level, settings.max_clients), (LogLevel::Warn, 7));
    assert_eq!((settings.max_logs, settings.dir), (Some(10000), PathBuf::from("/data")));
    for word in ["warning", "Warning"] {
        let (settings, warnings) = resolved(&[("http-port", "0")], &[("LOG_LEVEL", word)]).unwrap();
        assert_eq!((settings.log_level, warnings.len()), (LogLevel::Warn, 0));
    }
    let env = [("LOG_LEVEL", "verbose"), ("MAX_CLIENTS", "many"), ("MAX_BUFFER_SIZE", "64MB")];
    let (settings, warnings) = resolved(&[("http-port", "0")], &env).unwrap();
    assert_eq!((settings.log_level, settings.max_clients), (LogLevel::Info, 1000));
    let expected = [
        "MAX_BUFFER_SIZE \"64MB\" ignored: expected a whole number, or 0 for no limit",
        "MAX_CLIENTS \"many\" ignored: expected a whole number from 1 to 1000000",
        "LOG_LEVEL \"verbose\" ignored: expected one of error, warn, info, debug",
    ];
    assert_eq!(warnings, expected);
    let env = [("LOG_LEVEL", "debug"), ("LOGCASTER_LOG_LEVEL", "error")];
    assert_eq!(resolved(&[], &env).unwrap().0.log_level, LogLevel::Error);
}

#[test]
fn what_kubernetes_injects_is_warned_about_and_ignored() {
    let env = [
        ("LOGCASTER_PORT", "tcp://10.0.0.1:9999"),
        ("LOGCASTER_HTTP_PORT", "tcp://10.0.0.1:9090"),
        ("LOGCASTER_SERVICE_HOST", "10.0.0.1"),
        ("LOGCASTER_SIZ", "1G"),
        ("LOGCASTER_ADDR", "127.0.0.1:9998"),
        ("LOGCASTER_SIZE", ""),
        ("HOME", "/"),
    ];
    let (settings, warnings) = resolved(&[], &env).unwrap();
    assert_eq!((settings.log_port, settings.size_bytes), (9999, 64 << 20));
    let hint = "ignored: not a port, as Kubernetes sets it for a service \
                (enableServiceLinks: false stops that)";
    let expected = [
        "LOGCASTER_SERVICE_HOST ignored: unknown variable",
        "LOGCASTER_SIZ ignored: unknown variable (did you mean LOGCASTER_SIZE?)",
        &format!("LOGCASTER_PORT \"tcp://10.0.0.1:9999\" {hint}"),
        &format!("LOGCASTER_HTTP_PORT \"tcp://10.0.0.1:9090\" {hint}"),
    ];
    assert_eq!(warnings, expected);
    assert_eq!(resolved(&[], &[("LOGCASTER_PORT", "1234")]).unwrap().0.log_port, 1234);
}

const ZONE: &str = "a time zone, as Europe/Berlin or UTC, or an offset, as +01:00";
const RATE: &str = "LINES[:BURST] with 1 to 1000000000 lines a second, or off";

/// Settings, values they cannot have, and what is said to be allowed.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    ("log-port", "abc", "a port from 1 to 65535, or 0 for any free one"),
    ("framing", "crlf", "one of auto, lf, octet, nul"),
    (
        "syslog",
        "localhost:514",
        "a place, as 5514, 10.0.0.1:5514, udp://[::1]:5514, tcp://5514 or unix:/dev/log, \
         and maybe ,framing=lf behind it",
    ),
    ("syslog-timezone", "Mars/Base", ZONE),
    ("unix", "/run/", "the path of a socket, without commas, of at most 107 bytes"),
    ("query-socket", "/run/", "the path of a socket, without commas, of at most 107 bytes"),
    ("query-port", "65536", "a port from 1 to 65535, or 0 for any free one"),
    ("http-port", "-1", "a port from 1 to 65535, or 0 for off"),
    ("irc-port", "", "a port from 1 to 65535, or 0 for off"),
    ("irc-name", "my server", "a host name of letters, digits, - and ., of at most 63 characters"),
    ("irc-auto-join", "logs", "a list of channels such as #logs-error,#ops"),
    (
        "irc-motd",
        "/nowhere/motd",
        "a file that can be read (No such file or directory (os error 2))",
    ),
    (
        "irc-password",
        "@/nowhere/word",
        "a file that can be read (No such file or directory (os error 2))",
    ),
    ("irc-max-clients", "0", "a whole number from 1 to 1000000"),
    ("irc-per-address", "none", "a whole number from 1 to 1000000"),
    (
        "bind",
        "localhost",
        "numeric addresses, as 127.0.0.1 or 127.0.0.1,::1, or all (names are not looked up)",
    ),
    ("http-prefix", "logs", "a path such as /logs"),
    ("cors", "grafana", "an origin such as https://grafana.example:3000, or *"),
    ("allow", "web=10.0.0.0/8", "a listener before the =: log, query, http, irc or clear"),
    ("allow", "ten", "a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7"),
    ("dir", "", "a directory"),
    ("size", "64MB", "a size from 1M to 1T (units are 1024-based: write 64M, not 64MB)"),
    ("size", "0", "a size from 1M to 1T"),
    // What the settings let through the segment must take.
    ("size", "2T", "a size from 1M to 1T"),
    ("max-logs", "-5", "a whole number, or 0 for no limit"),
    ("max-age", "30", "a duration from 0 to 36500d (write 30s for seconds)"),
    ("max-clients", "0", "a whole number from 1 to 1000000"),
    ("max-line", "65K", "a size from 16B to 64K"),
    ("max-line", "0", "a size from 16B to 64K"),
    ("proxy-from", "10.0.0.0/8,proxy", "a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7"),
    ("rate-limit", "many", RATE),
    ("rate-limit", "1000:", RATE),
    ("rate-limit", "1000:0", RATE),
    ("rate-limit", "2000000000", RATE),
    ("multiline", "^(", "a pattern as REGEX takes it (regex: unclosed group at character 2)"),
    ("sync", "sometimes", "never, interval, interval:MILLISECONDS or always"),
    ("sync", "interval:0", "interval:MILLISECONDS with 1 to 3600000"),
    ("sync", "always:5", "never, interval, interval:MILLISECONDS or always"),
    ("dirty-max", "1G", "a size up to that of the ring, 64M"),
    ("memory", "16", "a size from 1M to 1T"),
    ("idle-timeout", "10", "a duration from 0 to 1d (write 10s for seconds)"),
    ("lock-wait", "1w", "a duration from 0 to 1d, as 500ms, 10s, 5m, 12h or 30d"),
    ("shutdown-timeout", "2d", "a duration from 0 to 1d"),
    ("log-level", "verbose", "one of error, warn, info, debug"),
    ("log-format", "xml", "one of text, json"),
];

#[test]
fn a_bad_value_is_one_line_that_says_what_is_allowed() {
    let core = format!("a core from 0 to {}, or any", table::cpu_max());
    let cores = ["first", "1024"].map(|value| ("cpu", value, &core[..]));
    let cases = [BAD_VALUES, &cores].concat();
    for (name, value, expected) in &cases {
        let line = Settings::from_flags(&[(name, value)]).expect_err(name).to_string();
        assert_eq!(line, format!("--{name} {value:?}: expected {expected}"));
        assert!(!line.contains('\n'));
    }
    for row in TABLE.iter().filter(|row| row.value.is_some() && row.name != "config") {
        assert!(cases.iter().any(|case| case.0 == row.name), "no bad value for {}", row.name);
    }
    let switches = TABLE.iter().filter(|row| row.value.is_none());
    for row in switches {
        let line = resolved(&[], &[(row.env, "maybe")]).expect_err(row.name).to_string();
        assert_eq!(line, format!("{} \"maybe\": expected true or false", row.env));
    }
}

#[test]
fn a_bad_file_says_where() {
    let cases = [
        (
            "size = \"64MB\"",
            ": size \"64MB\": expected a size from 1M to 1T \
             (units are 1024-based: write 64M, not 64MB)",
        ),
        ("log-prot = 1", ": unknown key \"log-prot\" (did you mean \"log-port\"?)"),
        ("log_port = 1", ": unknown key \"log_port\" (did you mean \"log-port\"?)"),
        ("colour = 1", ": unknown key \"colour\" (see logcaster serve --help for the names)"),
        ("config = \"x\"", ": unknown key \"config\" (see logcaster serve --help for the names)"),
        (
            "size = 1.5",
            ": size \"1.5\": expected text, a whole number, true or false, or a list of text",
        ),
        (
            "bind = [\"::1\", 2.0]",
            ": bind \"2.0\": expected text, a whole number, true or false, or a list of text",
        ),
        (
            "max-age = 2026-11-20",
            ": max-age \"2026-11-20\": expected text, a whole number, true or false, \
             or a list of text",
        ),
        ("persist = \"perhaps\"", ": persist \"perhaps\": expected true or false"),
    ];
    for (text, expected) in cases {
        let file = file(text);
        let path = file.path().to_str().unwrap();
        let error = Settings::from_flags(&[("config", path)]).expect_err(text);
        assert_eq!(error.to_string(), format!("{path}{expected}"));
    }
    let broken = file("size = 8\nsize 9\n");
    let path = broken.path().to_str().unwrap();
    let line = Settings::from_flags(&[("config", path)]).expect_err("no TOML").to_string();
    assert!(line.starts_with(&format!("{path}: line 2: ")) && !line.contains('\n'), "{line}");
    let line = Settings::from_flags(&[("config", "/nowhere.toml")]).expect_err("no file");
    assert!(line.to_string().starts_with("read /nowhere.toml: No such file"), "{line}");
}

#[test]
fn a_file_holds_numbers_words_and_lists() {
    let text = "persist = true\nsize = 8\nbind = [\"127.0.0.1\", \"10.0.0.1\"]\nirc = true\n\
                allow = [\"10.0.0.0/8\", \"query=::1\"]\nmax-age = \"30d\"\n";
    let file = file(text);
    let settings = Settings::from_flags(&[("config", file.path().to_str().unwrap())]).unwrap();
    assert!(settings.persist);
    assert_eq!((settings.size_bytes, settings.irc_port), (8 << 20, Some(6667)));
    assert_eq!((settings.bind.len(), settings.allow.len()), (2, 2));
    assert_eq!(settings.max_age, Some(Duration::from_secs(30 * 86_400)));
}

#[test]
fn small_rings_have_shorter_lines() {
    let settings = Settings::from_flags(&[("size", "2")]).unwrap();
    assert_eq!(settings.max_line, 16 << 10);
    let refused = Settings::from_flags(&[("size", "2"), ("max-line", "20K")]).expect_err("long");
    let expected = "--max-line \"20K\": expected at most 16K, a quarter block of a ring of 2M";
    assert_eq!(refused.to_string(), expected);
    let settings = Settings::from_flags(&[("max-line", "100")]).unwrap();
    assert_eq!(settings.max_line, 100);
}

#[test]
fn irc_is_on_where_it_was_asked_for() {
    let cases: [(&[_], Option<u16>); 6] = [
        (&[], None),
        (&[("irc", "true")], Some(6667)),
        (&[("irc-port", "6697")], Some(6697)),
        (&[("irc", "true"), ("irc-port", "6697")], Some(6697)),
        (&[("irc-port", "0")], None),
        (&[("irc", "false"), ("irc-port", "6697")], None),
    ];
    for (flags, port) in cases {
        let (settings, warnings) = resolved(flags, &[("LOGCASTER_HTTP_PORT", "0")]).unwrap();
        assert_eq!(settings.irc_port, port, "{flags:?}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn a_password_on_the_command_line_is_warned_about() {
    let (settings, warnings) = resolved(&[("irc-password", "s3cret")], &[]).unwrap();
    assert_eq!(settings.irc_password.unwrap().word, crate::proto::irc::Secret::new("s3cret"));
    assert!(warnings.iter().any(|line| line.contains("can be seen")), "{warnings:?}");
    assert!(!warnings.concat().contains("s3cret"));
    let (_, warnings) = resolved(&[], &[("LOGCASTER_IRC_PASSWORD", "s3cret")]).unwrap();
    assert!(!warnings.concat().contains("password"), "{warnings:?}");
}

#[test]
fn listeners_do_not_share_a_port() {
    let refused = Settings::from_flags(&[("query-port", "9999")]).expect_err("same port");
    let expected = "--query-port 9999: expected a port other than that of --log-port";
    assert_eq!(refused.to_string(), expected);
    assert!(Settings::from_flags(&[("query-port", "0"), ("log-port", "0")]).is_ok());
    let settings = Settings::from_flags(&[("log-port", "9090")]).unwrap();
    assert_eq!((settings.log_port, settings.http_port), (9090, 0));
}

#[test]
fn test_mode_keeps_memory_only_and_logs_at_debug() {
    let flags = [("test", "true"), ("persist", "true"), ("http-port", "0")];
    let (settings, warnings) = resolved(&flags, &[("LOG_LEVEL", "error")]).unwrap();
    assert!(settings.test_mode && !settings.persist);
    assert_eq!(settings.log_level, LogLevel::Debug);
    assert_eq!(settings.source("log-level").to_string(), "flag --test");
    assert_eq!(warnings, ["--persist ignored: --test keeps the ring in memory"]);
    let settings = Settings::from_flags(&[("test", "true"), ("log-level", "warn")]).unwrap();
    assert_eq!(settings.log_level, LogLevel::Warn);
}

#[test]
fn a_listener_lets_in_what_its_rules_hold() {
    let flags = [("allow", "10.0.0.0/8"), ("allow", "query=192.0.2.0/24")];
    let settings = Settings::from_flags(&flags).unwrap();
    let cases = [
        (Listener::Log, "10.1.1.1", true),
        (Listener::Log, "192.0.2.1", false),
        (Listener::Query, "10.1.1.1", true),
        (Listener::Query, "192.0.2.1", true),
        (Listener::Query, "127.0.0.1", false),
    ];
    for (listener, peer, allowed) in cases {
        let peer = peer.parse().unwrap();
        assert_eq!(settings.allows(listener, peer), allowed, "{listener:?} {peer}");
    }
    let settings = Settings::from_flags(&[("allow", "query=::1")]).unwrap();
    assert!(settings.allows(Listener::Log, "203.0.113.1".parse().unwrap()));
    assert!(!settings.allows(Listener::Query, "203.0.113.1".parse().unwrap()));
}

#[test]
fn reload_applies_what_can_be_changed_and_names_the_rest() {
    let file = file("max-clients = 5\nlog-port = 1\n");
    let flags = [("config", file.path().to_str().unwrap()), ("max-age", "1h")];
    let settings = Settings::from_flags(&flags).unwrap();
    let text = "max-clients = 6\nlog-port = 2\nmax-age = \"2h\"\nlog-level = \"debug\"\n";
    let reload = settings.reload(text).unwrap();
    assert_eq!(reload.changed, ["max-clients", "log-level"]);
    assert_eq!(reload.needs_restart, ["log-port"]);
    assert_eq!((reload.settings.max_clients, reload.settings.log_port), (6, 1));
    assert_eq!(reload.settings.max_age, Some(Duration::from_secs(3600)), "the flag stays above");
    assert_eq!(reload.settings.log_level, LogLevel::Debug);
    assert!(reload.settings.source("log-level").to_string().starts_with("file "));

    let back = reload.settings.reload("").unwrap();
    assert_eq!(back.changed, ["max-clients", "log-level"]);
    assert_eq!((back.settings.max_clients, back.settings.log_level), (1000, LogLevel::Info));

    let refused = settings.reload("max-clients = 0").expect_err("bad value");
    assert!(refused.to_string().contains("max-clients \"0\": expected"), "{refused}");
    assert_eq!(settings.max_clients, 5);
    std::fs::write(file.path(), "max-clients = 9\n").unwrap();
    assert_eq!(settings.reload_file().unwrap().settings.max_clients, 9);
    let without_file = Settings::from_flags(&[]).unwrap();
    assert!(without_file.reload_file().unwrap().changed.is_empty());
}

#[test]
fn reload_reads_files_whose_names_have_stayed_the_same() {
    let (motd, word) = (file("hello\n"), file("first\n"));
    let (motd_path, word_path) = (motd.path().to_str().unwrap(), word.path().to_str().unwrap());
    let said = format!("@{word_path}");
    let settings =
        Settings::from_flags(&[("irc-motd", motd_path), ("irc-password", &said)]).unwrap();
    assert!(settings.reload_file().unwrap().changed.is_empty());
    std::fs::write(motd.path(), "bye\n").unwrap();
    let reload = settings.reload_file().unwrap();
    assert_eq!(reload.changed, ["irc-motd"]);
    assert_eq!(reload.settings.irc_motd.as_ref().unwrap().lines, [b"bye"]);
    std::fs::write(word.path(), "second\n").unwrap();
    let reload = reload.settings.reload_file().unwrap();
    assert_eq!(reload.changed, ["irc-password"]);
    assert_eq!(
        reload.settings.irc_password.unwrap().word,
        crate::proto::irc::Secret::new("second")
    );
    std::fs::remove_file(motd.path()).unwrap();
    assert!(settings.reload_file().is_err(), "what is gone changes nothing");
    let settings = Settings::from_flags(&[]).unwrap();
    let reload = settings.reload("irc-password = \"one\"").unwrap();
    let reload = reload.settings.reload("irc-password = \"other\"").unwrap();
    assert_eq!(reload.changed, ["irc-password"], "though both are shown as stars");
    assert_eq!(reload.settings.irc_password.unwrap().word, crate::proto::irc::Secret::new("other"));
}

#[test]
fn the_defaults_are_those_that_the_limits_name() {
    let settings = Settings::from_flags(&[]).unwrap();
    assert_eq!(settings.max_clients, crate::limits::CLIENTS_DEFAULT);
    assert_eq!(settings.max_line, crate::limits::LINE_BYTES_DEFAULT);
    assert_eq!(settings.memory, crate::limits::MEMORY_BYTES_DEFAULT);
}

#[test]
fn what_senders_may_do_is_off_until_it_is_asked_for() {
    let settings = Settings::from_flags(&[]).unwrap();
    assert_eq!((settings.rate_limit, &settings.multiline, settings.dedupe), (None, &None, false));
    assert!(settings.proxy_from.is_empty() && !settings.is_proxy("127.0.0.1".parse().unwrap()));
    let flags = [
        ("rate-limit", "1000:5000"),
        ("dedupe", "true"),
        ("multiline", "^\\d{4}-"),
        ("proxy-from", "10.0.0.0/8,::1"),
        ("proxy-from", "192.0.2.7"),
    ];
    let settings = Settings::from_flags(&flags).unwrap();
    assert_eq!(settings.rate_limit, Some(RateLimit { lines_per_second: 1000, burst: 5000 }));
    assert!(settings.dedupe);
    assert_eq!(settings.multiline.as_deref(), Some("^\\d{4}-"));
    for (peer, expected) in [("10.9.9.9", true), ("::1", true), ("192.0.2.8", false)] {
        assert_eq!(settings.is_proxy(peer.parse().unwrap()), expected, "{peer}");
    }
    let shown = ["rate-limit", "proxy-from"].map(|name| (row(name).show)(&settings));
    assert_eq!(shown, ["1000:5000", "10.0.0.0/8,::1/128,192.0.2.7/32"]);
    let settings = Settings::from_flags(&[("rate-limit", "7")]).unwrap();
    assert_eq!(settings.rate_limit, Some(RateLimit { lines_per_second: 7, burst: 7 }));
    let settings = Settings::from_flags(&[("rate-limit", "0")]).unwrap();
    assert_eq!(settings.rate_limit, None);
}

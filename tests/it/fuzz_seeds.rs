//! The fuzz targets without cargo-fuzz: fixed seeds, sample inputs and their mutations, some
//! seconds in all. `make fuzz` goes further; what it finds becomes a unit test beside the code.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "../../fuzz/src/lib.rs"]
mod inputs;

const SEED: u64 = 0x6c6f_6763_6173_7465;

/// SplitMix64: small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        // Half of all bytes are such as parsers look for.
        const SIGNS: &[u8] = b"\n\r\0\"'=,:;<>[](){}\\*+?-|.^$ 019azEW\xff\x80";
        match self.below(2) {
            0 => SIGNS[self.below(SIGNS.len())],
            _ => self.next() as u8,
        }
    }

    /// A place in `input` and one at or behind it.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(input.len());
        start..start + self.below(input.len() - start + 1)
    }

    /// `input` changed in one way: a byte, a piece taken out, doubled or brought from `other`.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] = self.byte(),
            1 if at < input.len() => input[at] ^= 1 << self.below(8),
            2 => input.insert(at, self.byte()),
            3 => drop(input.drain(self.range(input))),
            4 => {
                let piece = input[self.range(input)].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let piece = other[self.range(other)].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
}

/// Runs `target` over `samples` and `rounds` mutations of them; `Err` is the first input that
/// made it panic, and how to come to it again.
fn fuzz(target: impl Fn(&[u8]), samples: &[&[u8]], rounds: usize) -> Result<(), String> {
    let mut random = Random(SEED);
    for round in 0..samples.len() + rounds {
        let input = match samples.get(round) {
            Some(sample) => sample.to_vec(),
            None => {
                let mut input = samples[random.below(samples.len())].to_vec();
                for _ in 0..=random.below(8) {
                    let other = samples[random.below(samples.len())];
                    random.mutate(&mut input, other);
                }
                input.truncate(4096);
                input
            }
        };
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            return Err(format!(
                "seed={SEED:#x} round={round} input=b\"{}\"",
                input.escape_ascii()
            ));
        }
    }
    Ok(())
}

#[track_caller]
fn check(target: impl Fn(&[u8]), samples: &[&[u8]], rounds: usize) {
    if let Err(found) = fuzz(target, samples, rounds) {
        panic!("{found}");
    }
}

const LINES: &[&[u8]] = &[
    b"\x04\x03a line\nanother\r\nand one more\0\n\n\r\nlast",
    b"\x1f\x07[Mon Dec 05 10:16:52 2005] [error] mod_jk child workerEnv in error state 6\r\n",
    b"\x00\x00",
    b"03-17 16:13:38.811  1702  2395 D WindowManager: printFreezingDisplayLogs",
    b"- 1131058409 2005.11.03 R60-M1-NF-C:J12-U11 2005-11-03-14.53.29.339977 RAS KERNEL INFO iar",
    b"{\"ts\":\"2026-11-20T10:00:00.123Z\",\"level\":\"warn\",\"msg\":\"x\",\"n\":{\"level\":30}}",
    b"ts=2026-11-20T10:00:00Z severity=critical lvl=EMERGENCY msg=\"INFORMATION\" FATAL: error: ",
    b"<191>1 2026-11-20T10:00:00Z host app 17 - - x",
    b"E0102 12:00:00.1 17 a.cc:1] x\nE/Tag( 17): y\n\x1b[32mINFO\x1b[0m z",
];

/// Of each line: who does what, then what is said.
const IRC_SESSIONS: &[&[u8]] = &[
    b"0JOIN #a,#b\n1JOIN #a\n2JOIN #A\n0MODE #a +ovl bob eve 5\n1KICK #a eve :go\n\
      0TOPIC #a :x\n0MODE #a +b-t+k *!*@* key\n2JOIN #a key\n0NAMES\n1LIST\n0PART #a\n",
    b"0JOIN #logs-error\n1JOIN #logs-all,#logs-x\n\x14disk is full\n\x12all is well\n\
      0PRIVMSG LogBot :!query level=error\n0PRIVMSG #logs-error :!recent 5\n\x1fx\n\x1fx\n",
    b"0CAP LS 302\n0CAP REQ :message-tags echo-message batch draft/chathistory\n\
      0@+a=b;c TAGMSG bob\n0JOIN #logs-all\n\x12one\n0CHATHISTORY LATEST #logs-all * 5\n\
      0CHATHISTORY AROUND #logs-all timestamp=2026-11-20T10:00:00.000Z 3\n",
    b"0WHO *\n0WHO #a o\n0WHOIS ann bob\n1NICK eva\n0WHOWAS eve\n2AWAY :x\n0USERHOST eve\n\
      0ISON eve bob\n0SETNAME :y\n1QUIT :z\n\x02\n\x08\n0PRIVMSG\n0NOTICE #a,bob,eve :hi\n",
    b"\x24NICK ann2\nUSER\n\x25PRIVMSG ann :\x01ACTION x\x01\r\n0LUSERS\n0HELP\n0STATS m\n\
      0LOGQUERY x\n0LOGFILTER add #q keyword y\n0LOGSTREAM full\n0LOGSTATS\n0MODE ann +iZ\n",
    b"0MONITOR + bob,eva,ann\n1NICK eva\n1MONITOR + ann,fay\n0MONITOR S\n0MONITOR - eva\n\x03\n\
      0MONITOR L\n1QUIT\n0MONITOR C\n0CAP REQ :invite-notify no-implicit-names\n0JOIN #a\n",
];

/// A level and whether it is coloured, bytes of labels, bytes of a line, then a record.
const SAID: &[&[u8]] = &[
    b"\x16\x0e\x40app=api\0host=a<11>1 2026-11-20T10:00:00Z edge1 api 17 - - out of memory, again",
    b"\x06\0\0{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n\\u001b[31mc \\ud83d\\ude00\"}",
    b"\x19\x08\xffapp=a\x02bfine \0\x01\x03\x0f\x16\x1b[1m\x7f\xc2\x9b\xe2\x80\xae\xff\xfe end",
    b"\x03\x05\x01host=\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xe2\x82\xac level=info msg=\"x y\" a=1\r\n",
];

/// Three bytes of how, then what comes in.
const FRAMES: &[&[u8]] = &[
    b"\x04\x3f\x05<14>a\n<191>1 2026-11-20T10:00:00Z host app 17 - - x\r\na\n{\"a\":\"}{\"}{}\n",
    b"\x04\x1f\x02<14>a\0<14>b\nc\0\n<14>d\n\0plain\n5 <14>e\n<14>f\n<14>g\n",
    b"\x00\x3f\x0712 <14>a\nb\ncde5 <14>f60 <14>g\n<14>h\n7 <14>ij\nstray 5 <14>k",
    b"\x00\x06\x03900 <14>abcdefghij\nk\n<\n1\n<1\n9 <1>k\n2026-11-20 x\n12 monkeys\n404 <b>",
    b"\x04\x3f\x018 zx\x9c\n<1>y<30>1 a\n70000 zx\xda\0\n\0b\n5 <14>c\x1e{}\n",
    b"\x02\x1f\x04garbage5 <14>xmore 7 <14>abc\nand more\n1 y",
    b"\x03\x1f\x04a\nb\0<14>c\n\0\n{}{}\0\0d\r\n\0last\n",
    b"\x04\x3f\x01GET /health HTTP/1.1\r\nHost: a\r\n",
    b"\x04\x3f\x01\x94\xabdocker.app1\xd2k\0\x8cj\x84\xa6source",
    b"\x04\x3f\x01\0\0\x01\xd1}q\0(X",
];

/// How much is read and inflated at a time, then the stream.
const STREAMS: &[&[u8]] = &[
    b"\x03\x02\x1f\x8b\x08\x1f\0\0\0\0\0\x03\x03\0abcname\0t\0\x12\x34\x4b\x04\0\x43\xbe\xb7\xe8",
    b"\xff\xff\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x02\0\xfd\xffhi\xac\x2a\x93\xd8\x02\0\0\0\0\0",
    b"\x07\x09x\x9c\x4b\x04\0\0\x62\0\x62",
];

/// How much comes at a time, then a request.
const HEADS: &[&[u8]] = &[
    b"\x00GET /a/%2e%2e/b%20c?q=a+b&x=%00 HTTP/1.1\r\nHost: a:1\r\nAccept: a/b;q=0.5, */*\r\n\r\n",
    b"\x05\r\nPOST http://h:1/_bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\nA:\t b \r\n\r\n{}",
    b"\x11PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"\xffOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nAccept-Encoding: gzip;q=0.1\r\n\r\n",
    b"\x03CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length : 2\r\n b\r\n\r\n",
    b"\x01PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x16\x03\x01",
];

/// How much comes and goes back at a time, a length or chunks, then a body.
const BODIES: &[&[u8]] = &[
    b"\x00\x01\xff5\r\nhello\r\n00A;a=\"b\"\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET /",
    b"\x03\x05\xc8ffffffffffffffff\r\n1 ;a\r\nb\r\n+1\r\na\r\n",
    b"\x02\x00\x0chello, worldGET /",
    b"\x02\x00\x00GET /",
];

/// Which coding, how much is shown and comes out at a time, then a body.
const CODED: &[&[u8]] = &[
    b"\x00\x07\x01plain",
    b"\x01\x05\x00\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x02\0\xfd\xffhi\xac\x2a\x93\xd8\x02\0\0\0",
    b"\x02\x00\x03x\x9c\x4b\x04\0\0\x62\0\x62",
    b"\x02\x03\x00\x4b\x4c\x4a\x06\0",
    b"\x03\xff\xff\x28\xb5\x2f\xfd\0\x58\x0a\0\x10a\x09\0\0b\x50\x2a\x4d\x18\x01\0\0\0c",
    b"\x04\x00\x02\x1d\x08abc\xf0\x02def\x01\x06\x0e\x02\x00\x0f\x04\x00\x00\x00\x1d\x01",
];

/// How much comes at a time, then what a client sends.
const IRC_LINES: &[&[u8]] = &[
    b"\x00CAP LS 302\r\nJOIN :\r\nCAP REQ :multi-prefix -batch\r\nNICK bob\r\nUSER b 0 * :B b\r\n",
    b"\x05@+a=b\\s\\:c;d;+e/f= :bob!b@a PRIVMSG #a,bob :\x01ACTION x\x01\r\n",
    b"\x10MODE #a +ov-b+kl-i bob al *!*@10.0.0.? key 17\nMODE #a +b\rMODE bob +i-w\r\n\r\n",
    b"\xffKICK #a bob :\xe2\x82\xac\nWHO *.a\\*b?* o\nX 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 :16\n",
];

const PROXY_HEADERS: &[&[u8]] = &[
    b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n<14>a\n",
    b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\x0a\0\0\x05\x0a\0\0\x01\xdc\x04\x02\x02\x03\0\x04abcd\xff",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
];

const COMMANDS: &[&[u8]] = &[
    b"COUNT",
    b"recent 50",
    b"SEARCH a \"quoted\" text",
    b"REGEX (?i)error.*\\bpayment\\b[a-f\\d]{2,3}$",
    b"FILTER 2026-11-20 10:00:00 2026-11-20 11:00:00",
    b"FILTER -5m now",
    b"QUERY keywords=a,b operator=OR regex=\"x|y\" since=-5m until=2026-11-20T10:00:00+01:00",
    b"QUERY keyword=\"a b\" level=error source=10.0.0.1 limit=10 order=desc format=json after=17",
    b"TAIL n=20 time_from=1795168800 level=warn",
    b"GET / HTTP/1.1\r\nHost: localhost",
];

const FIELDS: &[&[u8]] = &[
    b"{\"a\":1,\"b\":{\"c\":[1,{\"d\":2}],\"e.f\":null},\"a\":2,\"\\u0061b\":\"\\\"q\\ud83d\"}",
    b"{\"status\" : 503 , \"user\":{\"name\":\"bob\"},\"ok\":true,\"n\":-1.5e+3}...",
    b"level=info msg=\"a \\\"b\\\" c\" n=5, (k=[v]) done flag\tx=",
    b"GET /x?a=1&b=2 took 5 ms status=\"200\" = == a.b-c/d@e=f",
    b"<34>1 2026-11-20T10:00:00Z edge1 api 17 ID47 [req@1 id=\"7\" q=\"a\\]\\\"\"][x y=\"\"] k=v",
    b"<13>Nov 20 10:00:00 edge1 api[17]: @cee: {\"a\":{\"b\":1}}",
];

const QUERIES: &[&[u8]] = &[
    b"host=a app!=b facility~c severity<=3 field.status>=500 field.status<600 !keyword=x",
    b"field.\"a key\"=\"a \\\"b\" field.a.b.c!~x|y level<=error field.x= msg_id>1 transport!=tcp",
    b"{\"field.a\":1} field.{\"a\":1}=2 field.field.a=1",
    b"keywords=a,b operator=AND regex=(?i)x+y since=-5m until=now limit=10 order=desc",
    b"keyword='a b' time_from=\"2026-11-20 10:00:00\" time_to=1795168800.5 format=raw after=17",
    b"n=20 level=warning source=::1",
    b"(a?){100}a{100}",
    b"[^x]{0,900}q\\A\\z(?u)\\w\xc3\xa9",
    b"(?P<name>a|b)*?[[:alpha:]--[a-c]]\\x{1F600}",
];

/// Labels, whose length comes first, and a text.
const RECORDS: &[&[u8]] = &[
    b"\x09host=a b\0a plain line",
    b"\x0capp=x\0host=y{\"a\":{\"b\":[1,{\"c\":null}]},\"msg\":\"\\u00e9\\n\",\"n\":-1.5e3}",
    b"\0level=info msg=\"a \\\"b\\\"\" n=17, t=2026-11-20T10:00:00Z user=bob,\"x\"\r\n\xff=\xfe",
    b"\x03a=\xff<34>1 2026-11-20T10:00:00.5Z host app 17 ID [x@1 a=\"b\\]\"] {\"q\":\"\"}",
];

/// Which question, then its parameters; the last are those of a client that comes back.
const HTTP_QUESTIONS: &[&[u8]] = &[
    b"\0level>=warning&q=refused -\"a b\" /x{2}/ !host=h&order=desc&before=1795168800000009",
    b"\0field.\"a b\"~x&format=csv&after=1795168800000003&timeout=5s&_=7",
    b"\x01keyword=con&n=20&since=-5m&limit=7",
    b"\x02step_ms=1000&since=-1h&until=now&time=event&app!=x",
    b"\x02buckets=9&q=level=error",
    b"\x03_",
    b"\x04host",
    b"\x05by=stream",
    b"\x81179",
];

/// Edits to the segment of [`inputs`]: none, one in each part, the file cut short.
const EDITS: &[&[u8]] = &[
    b"",
    b"\0\0\x08\x01\x01\0\x08\x02",
    b"\x02\0\x10\xff\x04\0\x08\x01\x05\x07\xf0\x20",
    b"\x06\x40\0x\x0d\0\x04\xff\x11\x07\xe0\x80\x80",
];

/// Peer, host and applications; and, of another kind, a bound and lines that follow a first one.
const SENDERS: &[&[u8]] = &[
    b"10.0.0.5\0box\0sshd\0cron\0sshd\0\x1b[31mred\xc2\x9b\0kernel",
    b"::1\0\0an application with a rather long name, of more than sixty-four bytes\0\xc3\xa9",
    b"\x40first\n\tat a.b(C.java:17)\n\tat d.e(F.java:4)\n\nCaused by: x\n ... 17 more",
    b"\x04 before any\nlonger than allowed\n  xxx\n\n\n",
];

#[test]
fn labels_are_canonical() {
    check(logcaster::session::labels::fuzz_labels, SENDERS, 20_000);
}

#[test]
fn joined_lines_are_all_there() {
    check(logcaster::session::multiline::fuzz_multiline, SENDERS, 5_000);
}

const HEADERS: &[&[u8]] = &[
    b"<165>1 2026-11-20T18:23:44.003Z edge1 api 42 ID47 [a@1 b=\"c\\\"d\"][e] \xef\xbb\xbftext",
    b"<165>1 - - - - - - text\n<34>Oct 11 22:14:15 mymachine su[7]: failed",
    b"<189>29: sw1: *Nov 20 2026 18:23:44.123 UTC: %SYS-5-CONFIG_I: Configured",
    b"<189>1: xr RP/0/RSP0/CPU0:Nov 20 06:23:44 PM.1 : config[6]: %MGBL-SYS-5-CONFIG_I : text",
    b"<187>: 2026 Nov 20 18:23:44 CET: %$VDC-1%$ %ETHPORT-5-IF_UP: up",
    b"<190>Nov 20 2026 18:23:44 hw1 %%01SHELL/5/CMDRECORD(l)[123]:Record",
    b"<30>Feb 29 18:23:44 MikroTik firewall,info forward: in:ether1",
    b"<30>Nov 20 18:23:44 (\"U7LT,788a2056b182,v3.9.3.7537\") hostapd[3]: ath0",
    b"<134>1 1795199024.626061236 appliance flows src=10.0.0.1",
    b"<13>2026-11-20 18:23:44,5 +0100 mbp login[1234] <Notice>: USER",
    b"<29>Fri Oct 25 02:30:44 2026 daemon.notice netifd: up",
];

const KERNEL: &[&[u8]] = &[
    b"7,160,424069,-,caller=T1;pci gr\\xc3\\xbc\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n",
    b"30,18446744073709551615,99,c;\\x\\xZZ",
];

const OBJECTS: &[&[u8]] = &[
    b"{\"time\":\"2026-11-20T18:23:44.123456789+01:00\",\"level\":30}",
    b"{\"a\":[{\"ts\":1}],\"ts\":1795199024.5,\"date\":1.79e9}\n{\"eventTime\" : 1795199024001}",
    b"{\"msg\":\"some more text\",\"@timestamp\":\"2026-10-25 02:30:00\",\"_time\":1795199024250}",
];

#[test]
fn headers_hold_what_they_promise() {
    check(logcaster::message::syslog::fuzz_syslog, HEADERS, 60_000);
}

#[test]
fn kernel_messages_hold_what_they_promise() {
    check(logcaster::message::kmsg::fuzz_kmsg, KERNEL, 20_000);
}

#[test]
fn the_time_of_a_json_line_does_not_depend_on_the_line_before() {
    check(logcaster::message::json_time::fuzz_json_time, OBJECTS, 20_000);
}

#[test]
fn lines_hold_what_they_promise() {
    check(logcaster::proto::line::fuzz_line, LINES, 60_000);
}

#[test]
fn frames_keep_the_account_of_every_byte() {
    check(logcaster::proto::frame::fuzz_frame, FRAMES, 60_000);
}

#[test]
fn streams_are_inflated_or_refused() {
    check(logcaster::proto::inflate::fuzz_inflate, STREAMS, 4_000);
}

#[test]
fn heads_of_requests_are_read_or_refused() {
    check(logcaster::proto::http::fuzz_http_head, HEADS, 30_000);
}

#[test]
fn bodies_of_requests_are_the_same_in_pieces() {
    check(logcaster::proto::http::fuzz_http_body, BODIES, 30_000);
}

#[test]
fn coded_bodies_are_decoded_or_refused() {
    let frames = ["level-1", "level-19-checksum", "stream-checksum"].map(|name| {
        let top = env!("CARGO_MANIFEST_DIR");
        let frame = std::fs::read(format!("{top}/tests/data/zstd/{name}.zst")).unwrap();
        [b"\x03\xff\xff".as_slice(), &frame].concat()
    });
    let mut samples = CODED.to_vec();
    samples.extend(frames.iter().map(Vec::as_slice));
    check(logcaster::proto::coding::fuzz_coding, &samples, 4_000);
}

#[test]
fn lines_of_irc_are_read_and_written_again() {
    let long = [b"\x3f@+a=".as_slice(), &[b'a'; 4087], b" PRIVMSG #a :", &[b'b'; 500]].concat();
    let samples = [IRC_LINES, &[&long]].concat();
    check(logcaster::proto::irc::fuzz_irc_message, &samples, 40_000);
}

#[test]
fn proxy_headers_are_read_or_refused() {
    check(logcaster::proto::proxy::fuzz_proxy, PROXY_HEADERS, 20_000);
}

#[test]
fn levels_are_found_the_same_in_both_ways() {
    check(logcaster::level::fuzz_level, LINES, 60_000);
}

#[test]
fn commands_are_read_or_refused() {
    check(logcaster::proto::command::fuzz_command, COMMANDS, 20_000);
}

#[test]
fn queries_are_read_or_refused() {
    check(logcaster::query::fuzz_query, QUERIES, 4_000);
    check(logcaster::query::fuzz_query, FIELDS, 4_000);
}

#[test]
fn questions_over_http_are_answered_or_refused() {
    check(logcaster::session::http::questions::fuzz_question, HTTP_QUESTIONS, 4_000);
}

#[test]
fn fields_are_found_by_their_names() {
    check(logcaster::message::fields::fuzz_fields, FIELDS, 40_000);
}

#[test]
fn records_are_shown_as_their_formats_want() {
    check(logcaster::query::fuzz_render, RECORDS, 20_000);
}

#[test]
fn records_are_said_in_short_and_harmless_lines() {
    check(logcaster::session::irc::line::fuzz_irc_line, SAID, 40_000);
}

#[test]
fn what_clients_of_irc_do_is_answered() {
    check(logcaster::session::irc::room::fuzz_irc, IRC_SESSIONS, 2_000);
}

/// Filters and alerts as they are kept.
const KEPT: &[&[u8]] = &[
    b"{\"version\":1,\"filters\":[{\"id\":3,\"channel\":\"#db\",\"words\":\"keyword=a\",\
        \"off\":false},{\"id\":4,\"channel\":\"#logs-all\",\"words\":\"regex=^x\",\"off\":true}],\
        \"alerts\":[]}",
    b"{\"version\":1,\"filters\":[],\"alerts\":[{\"id\":4,\"channel\":\"#db\",\"name\":\"many\",\
        \"words\":\"level>=error\",\"more_than\":5,\"per\":\"1h30m\"}]}",
];

#[test]
fn filters_that_were_kept_are_read_or_refused() {
    check(logcaster::session::irc::bot::saved::fuzz_irc_saved, KEPT, 4_000);
}

#[test]
fn segments_are_opened_or_refused() {
    check(|data| logcaster::segment::fuzz_open(&inputs::edited_segment(data)), EDITS, 200);
}

#[test]
fn blocks_are_read_or_refused() {
    check(|data| logcaster::segment::fuzz_block(&inputs::edited_block(data)), EDITS, 2_000);
}

#[test]
fn bytes_that_are_no_segment_are_refused() {
    check(logcaster::segment::fuzz_open, EDITS, 2_000);
}

/// Whether it is in protobuf, then the body.
const PUSHES: &[&[u8]] = &[
    b"\0{\"streams\":[{\"stream\":{\"app\":\"a\",\"level\":\"err\"},\
        \"values\":[[\"17\",\"x\\n\",{\"k\":\"v\"}]]}]}",
    b"\0{\"streams\":[{\"entries\":[{\"ts\":\"2026-09-21T14:13:20Z\",\
        \"line\":\"\\ud83d\"}],\"labels\":\"{}\"}]}",
    b"\0{a=\"b\\x41\\101\", c=`d` , \"e f\"=\"\\u00e9\",}",
    b"\x01\x0a\x2d\x0a\x07{a=\"b\"}\x12\x0e\x0a\x04\x08\x07\x10\x01\x12\x04line\x20\0\
        \x12\x12\x12\x04line\x1a\x06\x0a\x01k\x12\x01v\x0a\x02\x08\x05",
];

/// The same.
const EXPORTS: &[&[u8]] = &[
    b"\0{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"host.name\",\
        \"value\":{\"stringValue\":\"h\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"s\"},\
        \"logRecords\":[{\"timeUnixNano\":\"17\",\"body\":{\"kvlistValue\":{\"values\":\
        [{\"key\":\"a\",\"value\":{\"intValue\":\"1\"}}]}},\"traceId\":\"0af7\"}]}]}]}",
    b"\0{\"resource_logs\":[{\"scope_logs\":[{\"log_records\":[{\"severityText\":\"warn\",\
        \"attributes\":[{\"key\":\"d\",\"value\":{\"doubleValue\":\"NaN\"}},\
        {\"value\":{\"arrayValue\":{\"values\":[{}]}}}]}]}]}]}",
    b"\x01\x0a\x2b\x12\x29\x12\x27\x09\x07\0\0\0\0\0\0\0\x10\x09\x1a\x04info\
        \x2a\x06\x0a\x04text\x32\x08\x0a\x01k\x12\x03\x18\xc8\x01\x4a\x02\xaf\x07",
];

const MESSAGES: &[&[u8]] = &[
    b"\x08\x96\x01\x12\x07testing\x19\x01\0\0\0\0\0\0\0\x25\xff\0\0\0",
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x0b\x0c\x1a\x04\x0a\x02\x08\x01",
];

#[test]
fn pushes_of_loki_are_read_or_refused() {
    check(logcaster::proto::loki::fuzz_loki, PUSHES, 40_000);
}

#[test]
fn exports_of_otlp_are_read_or_refused() {
    check(logcaster::proto::otlp::fuzz_otlp, EXPORTS, 40_000);
}

#[test]
fn protobuf_is_read_or_refused() {
    check(logcaster::proto::protobuf::fuzz_protobuf, MESSAGES, 40_000);
}

/// One byte of how, then a body.
const JSON_LINES: &[&[u8]] = &[
    b"\x02{\"_msg\":\"one\",\"level\":\"info\"}\r\n\n\
      {\"_time\":1790000000.5}{\"a\":[{},1,\"}\"]}\nnot json\n{\"b\":",
    b"\x05[{\"log\":\"\\u001b[1mx\\\\\",\"a\":{\"b\":7}},\
      {\"x\":1,\"y1\":true},2,{\"date\":\"-\"}]{\"b\":{\"c\":\"\"}}",
    b"\x07{\n \"a\": \"\\ud83d\\n\",\r\n \"t\" : -0.5e+3 }\n{\"a\":1\n{\"log\":null}\xef\xbb\xbf",
    b"\x01\xef\xbb\xbf{\"t\":\"2026-09-21 14:13:20.000000\",\
      \"l\\u006fg\":12} x\n,]{\"y\":{\"a\":[[]]}}",
];

/// The same for pairs of lines.
const BULKS: &[&[u8]] = &[
    b"\x03{\"create\":{\"_index\":\"a-2026.09.21\",\"_id\":\"\"}}\n\
      {\"@timestamp\":17,\"host\":{\"name\":\"h\"}}\r\n",
    b"\x11{\"update\":{}}\n{\"doc_as_upsert\":true,\"doc\":{\"app\":1}}\n\
      {\"delete\":{}}\n{\"index\":{}}\n{\"a\"",
    b"\x00{ \"index\" : {} }\n\n{\"index\":{}}\nnot json\n{\"insert\":{}}\n{}",
];

#[test]
fn lines_of_json_are_objects_or_bad() {
    check(logcaster::proto::jsonline::fuzz_jsonline, JSON_LINES, 40_000);
}

#[test]
fn bulks_are_answered_item_by_item() {
    check(logcaster::proto::bulk::fuzz_bulk, BULKS, 30_000);
}

/// A target with a fault that only a mutation reaches: the harness must find it and say how.
#[test]
fn the_canary_is_found() {
    let canary = |data: &[u8]| assert!(!data.contains(&b'#'), "the canary");
    let sample = b"a line without the byte".as_slice();
    assert!(catch_unwind(|| canary(sample)).is_ok(), "the sample alone is harmless");
    let found = fuzz(canary, &[sample], 60_000);
    assert!(found.is_err_and(|how| how.contains("round=") && how.contains('#')));
}

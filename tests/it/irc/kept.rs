//! Filters and alerts over a restart, on the real server.

use std::path::Path;

use crate::peer::Peer;
use crate::support::{Server, setup, temp_dir, wait_until};

/// Somebody who asks LogBot.
struct Asker {
    peer: Peer,
}

impl Asker {
    fn new(server: &Server) -> Self {
        let mut peer = Peer::to(server.irc);
        peer.write("NICK ann\r\nUSER ann 0 * :ann\r\n");
        peer.lines_until(|line| line.contains(" 422 ") || line.contains(" 376 "));
        Self { peer }
    }

    /// What LogBot answers.
    fn ask(&mut self, command: &str) -> Vec<String> {
        self.peer.write(format!("PRIVMSG LogBot :{command}\r\nPING done\r\n"));
        let mut lines = self.peer.lines_until(|line| line.contains(" PONG "));
        lines.pop();
        let text = |line: String| line.split_once(" :").map(|(_, text)| text.trim_end().to_owned());
        lines.into_iter().filter_map(text).collect()
    }
}

fn start(dir: &Path) -> Server {
    setup(&[]).dir(dir, 1).irc().start()
}

#[test]
fn filters_and_alerts_are_kept_over_a_restart() {
    let dir = temp_dir();
    let file = dir.path().join("irc.json");
    let server = start(dir.path());
    let mut asker = Asker::new(&server);
    asker.ask("!logfilter add #db keyword deadlock");
    asker.ask("!alert add many level>=error > 5 per 5m #db");
    let listed = asker.ask("!logfilter list");
    assert_eq!(listed, ["1 #db keyword=deadlock"]);
    wait_until("filters to be kept", || {
        std::fs::read_to_string(&file).ok().filter(|text| text.contains("many"))
    });
    server.stop();
    let server = start(dir.path());
    let mut asker = Asker::new(&server);
    assert_eq!(asker.ask("!logfilter list"), listed);
    assert_eq!(asker.ask("!alert list"), ["many 'level>=error' > 5 per 5m #db"]);
    server.stop();
    // What cannot be read is put aside, and nothing of it is lost.
    std::fs::write(&file, b"not that").unwrap();
    let server = start(dir.path());
    server.wait_stderr("irc_filters_bad");
    let mut asker = Asker::new(&server);
    assert_eq!(asker.ask("!logfilter list"), ["there are no filters"]);
    assert_eq!(std::fs::read(dir.path().join("irc.json.bad")).unwrap(), b"not that");
    server.stop();
}

#[test]
fn a_kept_alert_counts_lines_before_anybody_of_irc_comes() {
    let dir = temp_dir();
    let server = start(dir.path());
    Asker::new(&server).ask("!alert add many level>=error > 2 per 1h #db");
    wait_until("the alert to be kept", || dir.path().join("irc.json").exists().then_some(()));
    server.stop();
    let server = start(dir.path());
    server.send_until("ERROR one\nERROR two\nERROR three\n", 3);
    let mut asker = Asker::new(&server);
    // The feeds have a turn of their own, soon after the lines.
    wait_until("the alert to be told", || {
        (asker.ask("!alert list") == ["many 'level>=error' > 2 per 1h #db (on)"]).then_some(())
    });
    server.stop();
}

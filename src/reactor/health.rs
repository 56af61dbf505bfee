//! How the server is: OK, DEGRADED (it works, somebody should look) or DOWN (it does not do what it
//! is for), with a sentence for each of its parts.

use std::io::Write as _;

use super::Reactor;
use crate::clock::{MS, Mono, SECOND, Wall};
use crate::limits::{DECODER_BYTES_MIN, HEALTH_SYNC_MS_MAX};

/// What is answered to whoever asks whether questions are answered: as Loki does.
pub(super) const READY: &str = "ready\n";

/// How a part is, and the whole: as its worst part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// It works, and something is wrong.
    Degraded,
    /// It does not work.
    Down,
}

impl Status {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        }
    }
}

/// How one part is.
#[derive(Debug, PartialEq, Eq)]
struct Component {
    name: &'static str,
    status: Status,
    /// One sentence: letters, digits and punctuation of ours, no quotes.
    detail: String,
}

/// How the server is.
#[derive(Debug)]
pub(super) struct Health {
    components: [Component; 5],
    uptime_s: u64,
}

impl Health {
    /// How the whole is.
    pub fn status(&self) -> Status {
        self.components.iter().map(|one| one.status).max().unwrap_or(Status::Ok)
    }

    /// Its parts by name, and how each is.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Status)> {
        self.components.iter().map(|one| (one.name, one.status))
    }

    /// The status code of the answer: 200, or 503 where it is down.
    pub fn code(&self) -> u16 {
        if self.status() == Status::Down { 503 } else { 200 }
    }

    /// Appends it as one JSON object and a newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let (status, version) = (self.status().name(), env!("CARGO_PKG_VERSION"));
        let _infallible = write!(
            out,
            "{{\"status\":\"{status}\",\"version\":\"{version}\",\"uptime_s\":{},\"components\":{{",
            self.uptime_s
        );
        for Component { name, status, detail } in &self.components {
            let status = status.name();
            let _infallible =
                write!(out, "\"{name}\":{{\"status\":\"{status}\",\"detail\":\"{detail}\"}},");
        }
        out.extend_from_slice(b"\"forwarders\":[]}}\n");
    }

    /// Appends it as text: `OK`; else the status, and a line for each part that is not well.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.status().name().as_bytes());
        for Component { name, status, detail } in &self.components {
            if *status != Status::Ok {
                let _infallible = write!(out, "\n{name}: {}: {detail}", status.name());
            }
        }
        if self.status() != Status::Ok {
            out.push(b'\n');
        }
    }
}

impl Reactor {
    /// How it is now.
    pub(super) fn health(&mut self) -> Health {
        let listeners = Listeners {
            is_ending: self.life.is_ending(),
            count: self.listeners.len(),
            starved: self.listeners.iter().filter(|one| one.starved_until.is_some()).count(),
            senders: self.count_role("logs"),
            senders_max: self.settings.max_clients,
        };
        Health {
            components: [
                self.segment_health(),
                self.disk_health(),
                memory_health(self.memory_used(), self.settings.memory),
                listeners.health(),
                self.sync_health().health(),
            ],
            uptime_s: self.now / SECOND,
        }
    }

    /// That the loop turns: whoever is answered at all is answered this.
    pub(super) fn live(&self) -> &'static str {
        "OK"
    }

    /// Whether questions are answered and lines are kept as was asked.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn ready(&self) -> Result<(), &'static str> {
        match self.storage.not_ready() {
            Some(reason) => Err(reason),
            None if self.storage.has_failed() => Err("a sync failed, what comes in is not on disk"),
            None if self.life.is_ending() => Err("it is stopping"),
            None => Ok(()),
        }
    }

    fn segment_health(&self) -> Component {
        let damaged = self.metrics.damaged + self.metrics.opened_damaged;
        let (status, detail) = match (self.storage.not_ready(), self.storage.segment()) {
            (Some(reason), _) => (Status::Down, reason.to_owned()),
            _ if damaged > 0 => {
                (Status::Degraded, format!("damaged records were met {damaged} times"))
            }
            (None, Some(segment)) => (Status::Ok, format!("open, {} records", segment.records())),
            (None, None) => (Status::Down, String::from("the segment is being opened")),
        };
        Component { name: "segment", status, detail }
    }

    fn disk_health(&self) -> Component {
        let pages = crate::segment::map::bus_errors();
        let (status, detail) = if !self.settings.persist {
            (Status::Ok, String::from("none: records are kept in memory only"))
        } else if pages > 0 {
            let detail = format!("{pages} pages could not be read and are zeros now");
            (Status::Degraded, detail)
        } else if self.storage.prewrite_again.is_some() {
            let detail = "it does not take what is written ahead, so the ring does not grow";
            (Status::Degraded, String::from(detail))
        } else {
            (Status::Ok, String::from("readable and writable, as far as was tried"))
        };
        Component { name: "disk", status, detail }
    }

    fn sync_health(&self) -> Syncs {
        Syncs {
            is_on_disk: self.settings.persist,
            has_failed: self.storage.has_failed(),
            began: self.storage.is_syncing().then_some(self.storage.sync_began),
            now: self.now,
            last: self.metrics.sync_last_ended,
            wall: self.wall,
        }
    }
}

fn memory_health(used: usize, allowed: usize) -> Component {
    // Compressed uploads are refused before all of it is spent.
    let is_short = allowed.saturating_sub(used) < DECODER_BYTES_MIN;
    let status = if is_short { Status::Degraded } else { Status::Ok };
    let detail = format!("{} of {} KiB in use beyond the ring", used >> 10, allowed >> 10);
    Component { name: "memory", status, detail }
}

/// How those stand who let others in.
struct Listeners {
    is_ending: bool,
    count: usize,
    /// How many of them found no descriptor for a connection.
    starved: usize,
    senders: usize,
    senders_max: usize,
}

impl Listeners {
    fn health(&self) -> Component {
        let Self { count, starved, senders, senders_max, .. } = self;
        let (status, detail) = if self.is_ending {
            (Status::Down, String::from("closed: it is stopping"))
        } else if *starved > 0 {
            let detail = format!("{starved} of {count} wait for a descriptor to become free");
            (Status::Degraded, detail)
        } else if senders >= senders_max {
            let detail = format!("{senders} log clients are connected, no more are taken");
            (Status::Degraded, detail)
        } else {
            let detail = format!("{count} listen, {senders} of {senders_max} log clients");
            (Status::Ok, detail)
        };
        Component { name: "listeners", status, detail }
    }
}

/// How syncs stand.
struct Syncs {
    is_on_disk: bool,
    has_failed: bool,
    /// When the one under way was begun.
    began: Option<Mono>,
    now: Mono,
    /// When the last good one ended; 0 before the first.
    last: Wall,
    wall: Wall,
}

impl Syncs {
    fn health(&self) -> Component {
        let taking = self.began.map_or(0, |began| self.now.saturating_sub(began));
        let since = self.wall.saturating_sub(self.last) / SECOND;
        let (status, detail) = if !self.is_on_disk {
            (Status::Ok, String::from("none: records are kept in memory only"))
        } else if self.has_failed {
            let detail = "a sync failed: what comes in is not on disk until a restart";
            (Status::Down, String::from(detail))
        } else if taking > HEALTH_SYNC_MS_MAX * MS {
            (Status::Degraded, format!("a sync is under way for {} s", taking / SECOND))
        } else if self.last == 0 {
            (Status::Ok, String::from("none so far"))
        } else {
            (Status::Ok, format!("ended well {since} s ago"))
        };
        Component { name: "last_sync", status, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syncs() -> Syncs {
        let (now, wall) = (100 * SECOND, 1000 * SECOND);
        Syncs { is_on_disk: true, has_failed: false, began: None, now, last: 0, wall }
    }

    #[track_caller]
    fn is(component: &Component, status: Status, words: &str) {
        assert_eq!(component.status, status, "{}", component.detail);
        assert!(component.detail.contains(words), "{}", component.detail);
    }

    #[test]
    fn a_sync_that_failed_is_down() {
        is(&Syncs { has_failed: true, ..syncs() }.health(), Status::Down, "a sync failed");
        is(&Syncs { last: 990 * SECOND, ..syncs() }.health(), Status::Ok, "10 s ago");
        is(&syncs().health(), Status::Ok, "none so far");
        is(&Syncs { is_on_disk: false, ..syncs() }.health(), Status::Ok, "memory only");
    }

    #[test]
    fn a_sync_that_does_not_end_is_told() {
        is(&Syncs { began: Some(91 * SECOND), ..syncs() }.health(), Status::Ok, "none so far");
        let late = Syncs { began: Some(89 * SECOND), ..syncs() }.health();
        is(&late, Status::Degraded, "for 11 s");
    }

    #[test]
    fn a_budget_that_is_spent_degrades() {
        is(&memory_health(1 << 20, 2 << 20), Status::Ok, "1024 of 2048 KiB");
        is(&memory_health(2 << 20, 2 << 20), Status::Degraded, "2048 of 2048 KiB");
    }

    #[test]
    fn a_listener_that_is_starved_degrades_and_a_stop_is_down() {
        let well =
            || Listeners { is_ending: false, count: 3, starved: 0, senders: 1, senders_max: 9 };
        is(&well().health(), Status::Ok, "3 listen, 1 of 9");
        is(&Listeners { starved: 1, ..well() }.health(), Status::Degraded, "1 of 3 wait");
        is(&Listeners { senders: 9, ..well() }.health(), Status::Degraded, "9 log clients");
        is(&Listeners { is_ending: true, ..well() }.health(), Status::Down, "stopping");
    }

    #[test]
    fn the_whole_is_as_its_worst_part() {
        let component = |name, status| Component { name, status, detail: format!("as {name}") };
        let health = |segment, disk| Health {
            components: [
                component("segment", segment),
                component("disk", disk),
                component("memory", Status::Ok),
                component("listeners", Status::Ok),
                component("last_sync", Status::Ok),
            ],
            uptime_s: 5,
        };
        let text = |health: &Health| {
            let mut out = Vec::new();
            health.write_text(&mut out);
            (health.code(), String::from_utf8(out).unwrap())
        };
        assert_eq!(text(&health(Status::Ok, Status::Ok)), (200, "OK".to_owned()));
        let expected = "DEGRADED\ndisk: DEGRADED: as disk\n".to_owned();
        assert_eq!(text(&health(Status::Ok, Status::Degraded)), (200, expected));
        let down = health(Status::Down, Status::Degraded);
        let expected = "DOWN\nsegment: DOWN: as segment\ndisk: DEGRADED: as disk\n".to_owned();
        assert_eq!(text(&down), (503, expected));
        let mut out = Vec::new();
        down.write_json(&mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json["status"], &json["uptime_s"]), (&"DOWN".into(), &5.into()));
        assert_eq!(json["components"]["disk"]["status"], "DEGRADED");
        assert_eq!(json["components"]["memory"]["detail"], "as memory");
        assert_eq!(json["components"]["forwarders"], serde_json::json!([]));
    }
}

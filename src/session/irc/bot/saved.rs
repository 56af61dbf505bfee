//! Filters and alerts as they are kept over a restart: one JSON object, read whole or not at all.
//!
//! ```text
//! {"version":1,
//!  "filters":[{"id":3,"channel":"#db","words":"keyword=deadlock","off":false}],
//!  "alerts":[{"id":4,"channel":"#db","name":"many","words":"keyword=deadlock","more_than":5,
//!             "per":"5m"}]}
//! ```

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::feeds::{self, Listener};
use super::super::server::Irc;
use super::alerts::Draft;
use super::filters::{enter, open, settle};
use crate::clock::Wall;
use crate::limits::{IRC_ALERTS_MAX, IRC_FILTERS_MAX};
use crate::proto::irc::names::is_channel;
use crate::query::{TimeContext, parse_duration};

const VERSION: u64 = 1;

/// A filter as it is kept.
struct Filter {
    number: u32,
    channel: Vec<u8>,
    words: String,
    is_off: bool,
}

impl Irc {
    /// What is to be kept, where that has changed since it was asked for last.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.bot.is_changed).then(|| self.saved())
    }

    /// What was taken could not be kept, and is to be offered again.
    pub fn keep_changed(&mut self) {
        self.bot.is_changed = true;
    }

    fn saved(&self) -> Vec<u8> {
        let filters = self.feeds.filters().filter_map(|(id, number, feed)| {
            let channel = String::from_utf8_lossy(&self.channel(id)?.name).into_owned();
            let (words, off) = (&feed.words, feed.is_off);
            Some(json!({"id": number, "channel": channel, "words": words, "off": off}))
        });
        let alerts = self.bot.alerts.iter().map(|(number, alert)| {
            let Draft { name, words, more_than, per, channel, .. } = &alert.draft;
            let channel = String::from_utf8_lossy(channel);
            json!({"id": number, "channel": channel, "name": name, "words": words,
                "more_than": more_than, "per": per})
        });
        let (filters, alerts) = (filters.collect::<Vec<_>>(), alerts.collect::<Vec<_>>());
        let all = json!({"version": VERSION, "filters": filters, "alerts": alerts});
        format!("{all:#}\n").into_bytes()
    }

    /// Something was kept, and [`Self::restore`] brings it back once the segment is open.
    pub fn await_restore(&mut self) {
        self.bot.awaits_restore = true;
    }

    /// There is nothing to bring back, or nothing more.
    pub fn end_restore(&mut self) {
        self.bot.awaits_restore = false;
    }

    /// Brings back what was kept: how many filters and alerts.
    ///
    /// # Errors
    /// What cannot be read; then nothing was brought back.
    pub fn restore(&mut self, bytes: &[u8], wall: Wall) -> Result<usize, String> {
        let all: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match all.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => return Err(format!("version {other} (expected {VERSION})")),
            None => return Err(String::from("no version")),
        }
        let filters = list(&all, "filters", IRC_FILTERS_MAX, |value| filter(value, wall))?;
        let alerts = list(&all, "alerts", IRC_ALERTS_MAX, alert)?;
        let count = filters.len() + alerts.len();
        for Filter { number, channel, words, is_off } in filters {
            let id = match self.find_channel(&channel) {
                Some(id) => id,
                None => open(self, &channel, wall)?,
            };
            let key = (Listener::Channel(id), number);
            self.feeds.add(key, words);
            if let Some(feed) = self.feeds.get_mut(key) {
                feed.is_off = is_off;
            }
            self.bot.numbers = self.bot.numbers.max(number);
            settle(self, id, wall);
        }
        for (number, draft) in alerts {
            let id = match self.find_channel(&draft.channel) {
                Some(id) => id,
                None => open(self, &draft.channel, wall)?,
            };
            self.put_alert(number, draft, id);
            self.bot.numbers = self.bot.numbers.max(number);
            enter(self, id, wall);
            settle(self, id, wall);
        }
        Ok(count)
    }
}

/// Reads a list of at most `max`.
fn list<T>(
    all: &Value,
    name: &str,
    max: usize,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, String> {
    let values = all.get(name).and_then(Value::as_array).ok_or(format!("no list of {name}"))?;
    if values.len() > max {
        return Err(format!("{} {name} (allowed: {max})", values.len()));
    }
    let numbered = values.iter().enumerate();
    numbered.map(|(at, value)| read(value).ok_or(format!("bad {name}[{at}]"))).collect()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn id(value: &Value) -> Option<u32> {
    // The last number is never reached again.
    let id = u32::try_from(value.get("id")?.as_u64()?).ok()?;
    (1..u32::MAX / 2).contains(&id).then_some(id)
}

fn channel(value: &Value) -> Option<Vec<u8>> {
    let name = text(value, "channel")?.as_bytes().to_vec();
    is_channel(&name).then_some(name)
}

fn filter(value: &Value, wall: Wall) -> Option<Filter> {
    let words = text(value, "words")?.to_owned();
    feeds::parse(&words, &TimeContext::new(wall, &TimeZone::UTC)).ok()?;
    let is_off = value.get("off")?.as_bool()?;
    Some(Filter { number: id(value)?, channel: channel(value)?, words, is_off })
}

fn alert(value: &Value) -> Option<(u32, Draft)> {
    let per = text(value, "per")?.to_owned();
    let draft = Draft {
        name: text(value, "name")?.to_owned(),
        // Which labels there are is known once the segment is open.
        words: text(value, "words")?.to_owned(),
        more_than: value.get("more_than")?.as_u64()?,
        window_ns: parse_duration(&per)?,
        per,
        channel: channel(value)?,
    };
    draft.check().ok()?;
    Some((id(value)?, draft))
}

/// Reads any bytes as what was kept: must never panic, and what is brought back can be kept again.
pub fn fuzz_irc_saved(data: &[u8]) {
    let settings = super::super::IrcSettings::default();
    let mut irc = Irc::new(settings.clone(), 0, 1_795_168_800_000_000_000);
    if irc.restore(data, 1_795_168_800_000_000_000).is_ok() {
        let kept = irc.saved();
        let mut again = Irc::new(settings, 0, 0);
        again.restore(&kept, 0).expect("what was kept can be read");
        assert_eq!(again.saved(), kept);
    }
}

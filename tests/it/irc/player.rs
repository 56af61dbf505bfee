//! Plays a case of a table against a server, whatever carries the bytes.

use std::collections::{BTreeMap, VecDeque};

use super::script::{Action, Case, Heard, Names, Pattern, bytes_of};

/// A server and what carries bytes to it.
pub trait Net {
    /// Somebody connects.
    fn connect(&mut self) -> usize;
    /// A client's bytes go to the server, in one write or in pieces.
    fn send(&mut self, client: usize, bytes: &[u8]);
    /// A client closes its connection.
    fn close(&mut self, client: usize);
    /// Everything under way arrives.
    fn settle(&mut self);
    /// What a client has heard since it was asked last.
    fn take(&mut self, client: usize) -> Vec<Vec<u8>>;
    /// Waits until a client hears more; false where nothing can come.
    fn wait_for_more(&mut self, client: usize) -> bool;
    /// Whether the server has closed a connection.
    fn is_closed(&mut self, client: usize) -> bool;
    /// A record comes in.
    fn log(&mut self, level: &str, text: &str);
    /// Time passes.
    fn wait(&mut self, seconds: u64);
}

/// What came of a case.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Passed,
    /// It is about something that the server does not offer.
    NotOffered(String),
}

/// Plays a case; `Err` says what was heard in place of what.
pub fn play(case: &Case, net: &mut dyn Net) -> Result<Outcome, String> {
    let mut play = Play {
        net,
        clients: BTreeMap::new(),
        heard: BTreeMap::new(),
        names: Names::new(),
        skips: None,
        story: Vec::new(),
    };
    let mut at = 0;
    while let Some(step) = case.steps.get(at) {
        let used = play.steps(&case.steps[at..].iter().map(|one| &one.action).collect::<Vec<_>>());
        match used {
            Ok(used) => at += used,
            Err(Stop::NotOffered(what)) => return Ok(Outcome::NotOffered(what)),
            Err(Stop::Failed(why)) => return Err(play.tell(case, step.line, &why)),
        }
    }
    let last = case.steps.last().map_or(0, |step| step.line);
    match play.silence() {
        Ok(()) => Ok(Outcome::Passed),
        Err(Stop::Failed(why)) => Err(play.tell(case, last, &why)),
        Err(Stop::NotOffered(what)) => Ok(Outcome::NotOffered(what)),
    }
}

enum Stop {
    Failed(String),
    NotOffered(String),
}

fn failed<T>(why: String) -> Result<T, Stop> {
    Err(Stop::Failed(why))
}

struct Play<'a> {
    net: &'a mut dyn Net,
    clients: BTreeMap<String, usize>,
    heard: BTreeMap<usize, VecDeque<Vec<u8>>>,
    names: Names,
    /// Who does not care for the lines that come first.
    skips: Option<String>,
    /// What was said and heard, for whoever reads why it failed.
    story: Vec<String>,
}

impl Play<'_> {
    fn tell(&self, case: &Case, line: usize, why: &str) -> String {
        let story = self.story.join("\n    ");
        format!("{}:{line}: {}\n  {why}\n    {story}", case.file, case.name)
    }

    fn client(&self, who: &str) -> Result<usize, Stop> {
        let client = self.clients.get(who).copied();
        client.ok_or_else(|| Stop::Failed(format!("{who} has not connected")))
    }

    /// Brings what has been heard.
    fn gather(&mut self) {
        self.net.settle();
        self.bring();
    }

    fn bring(&mut self) {
        for (who, client) in &self.clients {
            for line in self.net.take(*client) {
                self.story.push(format!("{who} < {}", line.escape_ascii()));
                self.heard.entry(*client).or_default().push_back(line);
            }
        }
    }

    /// Nobody has heard anything that was not expected.
    fn silence(&mut self) -> Result<(), Stop> {
        self.gather();
        if let Some(who) = self.skips.take() {
            let client = self.client(&who)?;
            self.heard.remove(&client);
        }
        for (who, client) in &self.clients {
            if let Some(line) = self.heard.get(client).and_then(|lines| lines.front()) {
                return failed(format!(
                    "{who} heard what nothing expects: {}",
                    line.escape_ascii()
                ));
            }
        }
        Ok(())
    }

    /// Does the first of `steps`, and those that belong to it: how many that were.
    fn steps(&mut self, steps: &[&Action]) -> Result<usize, Stop> {
        let Some(first) = steps.first() else { return Ok(0) };
        match first {
            Action::Says(who, _) => return self.says(who, steps),
            Action::HearsSoon(who, _) => return self.hears_group(who, steps),
            Action::Hears(who, pattern) => self.hears(who, pattern)?,
            Action::SkipsTo(who) => self.skips = Some(who.clone()),
            Action::Set(..) => {}
            Action::NeedsCap(cap) => self.needs_cap(cap)?,
            Action::NeedsToken(token) => self.needs_token(token)?,
            Action::Connects(who) => {
                self.silence()?;
                self.connect(who);
            }
            Action::Registers(who, caps) => {
                self.silence()?;
                self.registers(who, caps)?;
            }
            Action::Enters(who, channel) => {
                self.silence()?;
                self.speak(who, format!("JOIN {channel}\r\n").as_bytes())?;
                self.gather();
                self.heard.clear();
            }
            Action::Skips(who) => {
                self.gather();
                let client = self.client(who)?;
                self.heard.remove(&client);
            }
            Action::AllSkip => {
                self.gather();
                self.heard.clear();
            }
            Action::Leaves(who) => {
                self.silence()?;
                let client = self.client(who)?;
                self.story.push(format!("{who} leaves"));
                self.net.close(client);
                self.clients.remove(who);
            }
            Action::IsClosed(who) => {
                self.gather();
                let client = self.client(who)?;
                if !self.net.is_closed(client) {
                    return failed(format!("{who} is not closed"));
                }
            }
            Action::Log(level, text) => {
                self.silence()?;
                self.net.log(level, text);
            }
            Action::Wait(seconds) => {
                self.silence()?;
                self.net.wait(*seconds);
            }
        }
        Ok(1)
    }

    fn connect(&mut self, who: &str) -> usize {
        let client = self.net.connect();
        self.clients.insert(who.to_owned(), client);
        client
    }

    fn speak(&mut self, who: &str, bytes: &[u8]) -> Result<(), Stop> {
        let client = self.client(who)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.story.push(format!("{who} > {}", line.escape_ascii()));
        }
        self.net.send(client, bytes);
        Ok(())
    }

    /// Everything that `who` says before anybody else does anything goes out at once.
    fn says(&mut self, who: &str, steps: &[&Action]) -> Result<usize, Stop> {
        self.silence()?;
        let (mut bytes, mut used) = (Vec::new(), 0);
        for step in steps {
            match step {
                Action::Says(one, text) if one == who => {
                    bytes.extend(bytes_of(text, &self.names));
                    bytes.extend_from_slice(b"\r\n");
                }
                _ => break,
            }
            used += 1;
        }
        self.speak(who, &bytes)?;
        Ok(used)
    }

    /// The next line of `who`'s; `None` where none comes.
    fn next(&mut self, who: &str) -> Result<Option<Vec<u8>>, Stop> {
        let client = self.client(who)?;
        self.gather();
        loop {
            if let Some(line) = self.heard.entry(client).or_default().pop_front() {
                return Ok(Some(line));
            }
            if !self.net.wait_for_more(client) {
                return Ok(None);
            }
            self.bring();
        }
    }

    fn hears(&mut self, who: &str, pattern: &Pattern) -> Result<(), Stop> {
        let skips = self.skips.take_if(|one| one == who).is_some();
        loop {
            let Some(line) = self.next(who)? else {
                return failed(format!("{who} heard nothing like: {}", pattern.words()));
            };
            if pattern.is_like(&line, &mut self.names) {
                return Ok(());
            }
            if !skips {
                let line = line.escape_ascii();
                return failed(format!("{who} heard: {line}\n  expected: {}", pattern.words()));
            }
        }
    }

    /// Lines that may come in any order.
    fn hears_group(&mut self, who: &str, steps: &[&Action]) -> Result<usize, Stop> {
        let group = steps.iter().map_while(|step| match step {
            Action::HearsSoon(one, pattern) if one == who => Some(pattern),
            _ => None,
        });
        let mut open: Vec<&Pattern> = group.collect();
        let count = open.len();
        while !open.is_empty() {
            let Some(line) = self.next(who)? else {
                return failed(format!("{who} heard nothing like: {}", open[0].words()));
            };
            let at = open.iter().position(|one| one.is_like(&line, &mut self.names));
            let Some(at) = at else {
                let wanted: Vec<&str> = open.iter().map(|one| one.words()).collect();
                let (line, wanted) = (line.escape_ascii(), wanted.join("\n  or: "));
                return failed(format!("{who} heard: {line}\n  expected: {wanted}"));
            };
            open.swap_remove(at);
        }
        Ok(count)
    }

    /// Connects and registers; what is said of that is returned.
    fn registers(&mut self, who: &str, caps: &[String]) -> Result<Vec<Heard>, Stop> {
        let client = self.connect(who);
        let mut bytes = String::new();
        if !caps.is_empty() {
            bytes = format!("CAP REQ :{}\r\n", caps.join(" "));
        }
        bytes += &format!("NICK {who}\r\nUSER {who} 0 * :{who} as such\r\n");
        if !caps.is_empty() {
            bytes += "CAP END\r\n";
        }
        self.speak(who, bytes.as_bytes())?;
        let mut greeting = Vec::new();
        loop {
            let Some(line) = self.next(who)? else {
                return failed(format!("{who} was not greeted"));
            };
            let line = Heard::parse(&line);
            let is_refused =
                line.command == b"CAP" && line.params.get(1).is_some_and(|what| what == b"NAK");
            if is_refused {
                return failed(format!("{who} is refused {}", caps.join(" ")));
            }
            let is_end = line.command == b"376" || line.command == b"422";
            greeting.push(line);
            if is_end {
                break;
            }
        }
        self.gather();
        self.heard.remove(&client);
        Ok(greeting)
    }

    /// Goes on only where the server offers a capability.
    fn needs_cap(&mut self, cap: &str) -> Result<(), Stop> {
        self.connect("asker");
        self.speak("asker", b"CAP LS 302\r\n")?;
        let (mut is_offered, mut is_last) = (false, false);
        while !is_last {
            let Some(line) = self.next("asker")? else { return failed("no CAP LS".to_owned()) };
            let line = Heard::parse(&line);
            let list = line.params.last().cloned().unwrap_or_default();
            is_last = line.params.len() < 4;
            is_offered |= String::from_utf8_lossy(&list)
                .split_whitespace()
                .any(|one| one.split('=').next() == Some(cap));
        }
        self.dismiss("asker")?;
        let missing = Stop::NotOffered(format!("capability {cap}"));
        if is_offered { Ok(()) } else { Err(missing) }
    }

    /// Goes on only where `RPL_ISUPPORT` says that the server does something.
    fn needs_token(&mut self, token: &str) -> Result<(), Stop> {
        let greeting = self.registers("asker", &[])?;
        self.dismiss("asker")?;
        let tokens = greeting.iter().filter(|line| line.command == b"005");
        let is_offered = tokens.flat_map(|line| &line.params).any(|param| {
            let name = param.split(|byte| *byte == b'=').next().unwrap_or_default();
            name == token.as_bytes() || param == token.as_bytes()
        });
        let missing = Stop::NotOffered(format!("token {token}"));
        if is_offered { Ok(()) } else { Err(missing) }
    }

    fn dismiss(&mut self, who: &str) -> Result<(), Stop> {
        let client = self.client(who)?;
        self.speak(who, b"QUIT\r\n")?;
        self.gather();
        self.net.close(client);
        self.clients.remove(who);
        self.heard.remove(&client);
        self.story.clear();
        Ok(())
    }
}

//! Many clients do what they like, and a naive model says what must come of it: who is where, as
//! what, under which nick. Each client keeps a list of what it has heard; after every step all
//! lists must be the model's. `LOGCASTER_SEED=7 cargo test --test it irc::simulation` replays one,
//! `LOGCASTER_SEEDS=1000` plays so many.

use std::collections::{BTreeMap, BTreeSet};

use logcaster::session::irc::IrcSettings;
use logcaster::session::irc::room::{Room, assert_lines};

use super::script::{Heard, SERVER};
use crate::support::Random;

/// Rounds, each with a seed of its own.
const ROUNDS: u64 = 200;

/// Steps in one.
const STEPS: usize = 250;

/// Clients that are there at most.
const CLIENTS: usize = 9;

const CHANNELS: &[&str] = &["#a", "#b", "#c", "#d~"];

/// The same, spelt otherwise.
const ALIKE: &[&str] = &["#A", "#B", "#C", "#D^"];

const NICKS: &[&str] =
    &["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "jo", "kim"];

/// `@` and `+`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    has_op: bool,
    has_voice: bool,
}

/// Who is in a channel, by nick.
type Members = BTreeMap<String, Standing>;

/// A channel as the model has it.
#[derive(Debug, Default)]
struct Place {
    members: BTreeMap<usize, Standing>,
    is_invite_only: bool,
    limit: Option<usize>,
    invited: BTreeSet<usize>,
}

/// A client, and what it has heard.
#[derive(Debug)]
struct Client {
    nick: String,
    /// What it believes, from what it was told alone.
    heard: BTreeMap<String, Members>,
    /// Numerics since the last step.
    numerics: Vec<String>,
    /// Messages since the last step: from whom, to whom.
    messages: Vec<(String, String)>,
}

struct Simulation {
    seed: u64,
    random: Random,
    room: Room,
    clients: BTreeMap<usize, Client>,
    places: BTreeMap<&'static str, Place>,
    story: Vec<String>,
}

/// What a step is to bring its client.
enum Expected {
    /// No numeric that says no.
    Done,
    /// This one.
    Refused(&'static str),
}

use Expected::{Done, Refused};

impl Simulation {
    fn new(seed: u64) -> Self {
        let settings = IrcSettings { name: SERVER.to_owned(), ..IrcSettings::default() };
        Self {
            seed,
            // Neighbouring seeds are to begin apart, and none with nothing.
            random: Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            room: Room::new(settings),
            clients: BTreeMap::new(),
            places: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.random.below(end.max(1) as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn fail(&self, why: &str) -> ! {
        let from = self.story.len().saturating_sub(30);
        panic!("seed={}: {why}\n  {}", self.seed, self.story[from..].join("\n  "));
    }

    fn somebody(&mut self) -> usize {
        let all: Vec<usize> = self.clients.keys().copied().collect();
        self.one_of(&all)
    }

    fn nick(&self, client: usize) -> String {
        self.clients[&client].nick.clone()
    }

    fn say(&mut self, client: usize, line: &str) {
        self.story.push(format!("{client} > {line}"));
        // Lines come as they come.
        let line = format!("{line}\r\n");
        let cut = self.below(line.len());
        let (left, right) = line.split_at(cut);
        self.room.send(client, left.as_bytes());
        self.room.send(client, right.as_bytes());
    }

    /// Everybody takes in what there is.
    fn listen(&mut self) {
        for client in 0..self.room.seats() {
            let said = self.room.take(client);
            assert_lines(&said);
            for line in said.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\r\n").unwrap_or(line);
                self.story.push(format!("{client} < {}", line.escape_ascii()));
                if let Some(client) = self.clients.get_mut(&client) {
                    client.hear(&Heard::parse(line));
                }
            }
        }
    }

    /// One step of somebody's.
    fn step(&mut self) {
        for client in self.clients.values_mut() {
            client.numerics.clear();
            client.messages.clear();
        }
        if self.clients.is_empty() || self.clients.len() < CLIENTS && self.below(12) == 0 {
            return self.arrive();
        }
        let client = self.somebody();
        let expected = match self.below(20) {
            0..=5 => self.join(client),
            6..=7 => self.part(client),
            8..=9 => self.kick(client),
            10..=12 => self.standing(client),
            13 => self.set_mode(client),
            14 => self.invite(client),
            15..=16 => self.change_nick(client),
            17..=18 => self.talk(client),
            _ => return self.go(client),
        };
        self.listen();
        let heard = &self.clients[&client].numerics;
        let refusals: Vec<&String> =
            heard.iter().filter(|one| one.starts_with(['4', '5'])).collect();
        match expected {
            Done if refusals.is_empty() => {}
            Refused(numeric) if refusals == [numeric] => {}
            Done => self.fail(&format!("{client} was refused: {refusals:?}")),
            Refused(numeric) => {
                self.fail(&format!("{client} was not told {numeric}: {refusals:?}"))
            }
        }
    }

    fn arrive(&mut self) {
        let taken: Vec<&str> = self.clients.values().map(|one| one.nick.as_str()).collect();
        let free: Vec<&str> = NICKS.iter().copied().filter(|nick| !taken.contains(nick)).collect();
        let nick = self.one_of(&free).to_owned();
        let client = self.room.connect();
        let heard = BTreeMap::new();
        let (numerics, messages) = (Vec::new(), Vec::new());
        self.clients.insert(client, Client { nick: nick.clone(), heard, numerics, messages });
        self.say(client, "CAP REQ multi-prefix");
        self.say(client, "CAP END");
        self.say(client, &format!("NICK {nick}"));
        self.say(client, &format!("USER {nick} 0 * :{nick}"));
        self.listen();
        if !self.clients[&client].numerics.contains(&"001".to_owned()) {
            self.fail("a newcomer is not welcome");
        }
    }

    fn go(&mut self, client: usize) {
        if self.below(2) == 0 {
            self.say(client, "QUIT :had enough");
            if !self.room.is_closed(client) {
                self.fail("QUIT does not end it");
            }
        } else {
            self.story.push(format!("{client} hangs up"));
            self.room.hang_up(client);
        }
        self.clients.remove(&client);
        for place in self.places.values_mut() {
            place.members.remove(&client);
            place.invited.remove(&client);
        }
        self.places.retain(|_, place| !place.members.is_empty());
        self.listen();
    }

    fn join(&mut self, client: usize) -> Expected {
        let at = self.below(CHANNELS.len());
        let name = CHANNELS[at];
        let spelt = if self.below(2) == 0 { ALIKE[at] } else { name };
        // Its first name is what everybody sees.
        let spelt = if self.places.contains_key(name) { spelt } else { name };
        self.say(client, &format!("JOIN {spelt}"));
        let has_op = !self.places.contains_key(name);
        let place = self.places.entry(name).or_default();
        let is_invited = place.invited.contains(&client);
        if place.members.contains_key(&client) {
            return Done;
        }
        if place.is_invite_only && !is_invited {
            return Refused("473");
        }
        if !is_invited && place.limit.is_some_and(|limit| place.members.len() >= limit) {
            return Refused("471");
        }
        place.invited.remove(&client);
        place.members.insert(client, Standing { has_op, has_voice: false });
        Done
    }

    fn part(&mut self, client: usize) -> Expected {
        let name = self.one_of(CHANNELS);
        self.say(client, &format!("PART {name} :enough"));
        let Some(place) = self.places.get_mut(name) else { return Refused("403") };
        if place.members.remove(&client).is_none() {
            return Refused("442");
        }
        self.places.retain(|_, place| !place.members.is_empty());
        Done
    }

    fn kick(&mut self, client: usize) -> Expected {
        let (name, other) = (self.one_of(CHANNELS), self.somebody());
        self.say(client, &format!("KICK {name} {}", self.nick(other)));
        if let Err(refused) = self.may(client, name) {
            return refused;
        }
        let Some(place) = self.places.get_mut(name) else { return Refused("403") };
        if place.members.remove(&other).is_none() {
            return Refused("441");
        }
        self.places.retain(|_, place| !place.members.is_empty());
        Done
    }

    /// Whether `client` may do what operators do.
    fn may(&self, client: usize, name: &str) -> Result<(), Expected> {
        let place = self.places.get(name).ok_or(Refused("403"))?;
        let member = place.members.get(&client).ok_or(Refused("442"))?;
        if member.has_op { Ok(()) } else { Err(Refused("482")) }
    }

    /// `MODE +o` and its like.
    fn standing(&mut self, client: usize) -> Expected {
        let (name, other) = (self.one_of(CHANNELS), self.somebody());
        let (sign, letter) = (self.one_of(&['+', '+', '-']), self.one_of(&['o', 'v']));
        self.say(client, &format!("MODE {name} {sign}{letter} {}", self.nick(other)));
        if let Err(refused) = self.may(client, name) {
            return refused;
        }
        let Some(place) = self.places.get_mut(name) else { return Refused("403") };
        let Some(member) = place.members.get_mut(&other) else { return Refused("441") };
        let flag = if letter == 'o' { &mut member.has_op } else { &mut member.has_voice };
        *flag = sign == '+';
        Done
    }

    fn set_mode(&mut self, client: usize) -> Expected {
        let (name, limit) = (self.one_of(CHANNELS), 1 + self.below(CLIENTS));
        let what = self.below(4);
        let words = ["+i", "-i", &format!("+l {limit}"), "-l"][what].to_owned();
        self.say(client, &format!("MODE {name} {words}"));
        if let Err(refused) = self.may(client, name) {
            return refused;
        }
        let Some(place) = self.places.get_mut(name) else { return Refused("403") };
        match what {
            0 => place.is_invite_only = true,
            1 => place.is_invite_only = false,
            2 => place.limit = Some(limit),
            _ => place.limit = None,
        }
        Done
    }

    fn invite(&mut self, client: usize) -> Expected {
        let (name, other) = (self.one_of(CHANNELS), self.somebody());
        self.say(client, &format!("INVITE {} {name}", self.nick(other)));
        let Some(place) = self.places.get_mut(name) else { return Refused("403") };
        let Some(member) = place.members.get(&client) else { return Refused("442") };
        let is_there = place.members.contains_key(&other);
        match (is_there, place.is_invite_only && !member.has_op) {
            // Which of the two is looked at first is nobody's business.
            (true, true) => {
                let heard = self.peek(client);
                if heard == "482" { Refused("482") } else { Refused("443") }
            }
            (true, false) => Refused("443"),
            (false, true) => Refused("482"),
            (false, false) => {
                // Only an operator's opens doors.
                if member.has_op {
                    place.invited.insert(other);
                }
                Done
            }
        }
    }

    /// The last numeric that a client has heard by now.
    fn peek(&mut self, client: usize) -> String {
        self.listen();
        self.clients[&client].numerics.last().cloned().unwrap_or_default()
    }

    fn change_nick(&mut self, client: usize) -> Expected {
        let nick = self.one_of(NICKS).to_owned();
        let taken = self.clients.iter().any(|(one, other)| *one != client && other.nick == nick);
        self.say(client, &format!("NICK {nick}"));
        if taken {
            return Refused("433");
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.nick = nick;
        }
        Done
    }

    /// A message reaches every other member once, and nobody else.
    fn talk(&mut self, client: usize) -> Expected {
        let name = self.one_of(CHANNELS);
        let Some(place) = self.places.get(name).filter(|one| one.members.contains_key(&client))
        else {
            return Done;
        };
        let mut readers: BTreeSet<usize> = place.members.keys().copied().collect();
        readers.remove(&client);
        self.say(client, &format!("PRIVMSG {name} :hello"));
        self.listen();
        let message = (self.nick(client), name.to_owned());
        for (one, other) in &self.clients {
            let count = other.messages.iter().filter(|heard| **heard == message).count();
            if count != usize::from(readers.contains(one)) || other.messages.len() != count {
                self.fail(&format!("{one} heard {count} of {:?}", other.messages));
            }
        }
        Done
    }

    /// What everybody believes is what the model says.
    fn check(&self) {
        self.room.assert_invariants();
        for (one, client) in &self.clients {
            let mut real: BTreeMap<String, Members> = BTreeMap::new();
            for (name, place) in &self.places {
                if place.members.contains_key(one) {
                    let members = place.members.iter();
                    let members = members.map(|(member, standing)| (self.nick(*member), *standing));
                    real.insert((*name).to_owned(), members.collect());
                }
            }
            if client.heard != real {
                self.fail(&format!("{one} believes {:?}\n  but it is {real:?}", client.heard));
            }
        }
    }
}

impl Client {
    fn hear(&mut self, line: &Heard) {
        let text = |at: usize| -> String {
            let param = line.params.get(at).map(Vec::as_slice).unwrap_or_default();
            String::from_utf8_lossy(param).into_owned()
        };
        let source = String::from_utf8_lossy(&line.source).into_owned();
        let who = source.split('!').next().unwrap_or_default().to_owned();
        let place = |heard: &mut BTreeMap<String, Members>, name: &str| -> Members {
            heard.remove(name).unwrap_or_default()
        };
        match &line.command[..] {
            b"JOIN" => {
                let mut members = place(&mut self.heard, &text(0));
                members.insert(who, Standing::default());
                self.heard.insert(text(0), members);
            }
            b"PART" => self.lose(&text(0), &who),
            b"KICK" => self.lose(&text(0), &text(1)),
            b"QUIT" => self.heard.values_mut().for_each(|members| {
                let _ = members.remove(&who);
            }),
            b"NICK" => {
                for members in self.heard.values_mut() {
                    if let Some(standing) = members.remove(&who) {
                        members.insert(text(0), standing);
                    }
                }
            }
            b"MODE" => self.mode(&text(0), line),
            b"353" => {
                let mut members = place(&mut self.heard, &text(2));
                for word in text(3).split(' ') {
                    let nick = word.trim_start_matches(['@', '+']).to_owned();
                    let standing = members.entry(nick).or_default();
                    standing.has_op |= word.contains('@');
                    standing.has_voice |= word.contains('+');
                }
                self.heard.insert(text(2), members);
            }
            b"PRIVMSG" => self.messages.push((who, text(0))),
            numeric if numeric.iter().all(u8::is_ascii_digit) => {
                self.numerics.push(String::from_utf8_lossy(numeric).into_owned());
            }
            _ => {}
        }
    }

    fn lose(&mut self, channel: &str, nick: &str) {
        if nick == self.nick {
            self.heard.remove(channel);
        } else if let Some(members) = self.heard.get_mut(channel) {
            members.remove(nick);
        }
    }

    fn mode(&mut self, channel: &str, line: &Heard) {
        let Some(members) = self.heard.get_mut(channel) else { return };
        let mut params = line.params.iter().skip(2);
        let mut is_plus = true;
        for letter in line.params.get(1).into_iter().flatten() {
            match letter {
                b'+' => is_plus = true,
                b'-' => is_plus = false,
                b'o' | b'v' => {
                    let nick = params.next().expect("a nick");
                    let standing = members.get_mut(&*String::from_utf8_lossy(nick));
                    let standing = standing.expect("a member");
                    let flag = if *letter == b'o' {
                        &mut standing.has_op
                    } else {
                        &mut standing.has_voice
                    };
                    *flag = is_plus;
                }
                b'l' if is_plus => drop(params.next()),
                _ => {}
            }
        }
    }
}

#[test]
fn everybody_knows_who_is_where() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let rounds = number("LOGCASTER_SEEDS").unwrap_or(ROUNDS);
    let seeds = number("LOGCASTER_SEED").map_or(1..=rounds, |seed| seed..=seed);
    for seed in seeds {
        let mut simulation = Simulation::new(seed);
        println!("simulation: seed={seed} clients={CLIENTS} steps={STEPS}");
        for _ in 0..STEPS {
            simulation.step();
            simulation.check();
        }
    }
}

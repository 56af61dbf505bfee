//! One log record: its text, its time, its level; and what its resource and scope add to it.

use std::ops::Range;

use super::super::entries::{BadReason, Pairs};
use super::super::tree::{Bad, Names, Read};
use super::value::{Broken, Kind, Name, Node};
use super::value::{any, list, one, pair, write_any, write_bytes, write_map, write_pair};
use crate::level::Level;
use crate::limits::{ENTRY_TEXT_BYTES_MAX, OTLP_SHARED_BYTES_MAX};
use crate::message::syslog::EventTime;

/// The attributes of a resource that are labels, and the names of these: those that Loki makes
/// labels where nobody says otherwise, without the ones that differ with each process.
const LABELS: [(&str, &str); 18] = [
    ("service.name", "app"),
    ("host.name", "host"),
    ("service.namespace", "service.namespace"),
    ("deployment.environment", "deployment.environment"),
    ("deployment.environment.name", "deployment.environment.name"),
    ("cloud.region", "cloud.region"),
    ("cloud.availability_zone", "cloud.availability_zone"),
    ("container.name", "container.name"),
    ("k8s.cluster.name", "k8s.cluster.name"),
    ("k8s.namespace.name", "k8s.namespace.name"),
    ("k8s.pod.name", "k8s.pod.name"),
    ("k8s.container.name", "k8s.container.name"),
    ("k8s.replicaset.name", "k8s.replicaset.name"),
    ("k8s.deployment.name", "k8s.deployment.name"),
    ("k8s.statefulset.name", "k8s.statefulset.name"),
    ("k8s.daemonset.name", "k8s.daemonset.name"),
    ("k8s.cronjob.name", "k8s.cronjob.name"),
    ("k8s.job.name", "k8s.job.name"),
];

const RESOURCE: &[Name] = &[list(1, "attributes")];

const SCOPE: &[Name] =
    &[one(1, "name", "name"), one(2, "version", "version"), list(3, "attributes")];

const RECORD: &[Name] = &[
    one(1, "timeUnixNano", "time_unix_nano"),
    one(2, "severityNumber", "severity_number"),
    one(3, "severityText", "severity_text"),
    one(5, "body", "body"),
    list(6, "attributes"),
    one(9, "traceId", "trace_id"),
    one(10, "spanId", "span_id"),
    one(11, "observedTimeUnixNano", "observed_time_unix_nano"),
    one(12, "eventName", "event_name"),
];

/// The place of the attributes in [`RECORD`].
const ATTRIBUTES: usize = 4;

/// Reads records; what has to be written anew is written into the same memory each time.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What the resource adds to each record.
    resource: Shared,
    /// The same of the scope.
    scope: Shared,
    /// An object, where more than a body is said.
    text: Vec<u8>,
    /// The names of its members.
    names: Names,
    /// A part of it, or all that is said.
    part: Vec<u8>,
}

/// Members that are added to each record.
#[derive(Debug, Default)]
struct Shared {
    /// Each of them behind a comma.
    text: Vec<u8>,
    names: Names,
}

impl Shared {
    fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
    }

    fn held_bytes(&self) -> usize {
        self.text.capacity() + self.names.held_bytes()
    }

    /// Writes a member; it is left out where there is no room for it.
    fn add(
        &mut self,
        write: impl FnOnce(&mut Names, &mut Vec<u8>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        if self.names.is_full() {
            return Ok(());
        }
        let (end, count) = (self.text.len(), self.names.places().len());
        write(&mut self.names, &mut self.text)?;
        if self.text.len() > OTLP_SHARED_BYTES_MAX {
            self.text.truncate(end);
            self.names.truncate(count);
        }
        Ok(())
    }

    /// Appends the members whose names the object `out` does not have.
    fn append(&self, names: &mut Names, out: &mut Vec<u8>) {
        let places = self.names.places();
        // Before a name there are a comma and a quote.
        let starts = places.iter().map(|place| place.start - 2);
        let ends = starts.clone().skip(1).chain([self.text.len()]);
        for ((start, end), name) in starts.zip(ends).zip(places) {
            let before = out.len();
            if before > ENTRY_TEXT_BYTES_MAX {
                return;
            }
            let is_first = matches!(out.last(), Some(b'{'));
            out.extend_from_slice(&self.text[start + usize::from(is_first)..end]);
            let place = before + 2 - usize::from(is_first);
            if !names.add(place..place + name.len(), out) {
                out.truncate(before);
            }
        }
    }
}

/// The fields of a record, but for its attributes.
#[derive(Clone, Copy, Debug, Default)]
struct Record<'a> {
    fields: [Option<Node<'a>>; RECORD.len()],
}

impl<'a> Record<'a> {
    fn read(node: Node<'a>) -> Result<Self, Broken> {
        let mut record = Self::default();
        node.fields(RECORD, |index, value| {
            record.fields[index] = Some(value);
            Ok(())
        })?;
        // An id of no bytes is none, and so is a name.
        for index in [2, 5, 6, 8] {
            record.fields[index] = record.fields[index]
                .filter(|node| !matches!(node, Node::Wire(b"") | Node::Json(b"\"\"")));
        }
        Ok(record)
    }

    fn severity_text(&self) -> Option<Node<'a>> {
        self.fields[2]
    }

    fn body(&self) -> Option<Node<'a>> {
        self.fields[3]
    }

    /// Whether there is something beside the body, the time and the level.
    fn says_more(&self) -> bool {
        [ATTRIBUTES, 5, 6, 8].iter().any(|index| self.fields[*index].is_some())
    }

    /// The time it happened, else when it was observed; a time of 0 is none.
    fn time(&self) -> Result<EventTime, Bad> {
        for index in [0, 7] {
            let Some(node) = self.fields[index] else { continue };
            let Some(ns) = node.unsigned() else {
                let is_empty = matches!(node, Node::Json(b"\"\""));
                const WHAT: &str = "the time of a record (it should be a number of nanoseconds)";
                if is_empty { continue } else { return Err((BadReason::Time, WHAT)) }
            };
            if ns != 0 {
                return Ok(i64::try_from(ns).map_or(EventTime::Bad, EventTime::At));
            }
        }
        Ok(EventTime::Missing)
    }

    /// What the number of the severity says, else its text.
    fn level(&self, part: &mut Vec<u8>) -> Option<Level> {
        let number = self.fields[1].and_then(Node::unsigned);
        number.and_then(of_number).or_else(|| {
            // An enum may be written by its name, with a number behind for the finer ones.
            let mut named = |node: Node<'a>| {
                let text = node.text(part).ok()?;
                let name = text.strip_prefix(b"SEVERITY_NUMBER_").unwrap_or(text);
                let end = name.iter().rposition(|byte| !byte.is_ascii_digit());
                let name = &name[..end.map_or(0, |end| end + 1)];
                Level::from_name(name).filter(|level| *level != Level::Unknown)
            };
            let text = self.severity_text().and_then(&mut named);
            text.or_else(|| self.fields[1].and_then(&mut named))
        })
    }
}

/// The level of a severity number: Logs Data Model, Displaying Severity.
fn of_number(number: u64) -> Option<Level> {
    Some(match number {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warning,
        17..=20 => Level::Error,
        21..=24 => Level::Critical,
        _ => return None,
    })
}

impl Reader {
    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.resource.held_bytes()
            + self.scope.held_bytes()
            + self.text.capacity()
            + self.names.held_bytes()
            + self.part.capacity()
    }

    /// Whether the text that was given last, and stood at `text`, was written as an object.
    pub fn is_object(&self, text: Range<*const u8>) -> bool {
        !text.is_empty() && self.text.as_ptr_range() == text
    }

    fn has_no_context(&self) -> bool {
        self.resource.text.is_empty() && self.scope.text.is_empty()
    }

    /// Nothing is known of the resource of the records that follow, nor of their scope.
    pub fn clear_resource(&mut self) {
        self.resource.clear();
        self.scope.clear();
    }

    /// Nothing is known of the scope of the records that follow.
    pub fn clear_scope(&mut self) {
        self.scope.clear();
    }

    /// Takes the resource of the records that follow; its labels go to `pairs`.
    pub fn resource(&mut self, node: Node<'_>, pairs: &mut Pairs) -> Result<(), Broken> {
        let (shared, part) = (&mut self.resource, &mut self.part);
        node.fields(RESOURCE, |_, attribute| {
            let mut label = None;
            pair(attribute, &mut Vec::new(), |key, value| {
                let name = LABELS.iter().find(|(name, _)| name.as_bytes() == key);
                label = name.map(|(_, label)| (label, value));
                Ok(())
            })?;
            match label {
                Some((label, value)) => {
                    pairs.push(label.as_bytes(), as_text(value, part)?);
                    Ok(())
                }
                None => shared.add(|names, out| write_pair(attribute, 1, names, out)),
            }
        })
    }

    /// Takes the scope of the records that follow.
    pub fn scope(&mut self, node: Node<'_>) -> Result<(), Broken> {
        let (shared, part) = (&mut self.scope, &mut self.part);
        node.fields(SCOPE, |index, value| {
            let name: &[u8] = match index {
                0 => b"scope_name",
                1 => b"scope_version",
                _ => return shared.add(|names, out| write_pair(value, 1, names, out)),
            };
            match value.text(part)? {
                b"" => Ok(()),
                text => shared.add(|names, out| {
                    names.member(name, text, out);
                    Ok(())
                }),
            }
        })
    }

    /// Reads a record.
    pub fn record<'a>(&'a mut self, node: Node<'a>) -> Result<Read<'a>, Bad> {
        let reason = match node {
            Node::Json(_) => BadReason::Json,
            _ => BadReason::Protobuf,
        };
        let record = Record::read(node).map_err(|what| (reason, what))?;
        let time = record.time()?;
        let mut level = record.level(&mut self.part);
        let is_alone = !record.says_more() && self.has_no_context();
        let body = match record.body() {
            Some(body) => any(body).map_err(no_line)?,
            None => None,
        };
        let is_known = match record.severity_text() {
            Some(text) => {
                let text = text.text(&mut self.part).map_err(no_metadata)?;
                level.is_some() && Level::from_name(text) == level
            }
            None => true,
        };
        if is_alone && is_known && !matches!(body, Some((Kind::Map, _))) {
            let text = as_text(record.body(), &mut self.part).map_err(no_line)?;
            return Ok(Read { text, time, level });
        }
        self.text.clear();
        self.text.push(b'{');
        self.names.clear();
        let (names, out) = (&mut self.names, &mut self.text);
        match body {
            Some((Kind::Map, map)) => write_map(map, 1, names, out).map_err(no_line)?,
            Some(_) => {
                let body = as_text(record.body(), &mut self.part).map_err(no_line)?;
                names.member(b"_msg", body, out);
            }
            None => {}
        }
        let said = self.beside(node, &record, !is_known).map_err(no_metadata)?;
        level = level.or(said);
        for members in [&self.scope, &self.resource] {
            members.append(&mut self.names, &mut self.text);
        }
        self.text.push(b'}');
        Ok(Read { text: &self.text, time, level })
    }

    /// Writes what the record says beside its body; the level that its attributes say.
    fn beside(
        &mut self,
        node: Node<'_>,
        record: &Record<'_>,
        with_severity: bool,
    ) -> Result<Option<Level>, Broken> {
        let (names, out, part) = (&mut self.names, &mut self.text, &mut self.part);
        for (index, name) in [(5, &b"trace_id"[..]), (6, b"span_id")] {
            if let Some(id) = record.fields[index]
                && names.begin_member(name, out)
            {
                out.push(b'"');
                id.hex(out)?;
                out.push(b'"');
            }
        }
        let severity = record.severity_text().filter(|_| with_severity);
        for (node, name) in [(record.fields[8], &b"event_name"[..]), (severity, b"severity_text")] {
            if let Some(node) = node {
                names.member(name, node.text(part)?, out);
            }
        }
        let mut level = None;
        if record.fields[ATTRIBUTES].is_some() {
            node.fields(&RECORD[ATTRIBUTES..=ATTRIBUTES], |_, attribute| {
                pair(attribute, &mut Vec::new(), |key, value| {
                    level = level.or(level_of(key, value));
                    Ok(())
                })?;
                write_pair(attribute, 1, names, out)
            })?;
        }
        Ok(level)
    }
}

/// The level that an attribute says.
fn level_of(key: &[u8], value: Option<Node<'_>>) -> Option<Level> {
    if !matches!(key.len(), 5 | 8 | 14) {
        return None;
    }
    let (Kind::Text, text) = any(value?).ok()?? else { return None };
    let mut scratch = Vec::new();
    super::super::tree::level(key, text.text(&mut scratch).ok()?)
}

fn no_line(what: Broken) -> Bad {
    (BadReason::Line, what)
}

fn no_metadata(what: Broken) -> Bad {
    (BadReason::Metadata, what)
}

/// The value as a text, written to `scratch` where it does not stand in the body: a text as it is,
/// bytes in base64, all else as JSON, nothing as none.
fn as_text<'a>(value: Option<Node<'a>>, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Broken> {
    scratch.clear();
    let Some(value) = value else { return Ok(b"") };
    match any(value)? {
        None => {}
        Some((Kind::Text, text)) => return text.text(scratch),
        Some((Kind::Bytes, bytes)) => write_bytes(bytes, scratch)?,
        Some(_) => write_any(Some(value), 0, &mut Names::default(), scratch)?,
    }
    Ok(scratch)
}

//! Records and notes as Server-Sent Events: WHATWG HTML, section 9.2.
//!
//! ```text
//! id: 17                      event: lost
//! data: {"seq":17,…}          id: 41
//!                             data: {"lost":3}
//!
//! ```
//!
//! What stands behind `data: ` is one line of JSON, in which line ends are escaped, so nothing that
//! a record holds can end an event. A note about lost records has the number of the newest of them,
//! so that who comes back with it is not told again.

use super::{LocalTime, Note, decimal, ndjson};
use crate::segment::{Record, Seq};

/// Appends the record as an event.
pub(super) fn event(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    id(record.seq, out);
    out.extend_from_slice(b"data: ");
    ndjson::object(record, time, out);
    out.extend_from_slice(b"\n\n");
}

/// Appends a note as an event that has a name.
pub(super) fn note(note: &Note<'_>, out: &mut Vec<u8>) {
    let (name, seq) = match note {
        Note::Lost { through, .. } => ("lost", *through),
        Note::Damaged(seq) => ("damaged", Some(*seq)),
        Note::Sorted { .. } => ("sorted", None),
        // An event called `error` would look like the end of the connection.
        Note::Refused(_) => ("refused", None),
    };
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    if let Some(seq) = seq {
        id(seq, out);
    }
    out.extend_from_slice(b"data: ");
    ndjson::note(note, out);
    out.extend_from_slice(b"\n\n");
}

/// Appends what keeps a silent connection open. `position` is what a tail that has caught up comes
/// to next: who comes back need not look through the records before it again.
pub fn keep_alive(position: Seq, out: &mut Vec<u8>) {
    out.extend_from_slice(b": keep-alive\n");
    id(Seq(position.0.saturating_sub(1)), out);
    out.push(b'\n');
}

fn id(seq: Seq, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    decimal(seq.0, out);
    out.push(b'\n');
}

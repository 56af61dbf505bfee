//! Lines that are not stored as they come: folded where they are equal to the one before, held back
//! where there are too many, and told of later.

use super::super::dedupe;
use super::super::fair;
use super::super::labels::{Entry, Labels};
use super::{Intake, Sink, count};
use crate::limits::REPORTS_PER_TURN;
use crate::message::Transport;
use crate::segment::{Full, NewRecord, Store, StreamRef};

impl<S: Store> Sink<'_, S> {
    /// [`Self::put`] where not everything is stored. What comes over HTTP is never held back: its
    /// request was admitted as a whole.
    #[inline(never)]
    pub(super) fn put_or_hold(
        &mut self,
        record: &NewRecord<'_>,
        message: &[u8],
        entry: &mut Entry,
        transport: Transport,
    ) -> Result<(), Full> {
        if !self.intake.is_folding {
            self.end_folding()?;
        }
        let source = entry.source();
        let (level, cut) = (record.level, record.cut);
        if let Some(dedupe) = &mut self.intake.dedupe {
            let line = dedupe::Line { text: message, labels: entry.labels(), level, cut };
            if let dedupe::Verdict::Fold(ticket) = dedupe.check(source, &line, self.now) {
                dedupe.commit(ticket, &line, self.metrics);
                return Ok(());
            }
        }
        let passing = if transport == Transport::Http {
            None
        } else {
            match self.intake.fair.check(source, level, self.now) {
                fair::Verdict::Pass(ticket) => Some(ticket),
                fair::Verdict::Hold(ticket) => {
                    self.intake.fair.commit(ticket, entry.name(), self.metrics);
                    return Ok(());
                }
            }
        };
        // What is held back gives no reason to tell what was folded before it.
        let folding = loop {
            let Some(dedupe) = &mut self.intake.dedupe else { break None };
            let line = dedupe::Line { text: message, labels: entry.labels(), level, cut };
            match dedupe.check(source, &line, self.now) {
                dedupe::Verdict::Tell(report) => self.tell_repeated(&report)?,
                dedupe::Verdict::Store(ticket) | dedupe::Verdict::Fold(ticket) => {
                    break Some(ticket);
                }
            }
        };
        entry.append(self.segment, record)?;
        count(record, transport, self.metrics);
        if let Some(ticket) = passing {
            self.intake.fair.commit(ticket, entry.name(), self.metrics);
        }
        if let (Some(dedupe), Some(ticket)) = (&mut self.intake.dedupe, folding) {
            let line = dedupe::Line { text: message, labels: entry.labels(), level, cut };
            dedupe.commit(ticket, &line, self.metrics);
        }
        Ok(())
    }

    /// Stores what is to be told by now of lines that were held back, some of it in each turn.
    ///
    /// # Errors
    /// [`Full`]: it is told at another call.
    pub fn tell_due(&mut self) -> Result<(), Full> {
        for _ in 0..REPORTS_PER_TURN {
            if let Some(report) = self.intake.fair.due(self.now) {
                self.tell_suppressed(&report)?;
            } else if !self.intake.is_folding {
                return self.end_folding();
            } else if let Some(report) =
                self.intake.dedupe.as_mut().and_then(|all| all.due(self.now))
            {
                self.tell_repeated(&report)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Stores everything that is untold, for the end.
    ///
    /// # Errors
    /// [`Full`]: what is left stays untold.
    pub fn tell_all(&mut self) -> Result<(), Full> {
        while let Some(report) = self.intake.fair.left(self.now) {
            self.tell_suppressed(&report)?;
        }
        self.tell_folded()
    }

    /// Stores how many lines were folded, of all senders.
    fn tell_folded(&mut self) -> Result<(), Full> {
        while let Some(report) = self.intake.dedupe.as_mut().and_then(|all| all.left(self.now)) {
            self.tell_repeated(&report)?;
        }
        Ok(())
    }

    /// Forgets the lines that others were compared with, once all is told.
    fn end_folding(&mut self) -> Result<(), Full> {
        self.tell_folded()?;
        self.intake.dedupe = None;
        self.intake.settle();
        Ok(())
    }

    /// Stores what is untold of the streams of a connection that is over.
    ///
    /// # Errors
    /// [`Full`]: what is left is told when it is due.
    pub(in crate::session) fn tell_of(&mut self, labels: &Labels) -> Result<(), Full> {
        for source in labels.sources() {
            let left = self.intake.dedupe.as_ref().and_then(|all| all.left_of(source));
            if let Some(report) = left {
                self.tell_repeated(&report)?;
            }
        }
        Ok(())
    }

    fn tell_repeated(&mut self, report: &dedupe::Repeated) -> Result<(), Full> {
        let Some(dedupe) = &mut self.intake.dedupe else { return Ok(()) };
        let text = &mut self.intake.text;
        text.clear();
        report.text(text);
        let record = NewRecord {
            text,
            cut: false,
            level: report.level(),
            received_ns: self.received_ns,
            event_ns: 0,
        };
        let labels = dedupe.labels(report);
        self.segment.append(&record, labels, &mut StreamRef::default())?;
        let transport = Transport::of_labels(labels);
        dedupe.told(report);
        count(&record, transport, self.metrics);
        Ok(())
    }

    fn tell_suppressed(&mut self, report: &fair::Suppressed) -> Result<(), Full> {
        let Intake { fair, own, text, .. } = &mut *self.intake;
        text.clear();
        report.text(text);
        let level = fair::Suppressed::LEVEL;
        let received_ns = self.received_ns;
        let record = NewRecord { text, cut: false, level, received_ns, event_ns: 0 };
        own.find(b"", b"logcaster", None).append(self.segment, &record)?;
        fair.reported(report);
        count(&record, Transport::Own, self.metrics);
        Ok(())
    }
}

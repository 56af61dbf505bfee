//! What a connection has still to send.

use std::io::{self, Write};

use crate::limits::OUTBOX_BYTES_MAX;

/// Bytes on their way to a client, oldest first. Filled by a session, emptied by the socket.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` the socket has taken.
    sent: usize,
}

impl Outbox {
    /// Where a session appends its answers.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= OUTBOX_BYTES_MAX / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.bytes
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Hands `socket` what waits, until it takes no more. Returns how much it took.
    ///
    /// # Errors
    /// The socket's own: the peer is gone. `WouldBlock` is not one of them.
    pub fn write_to(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        let before = self.sent;
        while self.sent < self.bytes.len() {
            match socket.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(self.sent - before);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let written = self.sent - before;
        // An idle connection keeps no memory.
        self.bytes = Vec::new();
        self.sent = 0;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then would block.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let part = bytes.len().min(self.room).min(7);
            if part == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.extend(&bytes[..part]);
            self.room -= part;
            Ok(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_arrive_in_order_however_little_the_socket_takes() {
        let mut outbox = Outbox::default();
        let mut socket = Narrow { taken: Vec::new(), room: 0 };
        let mut expected: Vec<u8> = Vec::new();
        for round in 0..200u32 {
            let part = vec![round as u8; 1000];
            expected.extend(&part);
            outbox.bytes().extend(&part);
            socket.room = 997;
            outbox.write_to(&mut socket).unwrap();
        }
        socket.room = usize::MAX;
        outbox.write_to(&mut socket).unwrap();
        assert!(outbox.is_empty());
        assert_eq!(outbox.capacity(), 0);
        assert_eq!(socket.taken, expected);
    }

    #[test]
    fn a_socket_that_takes_nothing_more_is_an_error() {
        let mut outbox = Outbox::default();
        outbox.bytes().push(1);
        let mut full: &mut [u8] = &mut [];
        assert!(outbox.write_to(&mut full).is_err());
    }
}

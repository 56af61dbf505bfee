//! When connections want to be looked at again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mio::Token;

use crate::clock::Mono;

/// Deadlines of connections, soonest first. A connection that moves its deadline later leaves its
/// entry where it is; when that comes due, the connection says what it really waits for.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Mono, Token)>>,
}

impl Timers {
    /// Adds a deadline.
    pub fn arm(&mut self, at: Mono, token: Token) {
        self.heap.push(Reverse((at, token)));
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one entry that is due.
    pub fn pop_due(&mut self, now: Mono) -> Option<Token> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, token))| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_due_in_order_and_not_before() {
        let mut timers = Timers::default();
        for (at, token) in [(30, 3), (10, 1), (20, 2)] {
            timers.arm(at, Token(token));
        }
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(25), Some(Token(1)));
        assert_eq!(timers.pop_due(25), Some(Token(2)));
        assert_eq!(timers.pop_due(25), None);
    }
}

//! The codecs: bytes in, meaning out. [`mod@line`] is the smallest example.
//!
//! **Invariant:** nothing here knows sockets, files, clocks or other sessions.
//!
//! **Invariant:** what a codec says depends on the bytes it was given, never on how reads happened
//! to split them. Every codec's tests go through `testing::every_split`, which holds it to that.

pub mod command;
pub mod frame;
pub mod inflate;
pub mod line;
pub mod proxy;
#[cfg(test)]
pub mod testing;

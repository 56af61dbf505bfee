//! The codecs: bytes in, meaning out. [`mod@line`] is the smallest example.
//!
//! **Invariant:** nothing here knows sockets, files, clocks or other sessions.
//!
//! **Invariant:** what a codec says depends on the bytes it was given, never on how reads happened
//! to split them. Every codec's tests go through `testing::every_split`, which holds it to that.

pub mod bulk;
pub mod coding;
pub mod command;
pub mod entries;
pub mod frame;
pub mod http;
pub mod inflate;
pub mod irc;
pub mod json_tree;
pub mod jsonline;
pub mod line;
pub mod loki;
pub mod otlp;
pub mod protobuf;
pub mod proxy;
#[cfg(test)]
pub mod testing;
pub mod tree;

//! The whole server from outside: the real binary, real sockets, real files, real kills.
//!
//! One binary for all of it, so that it links once. `support.rs` starts and stops servers; every
//! other file is a list of claims. No test waits by sleeping and none uses a fixed port.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says that it fails")]

mod json;
mod peer;
mod program;
mod support;
mod web;

mod backup;
mod bounds;
mod captures;
mod cli;
mod durability;
mod fuzz_seeds;
mod http;
mod http_ask;
mod http_captures;
mod http_insert;
mod http_refused;
mod inputs;
mod irc;
mod life;
mod lines;
mod listings;
mod manager;
mod questions;
mod senders;
mod simulation;
mod tidy;

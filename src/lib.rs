#![doc = include_str!("ARCHITECTURE.md")]

pub mod cli;
pub mod clock;
pub mod config;
pub mod level;
pub mod limits;
pub mod log;
pub mod message;
pub mod metrics;
pub mod proto;
pub mod query;
pub mod reactor;
pub mod segment;
pub mod session;

#![doc = include_str!("ARCHITECTURE.md")]

pub mod clock;
pub mod config;
pub mod level;
pub mod limits;
pub mod proto;
pub mod query;
pub mod segment;

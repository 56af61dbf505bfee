//! What a segment promises, checked against a naive model and through crashes.

mod appending;
mod lives;
mod model;
mod power;
mod resizing;
mod support;

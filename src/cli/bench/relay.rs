//! The least that a line's way in and out can take here: what a machine's own stalls cost shows in
//! it as it does in the server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use super::error::{Doing, Result};
use super::machine::{self, SERVER_CORE};

/// Bytes handed on at once.
const BUFFER_BYTES: usize = 16 << 10;

/// Starts a thread on the server's core that hands on to the first connection what comes on the
/// second, until that ends; returns where it listens.
///
/// # Errors
/// Where nothing can be listened on.
pub fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("listen for the relay")?;
    let address = listener.local_addr().doing("ask for an address")?;
    thread::spawn(move || {
        machine::pin(SERVER_CORE);
        // What fails here is missed at the other end, which tells.
        let _ = relay(&listener);
    });
    Ok(address)
}

fn relay(listener: &TcpListener) -> Result<()> {
    let (mut to, _) = listener.accept().doing("accept who listens")?;
    let (mut from, _) = listener.accept().doing("accept who sends")?;
    to.set_nodelay(true).doing("set TCP_NODELAY")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).doing("receive")?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count]).doing("hand on")?;
    }
}

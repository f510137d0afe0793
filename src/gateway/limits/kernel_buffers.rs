//! How much the kernel keeps for a connection of what is to be sent and the other side does not take.
//!
//! # Design notes
//!
//! The kernel's buffers are no memory of the process, but they are of its container. Left alone, the one for sending grows
//! to what `net.ipv4.tcp_wmem` allows, 4 MB by default. Measured, a client that reads nothing of a large answer held 1 MB in
//! the process and 4.8 MB in the kernel.
//!
//! Only what was not sent yet is bounded (`TCP_NOTSENT_LOWAT`), not what is under way. So the window of a line stays as wide
//! as the line needs, however long it is, and a client that takes nothing holds [`UNSENT`] and no more. The option is set on
//! the listening socket, whose connections inherit it. Answers of 1 MiB came as fast as without it, by HTTP/1 and HTTP/2.
//!
//! The buffer for receiving is left to the kernel. A fixed one ends its tuning: with one of 256 KiB, answers of 1 MiB were
//! a tenth slower, and with one of 512 KiB a client that stalls at once holds more than without. What one that stalls late
//! holds of a task's answer is up to `net.ipv4.tcp_rmem`, 6 MB by default.

use std::os::fd::AsFd;

use socket2::SockRef;

/// How much may wait in the kernel to be sent. Ten times what a connection of ten gigabits a second sends in the time in
/// which a busy thread is back (20 µs).
const UNSENT: u32 = 256 * 1024;

/// Bounds what waits to be sent on a socket, or on all connections of one that listens.
pub(crate) fn bound_unsent(socket: &impl AsFd) {
    // A kernel that does not know the option goes on without a bound, as before.
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT);
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_inherit_the_bound_of_their_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        bound_unsent(&listener);
        let address = listener.local_addr().expect("a bound socket");
        let _client = TcpStream::connect(address).expect("it listens");
        let (accepted, _) = listener.accept().expect("a connection");
        let bound = SockRef::from(&accepted).tcp_notsent_lowat();
        assert_eq!(bound.expect("an option"), UNSENT);
    }
}

//! How clients connect: sockets, limits, TLS, and the connection that waits for requests.

pub(crate) mod acceptor;
pub(crate) mod connection;
pub(crate) mod http2;
pub(crate) mod proxy_protocol;
pub(crate) mod socket;
pub(crate) mod tls;

//! The flags of `hiveway run` that say how much clients may ask for.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;

use crate::gateway::Limits;

#[derive(Args, Debug)]
pub(super) struct TypedLimits {
    /// How many connections from clients may be open; one more is closed at once [default: half the limit of open files, at
    /// most 65536]
    #[arg(long, env = "HIVEWAY_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = connections)]
    max_connections: Option<NonZeroUsize>,

    /// How many one address may have open, or one /64 network of IPv6; those in --trusted-proxies may have any number
    /// [default: off]
    #[arg(long, env = "HIVEWAY_MAX_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", value_parser = connections)]
    max_connections_per_client: Option<NonZeroUsize>,

    /// How many bytes a second a request's body has to bring in the long run, and a client to take of an answer that waits for
    /// it. A body that falls a minute behind is answered 408, an answer is cut off. What calls of grpc:// routes and WebSockets
    /// bring may take its time. 0: there is no rate, and a client has a minute for each piece of an answer
    #[arg(
        long,
        env = "HIVEWAY_MIN_BODY_RATE",
        value_name = "BYTES",
        default_value_t = 100
    )]
    min_body_rate: u32,
}

impl TypedLimits {
    pub(super) fn configure(self) -> Limits {
        let Self {
            max_connections,
            max_connections_per_client,
            min_body_rate,
        } = self;
        Limits {
            connections: max_connections,
            connections_per_client: max_connections_per_client,
            min_body_rate: NonZeroU32::new(min_body_rate),
            ..Limits::default()
        }
    }
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "give a number of connections, at least 1".into())
}

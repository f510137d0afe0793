//! The flags of `hiveway run` that say how much clients may ask for.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;

use crate::gateway::Limits;

#[derive(Args, Debug)]
pub(super) struct LimitArgs {
    /// How many connections from clients may be open; one more is closed at once [default: a third of the limit of open
    /// files or more, at most 65536]
    #[arg(long, env = "HIVEWAY_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = connections)]
    max_connections: Option<NonZeroUsize>,

    /// How many one address may have open, or one /64 network of IPv6; those in --trusted-proxies may have any number
    /// [default: as many as it leaves free for others]
    #[arg(long, env = "HIVEWAY_MAX_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", value_parser = connections)]
    max_connections_per_client: Option<NonZeroUsize>,

    /// How many connections to tasks requests may use at once, WebSockets and passed-on connections included. One more request
    /// waits for a second and is then answered 503. Calls that share a connection of HTTP/2 to a task count as one
    /// [default: as --max-connections]
    #[arg(long, env = "HIVEWAY_MAX_TASK_CONNECTIONS", value_name = "NUMBER", value_parser = connections)]
    max_task_connections: Option<NonZeroUsize>,

    /// How many of them the requests of one address may use, or of one /64 network of IPv6; those of --trusted-proxies may use
    /// any number [default: as many as it leaves free for others]
    #[arg(long, env = "HIVEWAY_MAX_TASK_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", value_parser = connections)]
    max_task_connections_per_client: Option<NonZeroUsize>,

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

impl LimitArgs {
    pub(super) fn configure(self) -> Limits {
        let Self {
            max_connections,
            max_connections_per_client,
            max_task_connections,
            max_task_connections_per_client,
            min_body_rate,
        } = self;
        Limits {
            connections: max_connections,
            connections_per_client: max_connections_per_client,
            task_connections: max_task_connections,
            task_connections_per_client: max_task_connections_per_client,
            min_body_rate: NonZeroU32::new(min_body_rate),
            ..Limits::default()
        }
    }
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "give a number of connections, at least 1".into())
}

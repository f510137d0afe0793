//! The flags of `hiveway run` that say how much clients may ask for.

use std::num::NonZeroUsize;

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
}

impl TypedLimits {
    pub(super) fn configure(self) -> Limits {
        let Self {
            max_connections,
            max_connections_per_client,
        } = self;
        Limits {
            connections: max_connections,
            connections_per_client: max_connections_per_client,
            ..Limits::default()
        }
    }
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "give a number of connections, at least 1".into())
}

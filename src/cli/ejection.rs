//! The flags of `hiveway run` that say which endpoints requests are kept from, and which they prefer.

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::core::routing::ejection::Policy;

#[derive(Args, Debug)]
pub(super) struct EjectionArgs {
    /// Send an endpoint nothing for a while once it broke so many requests without an answer in between; 0: never
    #[arg(
        long,
        env = "HIVEWAY_EJECT_AFTER",
        value_name = "NUMBER",
        default_value = "3",
        value_parser = requests
    )]
    eject_after: u32,

    /// The same once so many per cent of its answers in ten seconds are 5xx, of twenty at least [default: off]
    #[arg(long = "eject-5xx", env = "HIVEWAY_EJECT_5XX", value_name = "PERCENT", value_parser = percent)]
    eject_5xx: Option<u8>,

    /// Prefer the endpoints on the gateway's own node, while any of them is in rotation
    #[arg(
        long,
        env = "HIVEWAY_PREFER_LOCAL",
        value_parser = BoolishValueParser::new()
    )]
    pub(super) prefer_local: bool,
}

impl EjectionArgs {
    /// When endpoints are ejected; none: never.
    pub(super) fn policy(&self) -> Option<Policy> {
        (self.eject_after > 0).then(|| Policy {
            after: self.eject_after,
            failed_percent: self.eject_5xx,
            ..Policy::default()
        })
    }
}

fn requests(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "give a number of requests, or 0 for never".into())
}

fn percent(text: &str) -> Result<u8, String> {
    let percent = text.trim_end_matches('%').parse().ok();
    percent
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| "give a share in per cent, from 1 to 100".into())
}

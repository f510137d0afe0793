//! How each service is probed, in words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Desired, DesiredService};
use crate::core::model::route::{Check, ProbeSpec};

/// Probes in words, by the service's name.
pub type Probes = BTreeMap<Arc<str>, Arc<str>>;

impl Desired {
    /// How each service is probed.
    #[must_use]
    pub fn probes(&self) -> Probes {
        let services = self.services.values();
        services
            .map(|it| (it.name.clone(), it.probe_in_words()))
            .collect()
    }
}

impl DesiredService {
    fn probe_in_words(&self) -> Arc<str> {
        match self.probe() {
            Some(probe) => words(&probe).into(),
            None => "none: every running task is taken to serve (probe.url none)".into(),
        }
    }
}

/// A command may hold a password, and is not shown.
fn words(probe: &ProbeSpec) -> String {
    let ProbeSpec {
        check,
        initial_delay,
        timeout,
        interval,
        rise,
        fall,
    } = probe;
    let what = match check {
        Check::Http { port, path } => format!("GET http://container:{port}{path}"),
        Check::Tcp { port } => format!("connect to port {port}"),
        Check::Command(_) => "the command of probe.cmd in the container".to_owned(),
        Check::Connect | Check::None => "none".to_owned(),
    };
    let delay = match initial_delay {
        &Duration::ZERO => String::new(),
        delay => format!(", first after {delay:?}"),
    };
    let times = |count: &u8, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    format!(
        "{what} every {interval:?} within {timeout:?}{delay}; in after {}, out after {}",
        times(rise, "pass", "passes"),
        times(fall, "failure", "failures"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_told_in_words_without_its_command() {
        let probe = |check| ProbeSpec {
            check,
            ..ProbeSpec::default()
        };
        let http = Check::Http {
            port: 80,
            path: "/up".into(),
        };
        let rest = " every 2s within 2s; in after 1 pass, out after 2 failures";
        for (check, what) in [
            (http, "GET http://container:80/up"),
            (Check::Tcp { port: 6379 }, "connect to port 6379"),
            (
                Check::Command("ping -p secret".into()),
                "the command of probe.cmd in the container",
            ),
        ] {
            assert_eq!(words(&probe(check)), format!("{what}{rest}"));
        }
        let slow = ProbeSpec {
            initial_delay: Duration::from_millis(1500),
            rise: 3,
            fall: 1,
            ..probe(Check::Tcp { port: 1 })
        };
        assert_eq!(
            words(&slow),
            "connect to port 1 every 2s within 2s, first after 1.5s; in after 3 passes, out after 1 failure"
        );
    }
}

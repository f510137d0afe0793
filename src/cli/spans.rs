//! The flags of `hiveway run` that say whom spans are sent to, and of which requests.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::observe::otlp::{Bounds, Config, Endpoint, Share};

#[derive(Args, Debug)]
pub(super) struct SpanArgs {
    /// The collector that is told of requests as OpenTelemetry's spans, by OTLP over HTTP, such as http://collector:4318, or
    /// off; spans go to /v1/traces unless the URL has a path. Implies --trace-headers [default: what OpenTelemetry's own
    /// variables say, or off]
    #[arg(long, env = "HIVEWAY_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<Where>,

    /// A file with the authorities that vouch for the collector, as PEM [default: those that browsers trust]
    #[arg(long, env = "HIVEWAY_OTLP_ROOT", value_name = "FILE")]
    otlp_root: Option<PathBuf>,

    /// The share of traces that begin at a gateway of which spans are sent, from 0 to 1; where a client's traceparent is there,
    /// its flag decides
    #[arg(
        long,
        env = "HIVEWAY_TRACE_SAMPLE",
        value_name = "SHARE",
        default_value = "1",
        value_parser = share
    )]
    trace_sample: Share,
}

impl SpanArgs {
    /// Where spans are sent; none: nowhere.
    pub(super) fn configure(self) -> Result<Option<Config>, String> {
        let Self {
            otlp_endpoint,
            otlp_root: root,
            trace_sample: share,
        } = self;
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = match otlp_endpoint {
            Some(Where(endpoint)) => endpoint,
            None => from(variable)?,
        };
        Ok(endpoint.map(|endpoint| Config {
            endpoint,
            root,
            share,
            service: variable("OTEL_SERVICE_NAME").map_or_else(|| "hiveway".into(), Into::into),
            bounds: Bounds::default(),
        }))
    }
}

/// What OpenTelemetry's own variables say.
fn from(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<Endpoint>, String> {
    type Read = fn(&str) -> Result<Endpoint, &'static str>;
    const VARIABLES: [(&str, Read); 2] = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Endpoint::exact),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Endpoint::below),
    ];
    let mut given = VARIABLES.iter().filter_map(|(name, read)| {
        let value = variable(name)?;
        Some(read(&value).map_err(|reason| format!("{name}={value}: {reason}")))
    });
    given.next().transpose()
}

/// Where spans are sent; none for `off`.
#[derive(Clone, Debug)]
struct Where(Option<Endpoint>);

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(None)),
            url => Ok(Self(Some(Endpoint::parse(url)?))),
        }
    }
}

fn share(text: &str) -> Result<Share, &'static str> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse};

    #[test]
    fn spans_are_off_unless_a_collector_is_named() {
        let read = |flags: &[&str]| {
            let words = ["hiveway", "run"].iter().chain(flags).map(Into::into);
            match parse(words) {
                Ok(Command::Run(config)) => Ok(config.spans),
                Ok(_) => panic!("another command"),
                Err(refused) => Err(refused.text),
            }
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["--otlp-endpoint", "off"]), Ok(None));
        let flags = ["--otlp-endpoint=http://c:4318", "--trace-sample=0.5"];
        let expected = Config {
            endpoint: Endpoint::parse("http://c:4318").expect("a URL"),
            root: None,
            share: "0.5".parse().expect("a share"),
            service: "hiveway".into(),
            bounds: Bounds::default(),
        };
        assert_eq!(read(&flags), Ok(Some(expected)));
        let refused = read(&["--otlp-endpoint", "c:4318"]).expect_err("no URL");
        assert!(
            refused.contains("such as http://collector:4318"),
            "{refused}"
        );
        let refused = read(&["--trace-sample", "5%"]).expect_err("no share");
        assert!(refused.contains("a share from 0 to 1"), "{refused}");
    }

    #[test]
    fn opentelemetrys_own_variables_are_read_as_it_reads_them() {
        let told = |given: &[(&str, &str)]| {
            let variable = |name| {
                let found = given.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            from(variable).map(|endpoint| endpoint.map(|it| it.to_string()))
        };
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/x");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:4318/");
        assert_eq!(told(&[]), Ok(None));
        assert_eq!(told(&[all]), Ok(Some("http://c:4318/x/v1/traces".into())));
        assert_eq!(told(&[all, traces]), Ok(Some("http://t:4318/".into())));
        let refused = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "c")]).expect_err("no URL");
        assert!(
            refused.contains("OTEL_EXPORTER_OTLP_ENDPOINT=c: give"),
            "{refused}"
        );
    }
}

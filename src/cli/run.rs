//! The flags of `hiveway run`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::access_log::AccessLogArgs;
use super::acme::AcmeArgs;
use super::control::ControlArgs;
use super::dns::DnsArgs;
use super::ejection::EjectionArgs;
use super::limits::LimitArgs;
use super::names::NameArgs;
use super::spans::SpanArgs;
use super::tls::TlsArgs;
use super::value::{
    Listen, address, domain, duration, folder, listener, network, network_name, threads,
};
use super::{RunConfig, Source};
use crate::core::labels::LabelOptions;
use crate::core::reconcile::desired;
use crate::docker::{ANSWER_TIMEOUT, EngineConfig};
use crate::gateway::{self, ListenerName};
use crate::observe::logging::LogFormat;
use crate::observe::metrics::SERVICES;

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// This node's engine: unix:///PATH, tcp://HOST:PORT; with DOCKER_TLS_VERIFY and
    /// DOCKER_CERT_PATH tcp speaks TLS [default: $DOCKER_HOST, or unix:///var/run/docker.sock]
    #[arg(long, env = "HIVEWAY_DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,

    /// Read services and tasks from this JSON file instead of an engine; it is read again when it changes
    #[arg(
        long,
        env = "HIVEWAY_INVENTORY",
        value_name = "FILE",
        conflicts_with = "docker_host"
    )]
    inventory: Option<PathBuf>,

    /// Have no engine: routes come from controllers alone. What faces the internet should need no engine's socket
    #[arg(long, env = "HIVEWAY_EDGE", value_parser = BoolishValueParser::new(),
        conflicts_with_all = ["docker_host", "inventory"])]
    edge: bool,

    #[command(flatten)]
    control: ControlArgs,

    /// Where a controller finds the secrets that labels name, as Docker mounts them; read again when they change
    #[arg(
        long,
        env = "HIVEWAY_SECRETS",
        value_name = "FOLDER",
        default_value = "/run/secrets",
        value_parser = folder
    )]
    secrets: PathBuf,

    /// Where the containers of the cluster connect, or off
    #[arg(
        long,
        env = "HIVEWAY_LISTEN_INTERNAL",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:80"
    )]
    listen_internal: Listen,

    /// Where the outside connects, or off; .local hosts do not exist there
    #[arg(
        long,
        env = "HIVEWAY_LISTEN_PUBLIC",
        value_name = "ADDRESS",
        default_value = "off"
    )]
    listen_public: Listen,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    acme: AcmeArgs,

    #[command(flatten)]
    dns: DnsArgs,

    /// Where the dashboard, health, metrics, the snapshot and events are served; anyone who can connect can read them
    #[arg(
        long,
        env = "HIVEWAY_ADMIN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9900",
        value_parser = address
    )]
    admin: SocketAddr,

    /// A file with the token that lets operators drain endpoints through admin; without it nothing can be changed there
    #[arg(long, env = "HIVEWAY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    /// The overlay network that the gateway shares with the services; several by commas, the preferred first
    #[arg(
        long,
        env = "HIVEWAY_NETWORK",
        value_name = "NAME",
        default_value = "mesh",
        value_delimiter = ',',
        value_parser = network_name
    )]
    network: Vec<Arc<str>>,

    #[command(flatten)]
    names: NameArgs,

    /// Networks of proxies whose X-Forwarded-* and Forwarded headers are believed, by commas (10.0.0.0/8,192.168.1.7/32)
    #[arg(long, env = "HIVEWAY_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<IpNet>,

    /// Listeners to which --trusted-proxies say in front of each connection whose it is, by the PROXY protocol, version 1 or
    /// 2: internal, public, public-tls; several by commas
    #[arg(
        long,
        env = "HIVEWAY_PROXY_PROTOCOL",
        value_name = "LISTENER",
        value_delimiter = ',',
        value_parser = listener,
        requires = "trusted_proxies"
    )]
    proxy_protocol: Vec<ListenerName>,

    /// How long requests in flight may take to end after SIGTERM (10s, 1m 30s)
    #[arg(long, env = "HIVEWAY_GRACE", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    grace: Duration,

    /// What is appended to a one-label host in a route: shop becomes shop.SUFFIX
    #[arg(long, env = "HIVEWAY_DOMAIN_SUFFIX", value_name = "DOMAIN", value_parser = domain)]
    domain_suffix: Option<Arc<str>>,

    /// How log lines look
    #[arg(
        long,
        env = "HIVEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "human"
    )]
    log_format: LogFormatArg,

    /// Services that have series of their own in /metrics, those with traffic first; the others add up as service="(others)"
    #[arg(
        long,
        env = "HIVEWAY_METRICS_SERVICES",
        value_name = "NUMBER",
        default_value_t = NonZeroUsize::new(SERVICES).expect("above zero")
    )]
    metrics_services: NonZeroUsize,

    #[command(flatten)]
    access_log: AccessLogArgs,

    #[command(flatten)]
    spans: SpanArgs,

    /// Threads that serve requests [default: the number of processors]
    #[arg(long, env = "HIVEWAY_THREADS", value_name = "NUMBER", value_parser = threads)]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    ejection: EjectionArgs,

    #[command(flatten)]
    limits: LimitArgs,
}

impl RunArgs {
    pub(super) fn configure(self) -> Result<RunConfig, String> {
        // Destructured, so that a flag that nobody uses does not compile.
        let Self {
            docker_host,
            inventory,
            edge,
            control,
            secrets,
            listen_internal: Listen(internal),
            listen_public: Listen(public),
            tls,
            acme,
            dns,
            admin,
            admin_token_file,
            network,
            names,
            trusted_proxies,
            proxy_protocol,
            grace,
            domain_suffix,
            log_format,
            metrics_services,
            access_log,
            spans,
            threads,
            ejection,
            limits,
        } = self;
        let source = match inventory {
            Some(file) => Source::File(file),
            None if edge => Source::Controllers,
            None => Source::Docker(engine(docker_host)),
        };
        let threads = threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let control = control.configure(edge)?;
        let acme = acme.configure(control.state_dir.as_deref())?;
        let comes = acme.is_some() || !control.places.is_empty();
        let (tls, certificates) = tls.configure(comes)?;
        Ok(RunConfig {
            source,
            control,
            desired: desired::Options {
                labels: LabelOptions {
                    domain_suffix,
                    secrets: None,
                },
                networks: network,
                manage_aliases: names.manage_aliases(),
                secrets: Some(secrets),
            },
            gateway: gateway::Config {
                internal,
                public,
                tls,
                trusted_proxies,
                proxy_protocol,
                grace,
                limits: limits.configure(),
                threads,
                node: None,
                prefer_local: ejection.prefer_local,
                ejection: ejection.policy(),
                judged_every: gateway::JUDGED_EVERY,
                access_log: None,
                spans: None,
                trace_headers: access_log.trace_headers,
                challenges: gateway::Challenges::default(),
            },
            certificates,
            acme,
            dns: dns.configure(),
            admin,
            admin_token_file,
            log_format: match log_format {
                LogFormatArg::Human => LogFormat::Human,
                LogFormatArg::Json => LogFormat::Json,
            },
            metrics_services,
            access_log: access_log.config(),
            spans: spans.configure()?,
        })
    }
}

/// Reads what Docker's own tools read from the environment.
pub(super) fn engine(host: Option<String>) -> EngineConfig {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = host.or_else(|| variable("DOCKER_HOST"));
    let host = host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let tls = host.starts_with("tcp://") && variable("DOCKER_TLS_VERIFY").is_some();
    let folder = || {
        let home = || variable("HOME").unwrap_or_else(|| "/root".to_owned());
        variable("DOCKER_CERT_PATH").unwrap_or_else(|| format!("{}/.docker", home()))
    };
    EngineConfig {
        host,
        cert_path: tls.then(|| folder().into()),
        answer_timeout: ANSWER_TIMEOUT,
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatArg {
    /// For people: time, level, sentence, fields
    Human,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::cli::{Command, parse};

    #[test]
    fn networks_by_commas_or_repeated_flags_keep_their_order() {
        let networks = |flags: &[&str]| -> Result<Vec<Arc<str>>, String> {
            let words = ["hiveway", "run"].iter().chain(flags).map(Into::into);
            match parse(words) {
                Ok(Command::Run(config)) => Ok(config.desired.networks),
                Ok(_) => panic!("another command"),
                Err(refused) => Err(refused.text),
            }
        };
        let list = |names: &[&str]| Ok(names.iter().map(|name| Arc::from(*name)).collect());
        assert_eq!(
            networks(&["--network", "mesh, edge"]),
            list(&["mesh", "edge"])
        );
        let repeated = ["--network", "mesh,edge", "--network=back"];
        assert_eq!(networks(&repeated), list(&["mesh", "edge", "back"]));
        let refused = networks(&["--network", "mesh,"]).unwrap_err();
        assert!(refused.contains("separated by commas"), "{refused}");
    }

    #[test]
    fn a_value_that_is_wrong_leads_to_the_help_of_its_command() {
        let refused = parse(["hiveway", "run", "--admin", "off"].map(Into::into));
        assert_eq!(
            refused.expect_err("no address").text,
            "hiveway: invalid value 'off' for '--admin <ADDRESS>': give ADDRESS:PORT, such as 127.0.0.1:9900; see hiveway run --help"
        );
    }
}

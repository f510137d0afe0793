//! The command line of `hiveway-demo`, small enough to be read by hand.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::Method;

use super::request::Target;
use super::{Error, client, load, server};

/// What `--help` prints.
pub const HELP: &str = "\
A small server and client to try Hiveway with.

hiveway-demo server [--listen ADDRESS] [--outage SECONDS]
    Answers HTTP requests and says which container it is. SIGUSR1 takes the server
    away for the outage while the container lives on; SIGTERM stops it gracefully.
      --listen ADDRESS    where to listen                        [0.0.0.0:80]
      --outage SECONDS    for how long SIGUSR1 takes it away     [10]
    Paths: / /health /slow?ms=N /status/N /echo /bytes?n=N

hiveway-demo client URL [--head] [--interval SECONDS] [--timeout SECONDS] [--count N]
    Makes one request after the other, each over its own connection and without
    cookies, and prints who answered.
      --head              HEAD instead of GET
      --interval SECONDS  from one request to the next           [1]
      --timeout SECONDS   how long one request may take          [5]
      --count N           how many requests                      [no end]

hiveway-demo load URL [--fresh] [--sticky] [--connections N] [--rate N] [--timeout SECONDS]
                      [--requests N] [--seconds SECONDS] [--through ADDRESS]
    Many clients that make GET requests at a constant pace. A line of JSON a second,
    and one at the end, counts the requests, those that failed and how, and who
    answered. Ends after the requests, the time, or SIGTERM.
      --fresh             a connection for every request, instead of one a client
      --sticky            send back the cookie that was last given
      --connections N     how many clients                       [8]
      --rate N            requests a second, all together        [100]
      --timeout SECONDS   how long one request may take          [5]
      --requests N        how many requests                      [no end]
      --seconds SECONDS   for how long                           [no end]
      --through ADDRESS   connect here, whatever the URL's host resolves to
";

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the server.
    Server(server::Config),
    /// Run the client.
    Client(client::Config),
    /// Run the load generator.
    Load(load::Config),
    /// Print [`HELP`].
    Help,
}

impl Command {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// One sentence on the first argument that is not understood.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        match arguments.next().as_deref() {
            Some("server") => parse_server(arguments),
            Some("client") => parse_client(arguments),
            Some("load") => parse_load(arguments),
            Some("--help" | "-h" | "help") => Ok(Self::Help),
            Some(other) => Err(format!(
                "{other:?} is no command: use server, client or load"
            )),
            None => Err("a command is missing: use server, client or load".to_owned()),
        }
    }

    /// Does it, to its end.
    ///
    /// # Errors
    ///
    /// Those of [`server::run`], [`client::run`] and [`load::run`].
    pub async fn run(self) -> Result<(), Error> {
        match self {
            Self::Server(config) => server::run(config).await,
            Self::Client(config) => client::run(config).await,
            Self::Load(config) => load::run(config).await,
            Self::Help => super::say(HELP.trim_end()),
        }
    }
}

fn parse_server(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut config = server::Config {
        listen: SocketAddr::from(([0, 0, 0, 0], 80)),
        outage: Duration::from_secs(10),
    };
    while let Some(argument) = arguments.next() {
        let (flag, mut value) = split(&argument, &mut arguments);
        match flag {
            "--listen" => config.listen = read(flag, &value()?, "an address like 0.0.0.0:80")?,
            "--outage" => config.outage = seconds(flag, &value()?)?,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("{argument:?} is no argument of server")),
        }
    }
    Ok(Command::Server(config))
}

fn parse_client(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut target = None;
    let mut method = Method::GET;
    let mut interval = Duration::from_secs(1);
    let mut timeout = Duration::from_secs(5);
    let mut count = None;
    while let Some(argument) = arguments.next() {
        let (flag, mut value) = split(&argument, &mut arguments);
        match flag {
            "--head" => method = Method::HEAD,
            "--interval" => interval = seconds(flag, &value()?)?,
            "--timeout" => timeout = seconds(flag, &value()?)?,
            "--count" => count = Some(read(flag, &value()?, "a number")?),
            "--help" | "-h" => return Ok(Command::Help),
            _ if !argument.starts_with('-') && target.is_none() => {
                target = Some(argument.parse()?);
            }
            _ => return Err(format!("{argument:?} is no argument of client")),
        }
    }
    Ok(Command::Client(client::Config {
        target: target.ok_or("client needs a URL, for example http://restserver.local/")?,
        method,
        interval,
        timeout,
        count,
    }))
}

fn parse_load(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut target, mut through) = (None::<Target>, None);
    let (mut connections, mut rate) = (8, 100.0);
    let (mut keep_alive, mut sticky) = (true, false);
    let (mut timeout, mut duration, mut requests) = (Duration::from_secs(5), None, None);
    while let Some(argument) = arguments.next() {
        let (flag, mut value) = split(&argument, &mut arguments);
        match flag {
            "--fresh" => keep_alive = false,
            "--sticky" => sticky = true,
            "--connections" => {
                let number: NonZeroU32 = read(flag, &value()?, "a positive number")?;
                connections = number.get();
            }
            "--rate" => {
                let number: NonZeroU32 = read(flag, &value()?, "a positive number")?;
                rate = f64::from(number.get());
            }
            "--timeout" => timeout = seconds(flag, &value()?)?,
            "--requests" => requests = Some(read(flag, &value()?, "a number")?),
            "--seconds" => duration = Some(seconds(flag, &value()?)?),
            "--through" => through = Some(read(flag, &value()?, "an address like 127.0.0.1:80")?),
            "--help" | "-h" => return Ok(Command::Help),
            _ if !argument.starts_with('-') && target.is_none() => {
                target = Some(argument.parse()?);
            }
            _ => return Err(format!("{argument:?} is no argument of load")),
        }
    }
    let target = target.ok_or("load needs a URL, for example http://restserver.local/")?;
    Ok(Command::Load(load::Config {
        target: match through {
            Some(address) => target.through(address),
            None => target,
        },
        connections,
        keep_alive,
        sticky,
        rate,
        timeout,
        requests,
        duration,
    }))
}

/// Splits `--flag=value`; where there is no `=`, the value is the next argument.
fn split<'a>(
    argument: &'a str,
    rest: &'a mut impl Iterator<Item = String>,
) -> (&'a str, impl FnMut() -> Result<String, String> + 'a) {
    let (flag, attached) = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
        _ => (argument, None),
    };
    let value = move || {
        let value = attached.map(str::to_owned).or_else(|| rest.next());
        value.ok_or_else(|| format!("{flag} needs a value"))
    };
    (flag, value)
}

fn read<T: std::str::FromStr>(flag: &str, value: &str, what: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag} {value:?} is not {what}"))
}

/// A positive number of seconds; a timer that never waits would be a busy loop.
fn seconds(flag: &str, value: &str) -> Result<Duration, String> {
    let number: f64 = read(flag, value, "a number of seconds")?;
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{flag} {value:?} is not a positive number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_in_both_forms() {
        let server = |listen: &str, outage| {
            Ok(Command::Server(server::Config {
                listen: listen.parse().unwrap(),
                outage: Duration::from_millis(outage),
            }))
        };
        let client = |method, interval, timeout, count| {
            Ok(Command::Client(client::Config {
                target: "http://a/".parse().unwrap(),
                method,
                interval: Duration::from_millis(interval),
                timeout: Duration::from_millis(timeout),
                count,
            }))
        };
        let cases = [
            ("server", server("0.0.0.0:80", 10_000)),
            (
                "server --listen 127.0.0.1:8080 --outage=2.5",
                server("127.0.0.1:8080", 2_500),
            ),
            ("client http://a/", client(Method::GET, 1_000, 5_000, None)),
            (
                "client --head --interval=0.5 a --count 3 --timeout 1",
                client(Method::HEAD, 500, 1_000, Some(3)),
            ),
            (
                "load a --fresh --sticky --rate 50 --connections=2 --seconds 3 --requests 9 --timeout 1",
                Ok(Command::Load(load::Config {
                    target: "http://a/".parse().unwrap(),
                    connections: 2,
                    keep_alive: false,
                    sticky: true,
                    rate: 50.0,
                    timeout: Duration::from_secs(1),
                    requests: Some(9),
                    duration: Some(Duration::from_secs(3)),
                })),
            ),
            ("--help", Ok(Command::Help)),
            ("client -h", Ok(Command::Help)),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases = [
            ("", "a command is missing: use server, client or load"),
            (
                "serve",
                "\"serve\" is no command: use server, client or load",
            ),
            ("server --port 80", "\"--port\" is no argument of server"),
            (
                "server --listen 80",
                "--listen \"80\" is not an address like 0.0.0.0:80",
            ),
            ("server --outage", "--outage needs a value"),
            (
                "client",
                "client needs a URL, for example http://restserver.local/",
            ),
            ("client a b", "\"b\" is no argument of client"),
            (
                "client a --interval 0",
                "--interval \"0\" is not a positive number of seconds",
            ),
            (
                "client a --interval -1",
                "--interval \"-1\" is not a positive number of seconds",
            ),
            (
                "load",
                "load needs a URL, for example http://restserver.local/",
            ),
            ("load a --rate 0", "--rate \"0\" is not a positive number"),
            ("client a --count x", "--count \"x\" is not a number"),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), Err(expected.to_owned()), "{line}");
        }
    }
}

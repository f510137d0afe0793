//! The same key to the same endpoint: by the client's address, a header, a cookie.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use hiveway::core::model::route::Balance;
use hiveway::gateway::Config;

use super::client::{Answer, Client};
use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// Enough keys that each of four endpoints has some.
const KEYS: u8 = 60;

/// How a request carries its key.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Source,
    /// The address that a trusted proxy tells.
    Forwarded,
    Header,
    Cookie,
}

const KINDS: [Kind; 4] = [Kind::Source, Kind::Forwarded, Kind::Header, Kind::Cookie];

impl Kind {
    fn balance(self) -> Balance {
        match self {
            Self::Source | Self::Forwarded => Balance::HashSource,
            Self::Header => Balance::HashHeader("x-user".into()),
            Self::Cookie => Balance::HashCookie("sid".into()),
        }
    }

    fn service(self) -> Service {
        Service::new("web", "web.test").policy(|policy| policy.balance = self.balance())
    }

    async fn edge(self, services: &[Service]) -> Edge {
        let trust = |config: &mut Config| {
            if let Self::Forwarded = self {
                config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
            }
        };
        Edge::start_with(trust, services).await
    }

    /// A request by a connection of its own, with this key.
    async fn ask(self, edge: &Edge, key: u8) -> Answer {
        let mut client = match self {
            Self::Source => {
                let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, key));
                Client::connect_from(from, edge.internal).await
            }
            _ => edge.client().await,
        };
        let lines = match self {
            // A client's own word counts for nothing.
            Self::Source => "X-Forwarded-For: 192.0.2.1\r\n".to_owned(),
            Self::Forwarded => format!("X-Forwarded-For: 198.51.100.{key}\r\n"),
            Self::Header => format!("X-User: user-{key}\r\n"),
            Self::Cookie => format!("Cookie: a=1; sid=session-{key}; xsid=2\r\n"),
        };
        let answer = client.get_with("web.test", "/", &lines).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Which endpoint each key has.
    async fn owners(self, edge: &Edge) -> Vec<String> {
        let mut owners = Vec::new();
        for key in 1..=KEYS {
            owners.push(self.ask(edge, key).await.body);
        }
        owners
    }
}

fn names(origins: &[Origin]) -> BTreeSet<&str> {
    origins.iter().map(|it| &*it.container).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_keeps_its_endpoint_and_only_keys_of_a_gone_one_move() {
    for kind in KINDS {
        let origins = origins([Behaviour::Answer; 4]).await;
        let edge = kind.edge(&[kind.service().endpoints(&origins)]).await;
        let before = kind.owners(&edge).await;
        assert_eq!(
            before.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            names(&origins),
            "{kind:?}: all have some"
        );
        assert_eq!(kind.owners(&edge).await, before, "{kind:?}");
        edge.publish(&[kind.service().endpoints(&origins[1..])])
            .await;
        let without = kind.owners(&edge).await;
        let mut heirs = BTreeSet::new();
        for (before, without) in before.iter().zip(&without) {
            if *before == origins[0].container {
                heirs.insert(&**without);
            } else {
                assert_eq!(before, without, "{kind:?}");
            }
        }
        assert!(heirs.len() > 1, "{kind:?}: its keys are spread");
        edge.publish(&[kind.service().endpoints(&origins)]).await;
        assert_eq!(kind.owners(&edge).await, before, "{kind:?}: they come back");
        // Another gateway chooses the same.
        let other = kind.edge(&[kind.service().endpoints(&origins)]).await;
        assert_eq!(kind.owners(&other).await, before, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_endpoints_take_turns() {
    for kind in [Kind::Header, Kind::Cookie] {
        let origins = origins([Behaviour::Answer; 3]).await;
        let edge = kind.edge(&[kind.service().endpoints(&origins)]).await;
        let mut client = edge.client().await;
        for lines in ["", "X-User: \r\nCookie: xsid=1; sid=\r\n"] {
            let mut served = BTreeSet::new();
            for _ in 0..3 {
                served.insert(client.get_with("web.test", "/", lines).await.body);
            }
            let served: BTreeSet<_> = served.iter().map(String::as_str).collect();
            assert_eq!(served, names(&origins), "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_keeps_to_one_of_the_services_that_share_a_route() {
    let [blue, other_blue, green, other_green] = &origins([Behaviour::Answer; 4]).await;
    let share = |name, weight, origins: [&Origin; 2]| {
        Kind::Header
            .service()
            .named(name)
            .policy(|policy| policy.weight = weight)
            .endpoints(origins)
    };
    let services = |blue_weight, green_weight| {
        [
            share("blue", blue_weight, [blue, other_blue]),
            share("green", green_weight, [green, other_green]),
        ]
    };
    let edge = Kind::Header.edge(&services(70, 30)).await;
    let is_green = |it: &String| *it == green.container || *it == other_green.container;
    let before = Kind::Header.owners(&edge).await;
    assert_eq!(Kind::Header.owners(&edge).await, before);
    let greens = before.iter().filter(|it| is_green(it)).count();
    assert!((8..30).contains(&greens), "{greens} of 60 where 18 are due");
    // The green grow, and nobody goes back to the blue.
    edge.publish(&services(30, 70)).await;
    let after = Kind::Header.owners(&edge).await;
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || is_green(after), "{before} {after}");
    }
    assert!(after.iter().filter(|it| is_green(it)).count() > greens);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_asks_for_too_much_overflows_to_its_next_endpoint() {
    let origins = origins([Behaviour::Hang; 3]).await;
    let service = Kind::Header.service().endpoints(&origins);
    let edge = Kind::Header.edge(&[service]).await;
    let mut clients = Vec::new();
    for count in 1..=17 {
        let mut client = edge.client().await;
        client
            .send("GET / HTTP/1.1\r\nHost: web.test\r\nX-User: greedy\r\n\r\n")
            .await;
        clients.push(client);
        // One after another, so that each is counted before the next is chosen for.
        while origins.iter().map(|it| it.requests().len()).sum::<usize>() < count {
            tokio::task::yield_now().await;
        }
    }
    // They live on, so that no request is tried again elsewhere.
    let mut counts = origins.each_ref().map(|it| it.requests().len());
    counts.sort_unstable();
    assert_eq!(counts, [0, 1, 16]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_request_goes_to_the_next_endpoint_of_its_key() {
    let origins = origins([Behaviour::Refuse, Behaviour::Answer, Behaviour::Answer]).await;
    let service = Kind::Header.service();
    let edge = Kind::Header
        .edge(&[service.clone().endpoints(&origins)])
        .await;
    let mut failing = Vec::new();
    for key in 1..=20 {
        failing.push(Kind::Header.ask(&edge, key).await.body);
    }
    edge.publish(&[service.endpoints(&origins[1..])]).await;
    for (key, before) in (1..).zip(failing) {
        assert_eq!(Kind::Header.ask(&edge, key).await.body, before);
    }
}

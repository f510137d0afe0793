//! Passwords are checked in turns: an attacker's guesses wait behind one another, and no other client behind them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hiveway::core::model::middleware::{Credential, PasswordHash};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::client::Client;
use super::super::edge::Edge;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use crate::eventually::eventually;
use crate::pause::pause;

const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
const USER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
const ANYBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8));

/// `alice:s3cret`.
const RIGHT: &str = "Authorization: Basic YWxpY2U6czNjcmV0\r\n";
/// `alice:wrong`.
const WRONG: &str = "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";

/// A hash of `s3cret` that costs as much as those in use.
fn hash() -> PasswordHash {
    let salt = *b"sixteen bytes it";
    let hash = bcrypt::hash_with_salt("s3cret", 11, salt).expect("a cost that there is");
    PasswordHash(hash.to_string().into())
}

async fn status(edge: &Edge, from: IpAddr, lines: &str) -> (u16, Duration) {
    let asked = Instant::now();
    let mut client = Client::connect_from(from, edge.internal).await;
    let answer = client.get_with("web.test", "/", lines).await;
    (answer.status, asked.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_of_one_client_hold_up_nobody_else() {
    let [task] = origins([Behaviour::Answer]).await;
    let users = vec![Credential {
        user: "alice".into(),
        hash: hash(),
    }];
    let service = Service::new("web", "web.test")
        .endpoints([&task])
        .middleware(|it| it.basic_auth = Some(users));
    let edge = Edge::start(&[service]).await;
    // How long one check takes here, alone.
    let (refused, alone) = status(&edge, ANYBODY, WRONG).await;
    assert_eq!(refused, 401);

    let mut attack = JoinSet::new();
    for _ in 0..40 {
        let address = edge.internal;
        attack.spawn(async move {
            loop {
                let mut client = Client::connect_from(ATTACKER, address).await;
                let answer = client.get_with("web.test", "/", WRONG).await;
                match answer.status {
                    401 => {}
                    429 => {
                        answer.assert_refused(429, "auth-per-client");
                        // Or the attack takes the processors, and not the turns.
                        pause(Duration::from_millis(20)).await;
                    }
                    other => panic!("{other}"),
                }
            }
        });
    }
    let refused = "hiveway_local_replies_total{service=\"web\",reason=\"auth-per-client\"} ";
    let under_attack = async || {
        let figures = edge.figures();
        let count = figures.lines().find_map(|line| line.strip_prefix(refused));
        match count.map_or(Ok(0), str::parse) {
            Ok(40..) => Ok(()),
            few => Err(format!("{few:?}")),
        }
    };
    let bound = Duration::from_secs(30);
    let begun = eventually("guesses are refused", bound, under_attack).await;
    begun.expect("an attack");

    // The check that is under way, and its own; twice that on a busy machine.
    let (told, waited) = status(&edge, USER, RIGHT).await;
    assert_eq!(told, 200);
    assert!(waited < alone * 4, "{waited:?}, {alone:?} alone");
    // From now on it is remembered, wherever it comes from.
    for from in [USER, ANYBODY] {
        let (told, waited) = status(&edge, from, RIGHT).await;
        assert_eq!(told, 200);
        assert!(waited < alone * 2, "{waited:?}, {alone:?} alone");
    }

    let metrics = edge.metrics.render(None);
    let count = "hiveway_password_wait_seconds_count ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(count));
    let count = count.expect("waits").parse::<u64>().expect("a count");
    assert!(count >= 3, "{count}");
    if let Some(ended) = attack.try_join_next() {
        ended.expect("the attack goes on");
    }
}

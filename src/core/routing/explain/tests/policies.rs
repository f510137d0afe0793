//! What labels do with requests on their way.

use std::time::Duration;

use super::*;
use crate::core::model::middleware::{Middleware, Redirect};
use crate::core::model::route::Balance;

fn with(change: impl FnOnce(&mut RoutingPolicy, &mut Middleware)) -> Snapshot {
    let mut snapshot = of(&[("api", "web.test/api", &[Ready])]);
    let cluster = snapshot.clusters.get_mut(&ServiceId::from("api"));
    let cluster = Arc::make_mut(cluster.expect("a cluster"));
    let mut middleware = Middleware::default();
    change(&mut cluster.policy, &mut middleware);
    cluster.policy.middleware = Some(middleware.into());
    snapshot
}

/// What is said of the policy, and the status.
fn told(snapshot: &Snapshot, known: &Known) -> (Vec<String>, Option<u16>) {
    let explanation = ask("http://web.test/api/v1?q", snapshot, known);
    let steps = says(&explanation).into_iter();
    let policy = steps.filter(|line| line[2..].starts_with("policy"));
    (policy.collect(), explanation.outcome.status)
}

fn client(address: &str, trusted: bool) -> Known {
    Known {
        client: address.parse().ok(),
        trusts_client: Some(trusted),
        ..Known::default()
    }
}

#[test]
fn redirect_is_the_outcome_and_keeps_the_rest_of_the_path() {
    let redirect = |strip| {
        with(move |policy, middleware| {
            policy.strip_prefix = strip;
            middleware.redirect = Some(Redirect {
                status: 301,
                target: "https://new.test".into(),
            });
        })
    };
    for (strip, location) in [
        (false, "https://new.test/api/v1?q"),
        (true, "https://new.test/v1?q"),
    ] {
        let (lines, status) = told(&redirect(strip), &Known::default());
        let last = format!("! policy: it is redirected to {location} (routing.redirect)");
        assert_eq!((lines.last(), status), (Some(&last), Some(301)));
    }
}

#[test]
fn who_is_not_let_in_is_told_where_the_client_is_known() {
    let snapshot = with(|_, middleware| {
        middleware.allow = Some(vec!["10.0.0.0/8".parse().expect("a network")]);
    });
    for (known, status) in [
        (Known::default(), None),
        (client("10.1.2.3", false), None),
        (client("192.0.2.1", false), Some(403)),
        // Its headers say who the client is.
        (client("192.0.2.1", true), None),
    ] {
        assert_eq!(told(&snapshot, &known).1, status, "{known:?}");
    }
}

#[test]
fn what_depends_on_more_than_is_asked_is_told() {
    let snapshot = with(|policy, middleware| {
        policy.strip_prefix = true;
        policy.balance = Balance::HashHeader("x-user".into());
        policy.max_in_flight = Some(4);
        policy.hold = Duration::from_secs(5);
        middleware.allow = Some(Vec::new());
        middleware.rate_limit = Some(7);
        middleware.basic_auth = Some(Vec::new());
        middleware.max_body_bytes = Some(9);
    });
    let (lines, status) = told(&snapshot, &Known::default());
    assert_eq!(
        lines,
        [
            ". policy: api: nobody is let in, for nothing of routing.allow_cidrs could be read: 403",
            ". policy: api: a client that sends more than 7 requests a second gets a 429 (routing.rate_limit)",
            ". policy: api: nobody is let in, for nothing of routing.basic_auth could be read: 401",
            ". policy: api: a body of more than 9 bytes gets a 413 (routing.max_body_bytes)",
            ". policy: api: the path reaches it without /api (routing.strip_prefix)",
            ". policy: api: an endpoint is chosen by the header x-user (routing.balance)",
            ". policy: api: an endpoint works on 4 requests of each gateway at most (routing.max_in_flight)",
            ". policy: api: a request that finds no endpoint waits for 5s (routing.hold_seconds)",
            "! policy: nobody is let in, for nothing of routing.allow_cidrs could be read",
        ]
    );
    assert_eq!(status, Some(403));
    let snapshot = with(|_, middleware| middleware.basic_auth = Some(Vec::new()));
    assert_eq!(
        told(&snapshot, &Known::default()),
        (
            vec![
                ". policy: api: nobody is let in, for nothing of routing.basic_auth could be read: 401".to_owned(),
                "! policy: nobody is let in, for nothing of routing.basic_auth could be read".to_owned(),
            ],
            Some(401)
        )
    );
    assert_eq!(
        told(&of(&[("api", "web.test/api", &[Ready])]), &Known::default()).0,
        [""; 0]
    );
}

#[test]
fn a_guard_that_is_not_known_ends_every_request() {
    let snapshot = with(|_, middleware| {
        middleware.unreadable_guards = ["hiveway.routing.basicauth".into()].into();
    });
    let reason = "no client is let in, because a label that seems to be a guard cannot be read: \
                hiveway.routing.basicauth";
    let expected = [
        format!(". policy: api: {reason}: 503"),
        format!("! policy: {reason}"),
    ];
    for known in [Known::default(), client("10.0.0.1", false)] {
        assert_eq!(told(&snapshot, &known), (expected.to_vec(), Some(503)));
    }
}

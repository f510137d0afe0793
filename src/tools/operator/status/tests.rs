use serde_json::json;

use super::super::paint::Style;
use super::*;

fn status(total: u64) -> Status {
    serde_json::from_value(json!({
        "version": "0.1.0", "at": 1_700_000_090_000_u64, "role": "controller by a file, and gateway",
        "node": "n1", "controller": "this node",
        "snapshot": {"generation": {"epoch": 1, "sequence": 12}, "since": 1_700_000_000_000_u64, "routes": 2},
        "conditions": [
            {"type": "Running", "status": "True", "reason": "Running", "message": "", "since": 1_700_000_000_000_u64},
            {"type": "RoutesFollowSwarm", "status": "False", "reason": "Frozen", "message": "no quorum", "since": null},
        ],
        "services": [{
            "service": "web", "routes": ["web.test/", "a.test/", "b.test/", "c.test/"], "ready": 1, "total": 2,
            "states": {"ready": 1, "failing": 1}, "ejected": 0, "probes_disbelieved": false,
            "requests": {"total": total, "failed": 0, "retries": 0,
                "within": [{"seconds": 0.01, "count": total}, {"seconds": null, "count": total}]},
        }],
        "nodes": [
            {"node": "n1", "address": "10.0.0.1", "controller": true, "own": true, "follows": null,
             "generation": {"epoch": 1, "sequence": 12}},
            {"node": "n2", "address": null, "controller": false, "own": false, "follows": true,
             "generation": {"epoch": 1, "sequence": 11}},
            {"node": "n3", "address": null, "controller": false, "own": false, "follows": false, "generation": null},
        ],
        "drained_by_hand": ["t9"],
        "unknown": ["the rest"],
    }))
    .expect("a status")
}

/// What is shown of two looks that are two seconds apart.
fn seen(before: &Status, after: Status) -> Seen {
    let between = Duration::from_secs(2);
    Seen {
        rates: rates(before, &after, between),
        endpoint_rates: endpoints::rates(before, &after, between),
        at: Instant::now(),
        status: after,
    }
}

/// An endpoint with this number of requests, each of which waited for this time.
fn endpoint(number: u8, total: u64, wait: f64) -> serde_json::Value {
    json!({
        "task": format!("task-{number}"), "container": format!("{number}123456789abcdef"), "node": "n1",
        "address": "10.0.0.1", "state": "ready", "ejected": number == 2,
        "requests": {"total": total, "failed": 2 * u64::from(number), "broken": 1, "aborted": 0,
            "in_flight": number, "waits": total, "waited_seconds": total as f64 * wait, "recent_wait_seconds": wait},
    })
}

#[test]
fn the_slowest_endpoint_of_a_service_stands_first() {
    let looked = |total| {
        let mut status = status(total);
        let endpoints = [
            endpoint(1, total, 0.002),
            endpoint(2, total, 0.003),
            endpoint(3, total, 0.25),
        ];
        let endpoints = endpoints.map(|it| serde_json::from_value(it).expect("an endpoint"));
        status.services[0].endpoints = Some(endpoints.into());
        status.nodes.clear();
        status
    };
    let seen = seen(&looked(100), looked(300));
    let shown = show(&seen, true, Screen::endless(Style::none()));
    let table = shown.split("\n\n").nth(3).expect("a table of endpoints");
    let (table, _) = table.split_once("drained").expect("what follows");
    assert_eq!(
        table,
        "\
SERVICE  CONTAINER     NODE  STATE           REQ/S  ERR/S  WAIT           IN FLIGHT  REQUESTS  FAILED  BROKEN  ABORTED
web      3123456789ab  n1    ready           100.0  0.0    250.0 ms SLOW  3          300       6       1       0
web      2123456789ab  n1    ready, ejected  100.0  0.0    3.0 ms         2          300       4       1       0
web      1123456789ab  n1    ready           100.0  0.0    2.0 ms         1          300       2       1       0
"
    );
    let json = json(&Both {
        status: &seen.status,
        rates: &seen.rates,
        endpoint_rates: &seen.endpoint_rates,
    });
    assert!(json.contains("\"wait_seconds\": 0.25"), "{json}");
}

#[test]
fn people_read_conditions_services_with_their_rates_and_nodes() {
    let seen = seen(&status(100), status(300));
    assert_eq!(
        show(&seen, true, Screen::endless(Style::none())),
        "\
hiveway 0.1.0: controller by a file, and gateway on node n1; follows this node; snapshot 12 with 2 routes, since 1m 30s

CONDITION          STATUS  REASON   SINCE   MESSAGE
Running            True    Running  1m 30s
RoutesFollowSwarm  False   Frozen   -       no quorum

SERVICE  READY  EJECTED  REQ/S  5XX/S  P99     REQUESTS  5XX  ROUTES
web      1/2    0        100.0  0.0    9.9 ms  300       0    web.test/ a.test/ +2

NODE       ADDRESS   ROLE        FOLLOWS           GENERATION
n1 (this)  10.0.0.1  controller  this node         12
n2         -         gateway     this one          11
n3         -         gateway     another, or none  ?
drained by hand: task t9
not known here: the rest
"
    );
}

#[test]
fn rates_of_a_new_service_are_counted_from_zero() {
    let mut before = status(0);
    before.services.clear();
    let rates = rates(&before, &status(10), Duration::from_secs(1));
    assert_eq!(rates["web"].requests, 10.0);
}

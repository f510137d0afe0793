use serde_json::json;

use super::super::paint::Style;
use super::*;

#[test]
fn text_shows_steps_endpoints_outcome_and_unknowns() {
    let explanation: Explanation = serde_json::from_value(json!({
        "request": {"method": "GET", "secure": false, "host": "web.test", "path": "/", "path_and_query": "/?a"},
        "generation": {"epoch": 1, "sequence": 12},
        "steps": [
            {"about": "host", "verdict": "passes", "says": "web.test matches exactly"},
            {"about": "path", "verdict": "note", "says": "passed over: *.test/"},
        ],
        "route": {"host": {"exact": "web.test"}, "path": "/"},
        "services": [{
            "service": "web", "id": "s1", "port": 80, "scheme": "any", "claims": true, "weight": 100,
            "share_percent": 100, "sticky": true, "retries": 2, "probes_disbelieved": false,
            "endpoints": [
                {"task": "t1", "container": "0123456789abcdef", "node": "n1", "address": "10.0.0.1:80",
                 "state": "ready", "place": "next", "reason": "this gateway has ejected it", "ejected_seconds": 7,
                 "probe": "the latest probe passed", "story": {"at": 1_700_000_000_000_u64, "says": "it came"},
                 "requests": {"total": 9, "failed": 1, "broken": 2, "aborted": 3, "in_flight": 4, "waits": 7,
                              "waited_seconds": 0.5, "recent_wait_seconds": 0.0123}},
                {"task": "t2", "container": "f123456789abcdef", "node": "n2", "address": "10.0.0.2:80",
                 "state": "ready", "place": "first", "reason": "in rotation", "ejected_seconds": null,
                 "probe": null, "story": null},
            ],
        }],
        "outcome": {"forwarded": true, "targets": ["10.0.0.2:80"], "status": null, "reason": null,
                    "says": "GET /?a is sent to 10.0.0.2:80"},
        "diagnostics": [],
        "unknown": ["probe results"],
    }))
    .expect("an explanation");
    assert_eq!(
        show(&explanation, Screen::endless(Style::none())),
        "\
GET http://web.test/?a by snapshot 12

 1  host  ok  web.test matches exactly
 2  path  ·   passed over: *.test/

web, port 80: 100 % of the requests, weight 100
  CONTAINER     NODE  ADDRESS      STATE                        PLACE  REASON
  0123456789ab  n1    10.0.0.1:80  ready, ejected for 7 s more  next   this gateway has ejected it
                                                                       the latest probe passed
                                                                       2023-11-14T22:13:20Z it came
                                                                       9 requests here: 1 failed, 2 broken, 3 aborted; 4 in flight; lately answers begin after 12.3 ms
  f123456789ab  n2    10.0.0.2:80  ready                        first  in rotation

=> GET /?a is sent to 10.0.0.2:80
not known here: probe results
"
    );
    assert!(show(&explanation, Screen::endless(Style::all())).contains("\u{1b}[32mok\u{1b}[0m"));
}

//! A path in another spelling meets the same service, guards included, and reaches it as it was meant.

use hiveway::core::model::middleware::Redirect;

use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_path_is_guarded_in_every_spelling() {
    let [open, guarded] = origins([Behaviour::Answer; 2]).await;
    let services = [
        Service::new("open", "web.test").endpoints([&open]),
        Service::new("guarded", "web.test/admin")
            .middleware(|it| it.allow = Some(vec![]))
            .endpoints([&guarded]),
    ];
    let edge = Edge::start(&services).await;
    for (path, status) in [
        ("/admin", 403),
        ("/admin/x?y", 403),
        ("/%61dmin", 403),
        ("/%61%64%6D%69%6e/x", 403),
        ("//admin", 403),
        ("///admin//x", 403),
        ("/./admin", 403),
        ("/x/../admin/x", 403),
        ("/x/y/../../admin", 403),
        ("/x/%2e%2e/admin", 403),
        ("/x/.%2E/admin", 403),
        ("/%2e/admin", 403),
        ("/../admin", 403),
        ("/x//../../admin", 403),
        ("/admin/.", 403),
        ("/admin/x/..", 403),
        ("/admin;x=1", 403),
        ("/admin;/x", 403),
        ("/;x/admin", 403),
        ("http://web.test/x/../admin", 403),
        ("http://web.test//admin", 403),
        // What servers read in different ways, and no honest client sends.
        ("/x/..;/admin", 400),
        ("/..;x=1/admin", 400),
        ("/.;/admin", 400),
        ("/x/..%2Fadmin", 400),
        ("/x%2f..%2fadmin", 400),
        ("/x/..%5cadmin", 400),
        ("/x\\..\\admin", 400),
        ("/\\admin", 400),
        ("/admin%00", 400),
        ("/%", 400),
        ("/%6", 400),
        ("/%u0061dmin", 400),
        ("/%c0%ae%c0%ae/admin", 400),
        // Other paths by any reading that servers share.
        ("/", 200),
        ("/admin/..", 200),
        ("/administrator", 200),
        ("/ADMIN", 200),
        ("/%2561dmin", 200),
        ("/%252e%252e/admin", 200),
        ("/x/admin", 200),
        ("/admin%2Fx", 200),
        ("/?/../admin", 200),
    ] {
        let answer = edge.client().await.get("web.test", path).await;
        let reason = match status {
            403 => Some("not-allowed"),
            400 => Some("bad-request"),
            _ => None,
        };
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.head.one("x-hiveway-reason"), reason, "{path}");
    }
    assert_eq!(guarded.requests(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_gets_the_bytes_without_dot_segments() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    for (number, (path, sent)) in [
        ("/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/%61dmin//x;y=1/%7euser", "/%61dmin//x;y=1/%7euser"),
        ("/caf%c3%a9?%zz&/../", "/caf%c3%a9?%zz&/../"),
        ("/caf\u{e9}", "/caf\u{e9}"),
        ("/x/../%61dmin?a=/../b", "/%61dmin?a=/../b"),
        ("/x/%2e%2E/y/./z/", "/y/z/"),
        ("/..", "/"),
        ("/a/b/..", "/a/"),
        ("/.well-known/x..y/...", "/.well-known/x..y/..."),
        ("/a?", "/a?"),
        ("/x/../a?", "/a?"),
        ("http://web.test/x/../y?z", "/y?z"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(client.get("web.test", path).await.status, 200, "{path}");
        let head = task.received(number + 1).await.remove(number).head;
        assert_eq!(head.first, format!("GET {sent} HTTP/1.1"), "{path}");
        assert_eq!(head.one("host"), Some("web.test"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_is_cut_off_in_every_spelling() {
    let [task] = origins([Behaviour::Answer]).await;
    let moved = |it: &mut hiveway::core::model::middleware::Middleware| {
        it.redirect = Some(Redirect {
            status: 308,
            target: "https://new.test".into(),
        });
    };
    let services = [
        Service::new("api", "web.test/api/v1").endpoints([&task]),
        Service::new("old", "web.test/old").middleware(moved),
    ];
    let services = services.map(|it| it.policy(|policy| policy.strip_prefix = true));
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    for (number, (path, sent)) in [
        ("/%61pi/v1/x%2fy", "/x%2fy"),
        ("//api///%761//x", "//x"),
        ("/y/../api/./v1/x?y", "/x?y"),
        ("/api;a=1/v1;b", "/"),
        ("/api;a=1/v1;b/x;c?d", "/x;c?d"),
        ("/;a/api/v1", "/"),
        ("//api/v1?x", "/?x"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(client.get("web.test", path).await.status, 200, "{path}");
        let head = task.received(number + 1).await.remove(number).head;
        assert_eq!(head.first, format!("GET {sent} HTTP/1.1"), "{path}");
        assert_eq!(head.one("x-forwarded-prefix"), Some("/api/v1"), "{path}");
    }
    for (path, location) in [
        ("/old/x", "https://new.test/x"),
        ("/%6fld/x", "https://new.test/x"),
        ("/a/..//old;a/x?b", "https://new.test/x?b"),
    ] {
        let answer = client.get("web.test", path).await;
        answer.assert_refused(308, "redirect");
        assert_eq!(answer.head.one("location"), Some(location), "{path}");
    }
}

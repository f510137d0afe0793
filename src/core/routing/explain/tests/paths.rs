//! Paths in other spellings are explained as the gateway takes them.

use super::*;

#[test]
fn a_path_is_explained_by_its_normal_form() {
    let snapshot = of(&[
        ("web", "web.test/", &[Ready]),
        ("admin", "web.test/admin", &[Ready]),
    ]);
    let known = Known::default();
    for (path, route, told) in [
        ("/admin", "/admin", None),
        (
            "/%61dmin?x",
            "/admin",
            Some("/%61dmin is matched as /admin"),
        ),
        (
            "//admin/x",
            "/admin",
            Some("//admin/x is matched as /admin/x"),
        ),
        (
            "/x/../%61dmin?y",
            "/admin",
            Some("/x/../%61dmin is matched as /admin, and sent as /%61dmin"),
        ),
        (
            "/admin/..",
            "/",
            Some("/admin/.. is matched as /, and sent as /"),
        ),
        (
            "/admin;a=1",
            "/admin",
            Some("/admin;a=1 is matched as /admin"),
        ),
    ] {
        let explanation = ask(&format!("web.test{path}"), &snapshot, &known);
        let found = explanation.route.as_ref().map(|key| &*key.path.0);
        assert_eq!(found, Some(route), "{path}");
        let steps = says(&explanation);
        let expected = told.map(|told| format!(". path: {told}"));
        let first = steps.iter().find(|step| step.contains(" is matched as "));
        assert_eq!(first, expected.as_ref(), "{path}");
        assert_eq!(explanation.request.path_and_query, path, "as it was asked");
    }
    let sent = ask("web.test/x/../%61dmin?y", &snapshot, &known).outcome;
    assert!(sent.says.contains("GET /%61dmin?y with"), "{}", sent.says);
}

#[test]
fn a_path_that_servers_read_in_different_ways_is_refused() {
    let snapshot = of(&[("web", "web.test/", &[Ready])]);
    for path in ["/x/..;/admin", "/%00", "/a%2", "/..%2fadmin"] {
        let explanation = ask(&format!("web.test{path}"), &snapshot, &Known::default());
        let outcome = explanation.outcome;
        let told = (outcome.status, outcome.reason.as_deref());
        assert_eq!(told, (Some(400), Some("bad-request")), "{path}");
    }
}

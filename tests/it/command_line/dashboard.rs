//! The dashboard in a real browser, a Chromium, beside a real process.

mod browser;
mod pictures;

use std::time::Duration;

use serde_json::{Value, json};

use self::browser::{FAINT, Page};
use super::scene::{Scene, Server, container};
use crate::bounded::bounded;

/// Far above what a page takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon what has happened must be seen.
const SOON: Duration = Duration::from_secs(2);

/// State, shape, colour and words of a service's first endpoint.
fn endpoint(service: &str) -> String {
    format!(
        "(() => {{
            const it = document.querySelector('[data-task=\"{service}.{}\"]');
            if (!it) return null;
            const mark = it.querySelector('.mark');
            return {{
                state: it.dataset.state, shape: mark.innerHTML, words: it.textContent,
                colour: getComputedStyle(mark).color.match(/\\d+/g).map(Number),
            }};
        }})()",
        container(service)
    )
}

fn url(scene: &Scene) -> String {
    format!("http://{}/dashboard", scene.admin)
}

/// Checks that the page was quiet and asked nobody but the instance.
fn assert_alone(page: &Page, scene: &Scene) {
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
    let own = format!("http://{}/", scene.admin);
    let asked = page.asked();
    assert!(asked.len() > 8, "{asked:?}");
    let others: Vec<_> = asked.iter().filter(|it| !it.starts_with(&own)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
#[ignore = "needs a browser: make test"]
async fn failed_probe_turns_its_endpoint_red_within_two_seconds() {
    let program = browser::program().await;
    let (shop, api) = (Server::start(2).await, Server::start(3).await);
    let scene = Scene::start(&[
        shop.service(
            "shop",
            "shop.local",
            &[
                ("hiveway.routing.wieght", "3"),
                ("hiveway.routing.rate_limit", "5000"),
                ("hiveway.routing.allow_cidrs", "127.0.0.0/8"),
            ],
        ),
        api.service("api", "api.example.com/v1", &[]),
    ])
    .await;
    assert_eq!(scene.ask("shop.local").await, 200);
    let mut page = Page::open(program, "light", &url(&scene)).await;
    let state = |service: &str| format!("{}?.state", endpoint(service));
    page.becomes(PATIENCE, &state("shop"), &json!("ready"))
        .await;
    page.becomes(PATIENCE, &state("api"), &json!("ready")).await;
    let healthy = page.value(&endpoint("shop")).await;

    // The keyboard opens what there is to be opened, and stays where it is when the row is drawn anew.
    let row = "document.querySelector('[data-service=shop]')";
    page.value(&format!("{row}.querySelector('summary').focus()"))
        .await;
    page.press("Enter", 13, "\r").await;
    let opened =
        format!("{row}.querySelector('details').open && {row}.querySelectorAll('tbody tr').length");
    page.becomes(PATIENCE, &opened, &json!(1)).await;

    // Settings are words, and the probe is among them.
    let facts = format!("{row}.querySelector('dl').textContent");
    for words in [
        "clients from 127.0.0.0/8",
        "5000 requests a second of one client",
        "GET http://container:",
    ] {
        let told = format!("{facts}.includes({})", json!(words));
        page.becomes(PATIENCE, &told, &json!(true)).await;
    }
    assert!(!page.value(&facts).await.to_string().contains("{"));

    // What the gateway answers itself is counted by host.
    assert_eq!(scene.ask("nobody.test").await, 404);
    let missed = "document.getElementById('misses').textContent.includes('nobody.test10')";
    page.becomes(PATIENCE, missed, &json!(true)).await;

    shop.says(500);
    bounded(async { while !scene.told("/events").await.contains("\"endpoint_failed\"") {} }).await;
    page.becomes(SOON, &state("shop"), &json!("failing")).await;
    let failing = page.value(&endpoint("shop")).await;
    let colour: Vec<i64> = serde_json::from_value(failing["colour"].clone()).expect("a colour");
    assert!(
        colour[0] > 150 && colour[0] > 2 * colour[1] && colour[0] > 2 * colour[2],
        "{failing}"
    );
    assert_ne!(failing["shape"], healthy["shape"]);
    assert!(
        failing["words"]
            .as_str()
            .is_some_and(|it| it.contains("failing")),
        "{failing}"
    );
    assert_eq!(page.value(&endpoint("api")).await["state"], "ready");
    let stays = format!(
        "document.activeElement === {row}.querySelector('summary') && {row}.querySelector('details').open"
    );
    page.becomes(PATIENCE, &stays, &json!(true)).await;
    let spoken = "document.getElementById('announcement').textContent";
    page.becomes(
        PATIENCE,
        &format!("{spoken}.includes('failed its probes')"),
        &json!(true),
    )
    .await;

    shop.says(200);
    page.becomes(PATIENCE, &state("shop"), &json!("ready"))
        .await;
    assert_eq!(
        page.value(&endpoint("shop")).await["shape"],
        healthy["shape"]
    );

    // The timeline tells it, and the label that is wrong.
    page.becomes(
        PATIENCE,
        "document.querySelectorAll('#events [data-kind=endpoint_failed]').length",
        &json!(1),
    )
    .await;
    let labels = "document.getElementById('labels').textContent";
    page.becomes(
        PATIENCE,
        &format!("{labels}.includes('routing.wieght') && {labels}.includes('routing.weight')"),
        &json!(true),
    )
    .await;
    let nothing_older =
        "document.getElementById('labels-note').textContent.startsWith('1 complaint;')";
    page.becomes(PATIENCE, nothing_older, &json!(true)).await;
    // The figures have been read twice, and a request seen between.
    let asked = "parseFloat(document.querySelector('[data-service=api] .figures').textContent) > 0";
    let requests = async {
        while page.value(asked).await != json!(true) {
            assert_eq!(scene.ask("api.example.com/v1").await, 200);
        }
    };
    bounded(requests).await;
    page.becomes(
        PATIENCE,
        "document.getElementById('readiness').textContent",
        &json!("ready"),
    )
    .await;
    page.becomes(
        PATIENCE,
        "document.getElementById('stream').textContent",
        &json!("live"),
    )
    .await;
    assert_alone(&page, &scene);
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test"]
async fn a_service_whose_requests_fail_stands_first() {
    let program = browser::program().await;
    let (well, fails) = (Server::start(2).await, Server::start(3).await);
    fails.says(500);
    let unprobed = [("hiveway.probe.url", "none")];
    let mut down = well.service("m-down", "down.local", &unprobed);
    down["tasks"] = json!([]);
    let scene = Scene::start(&[
        well.service("a-well", "well.local", &unprobed),
        down,
        fails.service("z-fails", "fails.local", &unprobed),
    ])
    .await;
    let mut page = Page::open(program, "light", &url(&scene)).await;
    let order = "[...document.querySelectorAll('.service')].map((it) => it.dataset.service).join()";
    page.becomes(PATIENCE, order, &json!("m-down,a-well,z-fails"))
        .await;
    // The figures are read again and again, and requests seen between.
    let asking = async |page: &mut Page, wanted: &str, hosts: &[(&str, u16)]| {
        let wanted = format!("{order} === {}", json!(wanted));
        bounded(async {
            while page.value(&wanted).await != json!(true) {
                for (host, status) in hosts {
                    assert_eq!(scene.ask(host).await, *status);
                }
            }
        })
        .await;
    };
    let hosts = [("well.local", 200), ("fails.local", 500)];
    asking(&mut page, "z-fails,m-down,a-well", &hosts).await;
    // What the gateway answers for a service that is down is an error of that service.
    let hosts = [("down.local", 503), ("down.local", 503)];
    asking(&mut page, "m-down,z-fails,a-well", &hosts).await;

    let waits = "document.querySelector('[data-service=a-well] [data-figure=brief]').textContent";
    page.becomes(
        PATIENCE,
        &format!("/^ · [0-9.]+ m?s$/.test({waits})"),
        &json!(true),
    )
    .await;
    let row = "document.querySelector('[data-service=z-fails]')";
    page.value(&format!("{row}.querySelector('details').open = true"))
        .await;
    let errors = format!("{row}.querySelector('[data-figure=errors]')?.textContent");
    page.becomes(
        PATIENCE,
        &format!("/^[0-9.]+\\/s$/.test({errors})"),
        &json!(true),
    )
    .await;
    assert_alone(&page, &scene);
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test"]
async fn the_page_can_be_read_by_light_by_dark_and_by_ear() {
    let program = browser::program().await;
    let (shop, dead) = (Server::start(2).await, Server::start(3).await);
    dead.says(503);
    let scene = Scene::start(&[
        shop.service("shop", "shop.local", &[("hiveway.probe.fall", "many")]),
        dead.service("dead", "dead.local", &[]),
    ])
    .await;
    for scheme in ["light", "dark"] {
        let mut page = Page::open(program, scheme, &url(&scene)).await;
        let drawn = "document.querySelectorAll('.service').length + document.querySelectorAll('#labels li').length";
        page.becomes(PATIENCE, drawn, &json!(3)).await;
        page.becomes(
            PATIENCE,
            "document.querySelectorAll('#conditions li time').length > 0",
            &json!(true),
        )
        .await;
        page.value("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
            .await;
        page.becomes(
            PATIENCE,
            "document.querySelectorAll('.service table').length",
            &json!(2),
        )
        .await;

        // On a telephone nothing is beside the window: a wide table scrolls by itself.
        page.resize(400, 800).await;
        let beside = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        page.becomes(PATIENCE, beside, &json!(0)).await;
        page.resize(1280, 900).await;

        let ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)";
        let ground: Vec<i64> = serde_json::from_value(page.value(ground).await).expect("a colour");
        let expected = if scheme == "dark" { 0..60 } else { 200..256 };
        assert!(
            ground.iter().all(|it| expected.contains(it)),
            "{scheme}: {ground:?}"
        );
        assert_eq!(page.value(FAINT).await, json!([]), "{scheme}");

        let accessible = page.accessible().await;
        for role in [
            "searchbox",
            "combobox",
            "region",
            "image",
            "table",
            "list",
            "status",
            "main",
            "banner",
        ] {
            assert!(
                accessible.iter().any(|(it, _)| it == role),
                "no {role} in {accessible:?}"
            );
        }
        let named = [
            "searchbox",
            "combobox",
            "button",
            "link",
            "region",
            "image",
            "table",
            "columnheader",
            "heading",
            "DisclosureTriangle",
        ];
        let nameless: Vec<_> = accessible
            .iter()
            .filter(|(role, name)| named.contains(&role.as_str()) && name.is_empty())
            .collect();
        assert!(nameless.is_empty(), "{nameless:?}");
        let told = |words: &str| accessible.iter().any(|(_, name)| name.contains(words));
        assert!(
            told("Endpoints of dead") && told("unproven") && told("has never passed its probe"),
            "{accessible:?}"
        );
        assert_alone(&page, &scene);
    }
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test"]
async fn hundreds_of_services_are_found_and_labels_stay_text() {
    const SERVICES: usize = 600;
    let program = browser::program().await;
    let hostile = "<img id=injected src=x onerror=alert(1)>\"'";
    let service = |name: &str, host: &str, label: &str| -> Value {
        json!({
            "name": name,
            "labels": {
                "hiveway.routing.port_80": host, "hiveway.probe.url": "none", "hiveway.routing.weight": label,
            },
            "tasks": [{ "container": container(name), "address": "127.0.0.9" }],
        })
    };
    let mut services: Vec<_> = (0..SERVICES)
        .map(|it| service(&format!("svc-{it}"), &format!("host-{it}.example.com"), "5"))
        .collect();
    services.push(service(hostile, "hostile.local", hostile));
    let scene = Scene::start(&services).await;
    let mut page = Page::open(program, "dark", &url(&scene)).await;
    let count = "document.querySelectorAll('.service').length";
    page.becomes(PATIENCE, count, &json!(40)).await;
    page.value("document.getElementById('more-services').click()")
        .await;
    page.becomes(PATIENCE, count, &json!(80)).await;
    let filter = async |page: &mut Page, text: &str| {
        let text = json!(text);
        page.value(&format!(
            "(() => {{ const it = document.getElementById('filter'); it.value = {text}; it.dispatchEvent(new Event('input')); }})()"
        ))
        .await;
    };
    filter(&mut page, "HOST-599.").await;
    page.becomes(SOON, count, &json!(1)).await;
    let name = "document.querySelector('.service h3').textContent";
    assert_eq!(page.value(name).await, "svc-599");

    filter(&mut page, "hostile.local").await;
    page.becomes(SOON, name, &json!(hostile)).await;
    filter(&mut page, "").await;
    let complaint = "document.querySelector('#labels li').textContent";
    page.becomes(
        PATIENCE,
        &format!("{complaint}.includes({})", json!(hostile)),
        &json!(true),
    )
    .await;
    assert_eq!(
        page.value("document.getElementById('injected')").await,
        Value::Null
    );
    assert_alone(&page, &scene);
    scene.end().await;
}

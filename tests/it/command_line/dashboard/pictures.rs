//! The pictures of the README, which are drawn on demand.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::scene::{Scene, Server, container};
use super::browser::{self, Page};
use super::url;

/// Draws the pictures of the README into the folder that HIVEWAY_PICTURES names, with half a minute of traffic in them.
#[tokio::test]
#[ignore = "draws the pictures of the README"]
async fn pictures_for_the_readme() {
    let folder = std::env::var("HIVEWAY_PICTURES").expect("the folder to draw into");
    let program = browser::program().await;
    let mut shops = vec![Server::start(2).await];
    for last in 3..6 {
        shops.push(Server::start_at(last, shops[0].address.port()).await);
    }
    let (api, rest) = (Server::start(7).await, Server::start(8).await);
    let mut shop = shops[0].service(
        "shop",
        "shop.local; shop.example.com; *.shop.example.com",
        &[],
    );
    for (number, server) in (2..).zip(&shops[1..]) {
        let task = json!({ "container": container(&format!("{number}shop")), "address": server.address.ip() });
        shop["tasks"].as_array_mut().expect("a list").push(task);
    }
    let scene = Scene::start(&[
        rest.service("restserver", "restserver.local", &[]),
        shop,
        api.service(
            "api",
            "api.example.com/v1; api.example.com/v2",
            &[("hiveway.routing.wieght", "30")],
        ),
    ])
    .await;
    for scheme in ["light", "dark"] {
        shops[2].says(200);
        let mut page = Page::open(program, scheme, &url(&scene)).await;
        let began = Instant::now();
        let mut turn = 0_u32;
        while began.elapsed() < Duration::from_secs(40) {
            turn += 1;
            for _ in 0..1 + turn / 30 % 5 {
                scene.ask("restserver.local").await;
                scene.ask("shop.local").await;
            }
            scene.ask("api.example.com/v1").await;
            if began.elapsed() > Duration::from_secs(34) {
                shops[2].says(500);
            }
            page.value("new Promise((done) => setTimeout(done, 60))")
                .await;
        }
        let path = Path::new(&folder).join(format!("dashboard-{scheme}.webp.base64"));
        std::fs::write(path, page.picture().await).expect("a writable folder");
    }
}

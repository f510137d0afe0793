//! `/dashboard`: a page for a browser that shows what the other paths tell, and follows it.
//!
//! # Design notes
//!
//! The page and all that it loads are in the binary, and its policy lets it load and ask nothing else, so that it works where
//! no other network is reached. What services' owners have written, such as host names and labels, gets into it as text
//! only, and the policy would run no script of theirs. It asks by relative paths, so that it also works below a path of a
//! proxy's.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing but what this listener itself serves is loaded or asked, nothing written in the page is run, and no other page can
/// frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("dashboard/page.html");

/// What the page loads: path, media type and text.
const PARTS: [(&str, &str, &str); 11] = [
    (
        "/dashboard/page.css",
        STYLE,
        include_str!("dashboard/page.css"),
    ),
    (
        "/dashboard/page.js",
        SCRIPT,
        include_str!("dashboard/page.js"),
    ),
    (
        "/dashboard/dom.js",
        SCRIPT,
        include_str!("dashboard/dom.js"),
    ),
    (
        "/dashboard/figures.js",
        SCRIPT,
        include_str!("dashboard/figures.js"),
    ),
    (
        "/dashboard/marks.js",
        SCRIPT,
        include_str!("dashboard/marks.js"),
    ),
    (
        "/dashboard/served.js",
        SCRIPT,
        include_str!("dashboard/served.js"),
    ),
    (
        "/dashboard/standing.js",
        SCRIPT,
        include_str!("dashboard/standing.js"),
    ),
    (
        "/dashboard/story.js",
        SCRIPT,
        include_str!("dashboard/story.js"),
    ),
    (
        "/dashboard/topology.js",
        SCRIPT,
        include_str!("dashboard/topology.js"),
    ),
    (
        "/dashboard/words.js",
        SCRIPT,
        include_str!("dashboard/words.js"),
    ),
    (
        "/dashboard/icon.svg",
        "image/svg+xml",
        include_str!("dashboard/icon.svg"),
    ),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page and its parts.
pub(super) fn router() -> Router {
    let page = || async { answer("text/html; charset=utf-8", PAGE) };
    PARTS.iter().fold(
        Router::new().route("/dashboard", get(page)),
        |router, &(path, kind, text)| {
            router.route(path, get(move || async move { answer(kind, text) }))
        },
    )
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

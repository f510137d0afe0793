//! The rules of the architecture, checked over the sources.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every Rust file under `src`, `deploy` and `tests`: its path from the top, and its text.
pub(crate) fn files() -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "deploy", "tests"].map(|it| top.join(it)).into();
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let name = path.strip_prefix(top).expect("below the top");
                files.insert(name.to_str().expect("a plain name").to_owned(), text);
            }
        }
    }
    assert!(files.len() > 50, "only {} files found", files.len());
    files
}

/// A file's text without comments and without what stands in quotes; its lines keep their numbers.
pub(crate) fn code(text: &str) -> String {
    code_and(text, |_| ())
}

/// Returns a file's code like [`code`], and passes each comment and each literal on.
pub(crate) fn code_and<'a>(text: &'a str, mut prose: impl FnMut(&'a str)) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if next == '"' {
            quoted(rest)
        } else if rest.starts_with("'\\") {
            // A character such as '\'' or '\u{b}'.
            rest[3..].find('\'').map_or(rest.len(), |end| end + 4)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        prose(&rest[..skipped]);
        code.extend(rest[..skipped].matches('\n'));
        rest = &rest[skipped..];
    }
    code
}

/// The length of the string literal that a text begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(place, _)| place + 1)
}

/// Whether the code of a line uses a crate or a module of this name as the beginning of a path.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(place, _)| {
        let before = code[..place].chars().next_back();
        let after = &code[place + name.len()..];
        !before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':')
            && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

/// The layer of a file of `src`: its first component, without the extension.
fn layer(file: &str) -> Option<&str> {
    let inside = file.strip_prefix("src/")?;
    inside.split(['/', '.']).next()
}

fn complain(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// The lines of code that break a rule.
fn breaking(breaks: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in files() {
        for (number, line) in (1..).zip(code(&text).lines()) {
            if breaks(&file, line) {
                broken.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    broken
}

/// The rooms at the top of the crate that a file's code names, tests included.
fn rooms(text: &str) -> BTreeSet<String> {
    let paths = imports::paths(&code(text)).into_iter();
    let own = paths.filter(|path| path[0] == "crate");
    own.filter_map(|path| path.into_iter().nth(1)).collect()
}

#[test]
fn the_core_imports_only_the_core() {
    let mut broken = Vec::new();
    for (file, text) in files() {
        let others = rooms(&text).into_iter().filter(|it| it != "core");
        if layer(&file) == Some("core") {
            broken.extend(others.map(|room| format!("{file}: {room}")));
        }
    }
    complain(&broken, "core imports only core");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = files().into_iter().map(|(file, text)| (file, code(&text)));
    let imports = imports::between(&sources.collect());
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 500, "only {count} imports found");
    let tied = imports::circles(imports).into_iter();
    let tied: Vec<_> = tied
        .map(|(file, targets)| format!("{file}: {targets:?}"))
        .collect();
    complain(&tied, "files do not import each other in a circle");
}

#[test]
fn the_core_knows_neither_clock_nor_randomness_nor_the_world() {
    const FORBIDDEN: [&str; 22] = [
        "tokio",
        "tokio_util",
        "futures_util",
        "bollard",
        "pingora",
        "hyper",
        "axum",
        "prometheus",
        "tracing",
        "log",
        "clap",
        "anyhow",
        "std::env",
        "std::fs",
        "std::io",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::net::UdpSocket",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
    ];
    let broken = breaking(|file, line| {
        layer(file) == Some("core")
            && (FORBIDDEN.iter().any(|it| names(line, it))
                || [
                    "Instant::now",
                    "SystemTime::now",
                    "async fn",
                    "async move",
                    ".await",
                    "println!",
                ]
                .iter()
                .any(|it| code(line).contains(it)))
    });
    complain(&broken, "core is pure: time and randomness are arguments");
}

#[test]
fn controller_gateway_and_agent_never_import_each_other() {
    const ROLES: [&str; 3] = ["controller", "gateway", "agent"];
    let mut broken = Vec::new();
    for (file, text) in files() {
        let Some(own) = layer(&file).filter(|it| ROLES.contains(it)) else {
            continue;
        };
        let others = rooms(&text).into_iter();
        let others = others.filter(|it| ROLES.contains(&&**it) && it != own);
        broken.extend(others.map(|room| format!("{file}: {room}")));
    }
    complain(&broken, "roles meet in core only");
}

#[test]
fn a_crate_is_named_only_where_it_belongs() {
    let bollard = |file: &str| file == "src/docker.rs" || file.starts_with("src/docker/");
    let pingora = |file: &str| {
        file == "src/gateway.rs" || file.starts_with("src/gateway/") || file == "src/docker/tls.rs"
    };
    let hickory = |file: &str| file == "src/dns.rs" || file.starts_with("src/dns/");
    let clap = |file: &str| file == "src/cli.rs" || file.starts_with("src/cli/");
    let acme = |file: &str| file.starts_with("src/controller/acme/");
    let yaml = |file: &str| file.starts_with("src/tools/check/yaml");
    let snippets = |file: &str| file == "src/tools/check/format/human.rs";
    let broken = breaking(|file, line| {
        file.starts_with("src/")
            && (names(line, "bollard") && !bollard(file)
                || names(line, "granit_parser") && !yaml(file)
                || names(line, "annotate_snippets") && !snippets(file)
                || names(line, "pingora") && !pingora(file)
                || names(line, "hickory_server") && !hickory(file)
                || names(line, "instant_acme") && !acme(file)
                || names(line, "clap") && !clap(file))
    });
    complain(&broken, "each foreign crate has its place");
    // The rule sees them where they are.
    let seen = breaking(|file, line| file.starts_with("src/") && names(line, "pingora"));
    assert!(seen.len() > 10, "{seen:?}");
}

#[test]
fn files_are_short_and_named_after_what_they_hold() {
    const VAGUE: [&str; 8] = [
        "util", "utils", "common", "helper", "helpers", "misc", "shared", "mod",
    ];
    let mut broken = Vec::new();
    for (file, text) in files() {
        let lines = text.lines().count();
        if lines >= 400 {
            broken.push(format!("{file}: {lines} lines"));
        }
        let mut parts = file.trim_end_matches(".rs").split('/');
        if parts.any(|part| VAGUE.contains(&part)) {
            broken.push(format!("{file}: says nothing about what it holds"));
        }
    }
    complain(&broken, "files stay under 400 lines and have names");
}

#[test]
fn every_file_opens_with_its_responsibility() {
    let mut broken = Vec::new();
    for (file, text) in files() {
        let tests = file.ends_with("/tests.rs");
        let opens = text.starts_with("//! ");
        if !opens && !tests {
            broken.push(file);
        }
    }
    complain(&broken, "the first line says what a file is for");
}

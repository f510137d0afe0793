//! `hiveway check`: what it says of stack files, for people and programs, and how it ends.

mod corpus;
mod hostile;

use std::path::Path;

use super::process::{self, Ended, hiveway, run_with_input};
use crate::folder::Folder;

/// A file with a mistake of every kind that people make.
const SHOP: &str = r#"x-routing: &routing
  hiveway.routing.weight: "110"
services:
  web:
    image: nginx:${TAG}
    networks: [mesh]
    deploy:
      labels:
        <<: *routing
        hiveway.routing.port_80: "shop.example.com; 10.0.0.1"
        hiveway.routing.prot_443: https://shop.example.com
        hiveway.routing.session_sticky: false
  api:
    image: api
    stop_grace_period: 5s
    networks: [mesh]
    labels:
      - "aliyun.routing.port_8080=shop.example.com/api;shop.example.com"
      - "aliyun.scale=2"
    deploy:
      replicas: 3
  lost:
    image: lost
    deploy:
      labels: { hiveway.routing.port_80: lost.local, hiveway.probe.url: none }
networks:
  mesh:
"#;

/// One with nothing worse than what should be known.
const NOTICED: &str = "services:
  web:
    networks: [mesh]
    deploy:
      replicas: 2
      labels: { hiveway.routing.port_80: a.example }
    image: nginx
networks: { mesh: { external: true } }
";

/// What it says, with the names of files as the user would have written them.
async fn said(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut words = vec!["check".to_owned()];
    words.extend(arguments.iter().map(|word| match word.ends_with(".yml") {
        true => folder.file(word),
        false => (*word).to_owned(),
    }));
    let mut ended = hiveway(words).await;
    let folder = format!("{}/", folder.path().display());
    ended.stdout = ended.stdout.replace(&folder, "");
    ended.stderr = ended.stderr.replace(&folder, "");
    ended
}

#[tokio::test]
async fn people_see_each_finding_with_its_lines_and_what_to_do() {
    let folder = Folder::with("shop.yml", SHOP);
    let ended = said(&folder, &["shop.yml"]).await;
    assert_eq!((ended.code, &*ended.stderr), (1, ""));
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "colours are for terminals"
    );
    insta::assert_snapshot!(ended.stdout);
}

#[tokio::test]
async fn programs_get_one_json_document() {
    let folder = Folder::with("shop.yml", SHOP);
    let ended = said(&folder, &["--format=json", "shop.yml"]).await;
    assert_eq!((ended.code, &*ended.stderr), (1, ""));
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let findings = document["findings"].as_array().expect("a list");
    for finding in findings {
        assert_eq!(finding["file"], "shop.yml");
    }
    let count = |level| findings.iter().filter(|it| it["level"] == level).count();
    assert_eq!(document["errors"], count("error"));
    assert_eq!(document["warnings"], count("warn"));
    assert_eq!(document["notices"], count("notice"));
    insta::assert_json_snapshot!(findings[0]);
}

#[tokio::test]
async fn github_gets_a_workflow_command_for_each() {
    let folder = Folder::with("shop.yml", SHOP);
    let ended = said(&folder, &["--format", "github", "shop.yml"]).await;
    assert_eq!((ended.code, &*ended.stderr), (1, ""));
    insta::assert_snapshot!(ended.stdout);
}

#[tokio::test]
async fn only_errors_fail_and_with_strict_warnings_too() {
    let warned = NOTICED.replace("image: nginx", "image: nginx:${NOPE}");
    let wrong = NOTICED.replace("a.example", "10.0.0.1");
    for (text, code, strict) in [(NOTICED, 0, 0), (&warned, 0, 1), (&wrong, 1, 1), ("", 1, 1)] {
        let folder = Folder::with("a.yml", text);
        let ended = said(&folder, &["a.yml"]).await;
        assert_eq!(ended.code, code, "{ended:?}");
        let ended = said(&folder, &["a.yml", "--strict"]).await;
        assert_eq!(ended.code, strict, "{ended:?}");
    }
}

#[tokio::test]
async fn minor_findings_are_hidden_unless_they_fail_the_check() {
    let warned = NOTICED.replace("image: nginx", "image: nginx:${NOPE}");
    let folder = Folder::with("a.yml", &warned);
    for (arguments, expected) in [
        (&["--severity=notice"][..], (0, true, true)),
        (&["--severity=warn"], (0, false, true)),
        (&["--severity=error"], (0, false, false)),
        (&["--severity=error", "--strict"], (1, false, true)),
    ] {
        let ended = said(&folder, &[&["a.yml"], arguments].concat()).await;
        let told = |level: &str| ended.stdout.contains(&format!("{level}: "));
        let found = (ended.code, told("notice"), told("warning"));
        assert_eq!(found, expected, "{ended:?}");
    }
}

#[tokio::test]
async fn a_command_line_that_is_wrong_is_told_in_one_line() {
    let folder = Folder::with("a.yml", NOTICED);
    for (arguments, code, told) in [
        (vec![], 64, "<FILE>"),
        (vec!["a.yml", "--formt", "json"], 64, "'--format'"),
        (vec!["a.yml", "--format", "xml"], 64, "human, json, github"),
        (
            vec!["a.yml", "missing.yml"],
            64,
            "missing.yml: No such file",
        ),
        (vec!["/"], 64, "cannot read /"),
    ] {
        let ended = said(&folder, &arguments).await;
        let line = ended.assert_one_line(code);
        assert!(line.contains(told), "{told}: {line}");
    }
    let help = hiveway(["check", "--help"]).await.stdout;
    for told in ["--strict", "--stack", "HIVEWAY_NETWORK", "64"] {
        assert!(help.contains(told), "{told}: {help}");
    }
}

#[tokio::test]
async fn standard_input_is_read_too() {
    let ended = run_with_input(["check", "-"], NOTICED.as_bytes()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("<stdin>:6:17"), "{}", ended.stdout);
    let ended = run_with_input(["check", "--format=json", "-"], b"services: [").await;
    assert_eq!(ended.code, 1, "{ended:?}");
}

#[tokio::test]
async fn several_files_make_one_stack_with_the_environment() {
    let folder = Folder::with("base.yml", &NOTICED.replace("a.example", "\"${HOST:?}\""));
    let above = "services: { web: { deploy: { labels: { hiveway.probe.url: none } } } }\n";
    std::fs::write(folder.file("above.yml"), above).expect("a writable file");
    let files = [
        "check".into(),
        folder.file("base.yml"),
        folder.file("above.yml"),
    ];
    let ended = process::run(files.clone(), [("HOST", "a.example".to_owned())]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("nothing to complain of (1 service, 1 with routes)"),
        "{}",
        ended.stdout
    );
    let ended = process::run(files, []).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("requires the variable HOST"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn the_files_of_this_repository_are_in_order() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(top.join("deploy")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "yml") {
            files.push(path.to_str().expect("a plain name").to_owned());
        }
    }
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let ended = hiveway(["check", "--strict", &*file]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.stdout.contains("nothing to complain of"),
            "{}",
            ended.stdout
        );
    }
}

/// What the README shows is what people copy.
#[tokio::test]
async fn the_example_of_the_readme_is_in_order() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, rest) = readme.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let ended = run_with_input(["check", "--strict", "-"], example.as_bytes()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let told = "<stdin>: nothing to complain of (2 services, 1 with routes)\n";
    assert_eq!(ended.stdout, told);
}

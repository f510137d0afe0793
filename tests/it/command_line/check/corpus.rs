//! Stack files that `docker stack` takes or refuses: `hiveway check` has the same mind.
//!
//! The file has the verdicts of Docker 28; where such a Docker is installed, they are compared with it.

use std::process::{Command, Stdio};

use hiveway::core::model::route::Level;
use hiveway::tools::check::{Options, Source, check, command};

use crate::folder::Folder;

/// What Docker does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// `docker stack config` refuses it.
    Refused,
    /// It takes it, and `docker stack deploy` refuses it, or deploys nothing.
    Undeployable,
    Taken,
}

struct Case {
    verdict: Verdict,
    /// A part of the message of `hiveway check`.
    told: &'static str,
    text: &'static str,
}

fn cases() -> Vec<Case> {
    let mut parts = include_str!("corpus.txt").split("### ");
    assert_eq!(parts.next(), Some(""));
    let cases = parts.map(|part| {
        let (head, text) = part.split_once('\n').expect("a head");
        let (verdict, told) = head.split_once(" | ").unwrap_or((head, ""));
        let verdict = match verdict {
            "refused" => Verdict::Refused,
            "undeployable" => Verdict::Undeployable,
            "taken" => Verdict::Taken,
            other => panic!("{other}"),
        };
        assert_eq!(told.is_empty(), verdict == Verdict::Taken, "{head}");
        Case {
            verdict,
            told,
            text,
        }
    });
    cases.collect()
}

#[test]
fn what_docker_refuses_is_an_error_and_nothing_else_is() {
    let options = Options {
        networks: vec!["mesh".into()],
        files: Some(command::files(&[])),
        ..Options::default()
    };
    let mut wrong = Vec::new();
    for Case {
        verdict,
        told,
        text,
    } in cases()
    {
        let findings = check(&[Source::new("stack.yml", text.into())], &options).findings;
        let errors = findings.iter().filter(|it| it.level == Level::Error);
        let errors: Vec<_> = errors.map(|it| &*it.message).collect();
        let as_expected = match verdict {
            Verdict::Taken => errors.is_empty(),
            // One error, and nothing that follows from it.
            Verdict::Refused | Verdict::Undeployable => {
                errors.len() == 1 && errors[0].contains(told)
            }
        };
        if !as_expected {
            wrong.push(format!("{verdict:?} {told}\n{text}{errors:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `docker stack config` came with Docker 25.
fn is_installed() -> bool {
    let docker = Command::new("docker")
        .args(["stack", "config", "--help"])
        .stdin(Stdio::null())
        .output();
    docker.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("stack config"))
}

#[test]
fn docker_does_what_the_corpus_says() {
    if !is_installed() {
        eprintln!("not compared: this Docker has no `stack config`, or there is none");
        return;
    }
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for Case { verdict, text, .. } in cases() {
        std::fs::write(folder.file("stack.yml"), text).expect("a writable file");
        let docker = Command::new("docker")
            .args(["stack", "config", "-c", "stack.yml"])
            .current_dir(folder.path())
            .env_remove("N")
            .env_remove("TTY")
            .env_remove("INIT")
            .output()
            .expect("it is installed");
        if docker.status.success() != (verdict != Verdict::Refused) {
            let told = String::from_utf8_lossy(&docker.stderr);
            wrong.push(format!("{verdict:?}\n{text}{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

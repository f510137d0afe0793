//! What some tests need of the machine beyond a compiler, and that `make test` runs every one of them.
//!
//! Such a test is ignored with a reason, so that a test runner lists it as not run. `deploy/build/test.sh` runs it by its
//! module's name with `--ignored` where the need can be met; with CI=true every need must be met.

use crate::layers::files;

/// Returns what an ignored test needs.
///
/// # Panics
///
/// If the need cannot be met: whoever runs an ignored test has asked for it.
pub(crate) async fn needed<T>(found: impl Future<Output = Result<T, String>>) -> T {
    match found.await {
        Ok(found) => found,
        Err(why) => panic!("this test cannot run here: {why}"),
    }
}

/// The reasons to ignore a test, and the name by which `deploy/build/test.sh` runs the tests with that reason.
const NEEDS: [(&str, &str); 6] = [
    ("needs a swarm: make test", "swarm::"),
    ("needs a swarm of several nodes: make lab", "lab::"),
    ("needs a network namespace: make test", "data_plane::dead_"),
    ("needs a browser: make test", "command_line::dashboard::"),
    ("needs promtool: make test", "command_line::observability::"),
    ("needs Pebble: make test", "command_line::acme::"),
];

/// Makes files for people and tests nothing; `deploy/build/test.sh` skips it by its module's name.
const ON_DEMAND: &str = "draws the pictures of the README";

/// The ignored tests of a file: the line of each, and its reason.
fn ignored(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| {
        let attribute = line.trim().strip_prefix("#[ignore")?;
        let reason = attribute.strip_prefix(" = \"").unwrap_or_default();
        Some((number, reason.trim_end_matches("\"]")))
    })
}

/// The path of a file's module inside the integration tests.
fn module(file: &str) -> Option<String> {
    let inside = file.strip_prefix("tests/it/")?.strip_suffix(".rs")?;
    Some(format!("{}::", inside.replace('/', "::")))
}

#[test]
fn every_ignored_test_names_a_need_that_make_test_knows() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, text) in files() {
        for (line, reason) in ignored(&text) {
            seen += 1;
            let need = NEEDS.iter().find(|(known, _)| *known == reason);
            let runs = |filter: &str| module(&file).is_some_and(|it| it.starts_with(filter));
            if !need.is_some_and(|(_, filter)| runs(filter)) && reason != ON_DEMAND {
                wrong.push(format!("{file}:{line}: {reason:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "make test would not run these:\n{}",
        wrong.join("\n")
    );
    assert!(seen > 30, "only {seen} ignored tests were found");
}

#[test]
fn make_test_has_a_filter_for_every_need() {
    let script = include_str!("../../deploy/build/test.sh");
    for (reason, filter) in NEEDS {
        let decides = script
            .lines()
            .filter(|line| line.starts_with("decide "))
            .any(|line| line.split_whitespace().nth(2) == Some(filter));
        assert!(decides, "{reason}: deploy/build/test.sh has no {filter}");
    }
}

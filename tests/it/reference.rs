//! What people read: the generated pages are what the code says, examples are in order, and links lead somewhere.

use std::path::{Path, PathBuf};

use hiveway::core::labels;
use hiveway::tools::check::{self, Options, Source};

/// With `write`, generated pages are written instead of compared: `make docs`.
const VARIABLE: &str = "HIVEWAY_REFERENCE";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages that are written in Markdown, generated ones included.
fn pages() -> Vec<(PathBuf, String)> {
    let folder = top().join("deploy/reference");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let others = ["README.md", "CHANGELOG.md"].map(|it| top().join(it));
    let all = files.chain(others).map(|path| {
        let text = std::fs::read_to_string(&path).expect("text");
        (path, text)
    });
    all.collect()
}

/// Compares a generated page with the file, or writes it.
fn is_what_the_code_says(file: &str, made: &str) {
    let path = top().join("deploy/reference").join(file);
    if std::env::var_os(VARIABLE).is_some_and(|it| it == "write") {
        std::fs::write(&path, made).expect("a writable file");
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = difference(&there, made);
    assert!(
        difference.is_empty(),
        "deploy/reference/{file} is not what the code says; write it anew with `make docs`, and commit it:\n{difference}"
    );
}

/// The lines between the first and the last that differ; empty where none does.
fn difference(there: &str, made: &str) -> String {
    let (there, made): (Vec<_>, Vec<_>) = (there.lines().collect(), made.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let before = there.iter().zip(&made).take_while(same).count();
    let (there, made) = (&there[before..], &made[before..]);
    let ends = there.iter().rev().zip(made.iter().rev());
    let after = ends.take_while(same).count();
    let removed = there[..there.len() - after]
        .iter()
        .map(|it| format!("-{it}\n"));
    let added = made[..made.len() - after]
        .iter()
        .map(|it| format!("+{it}\n"));
    let lines: String = removed.chain(added).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("@@ from line {} on @@\n{lines}", before + 1),
    }
}

#[test]
fn the_label_reference_is_what_the_code_says() {
    is_what_the_code_says("labels.md", &labels::reference::page());
}

#[test]
fn the_flag_reference_is_what_the_code_says() {
    is_what_the_code_says("flags.md", &hiveway::cli::reference::page());
}

/// The cells of a row of a table in Markdown.
fn row<'a>(text: &'a str, begins: &str) -> Vec<&'a str> {
    let line = text.lines().find(|it| it.starts_with(begins));
    let line = line.unwrap_or_else(|| panic!("no row {begins}"));
    line.split('|').map(str::trim).collect()
}

#[test]
fn claims_about_speed_are_those_of_the_results() {
    let read = |file: &str| std::fs::read_to_string(top().join(file)).expect("text");
    let results = read("tests/bench/RESULTS.md");
    let memory = row(&results, "| Hiveway |")[10];
    let (_, ratios) = results.split_once("| to Traefik |").expect("the ratios");
    let (closed, open) = row(ratios, "| Hiveway |")[4]
        .split_once(" / ")
        .expect("both");
    for file in ["README.md", "deploy/reference/behaviour.md"] {
        let text = read(file).replace('\n', " ");
        for figure in [memory, closed, open] {
            assert!(text.contains(figure), "{figure} is not in {file}");
        }
        assert!(!text.contains("half the CPU"), "{file}");
    }
}

#[test]
fn a_difference_is_told_by_its_lines() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), "");
    assert_eq!(
        difference("a\nb\nc\n", "a\nx\nc\n"),
        "@@ from line 2 on @@\n-b\n+x\n"
    );
    assert_eq!(difference("a\na\n", "a\n"), "@@ from line 2 on @@\n-a\n");
}

/// Blocks of other programs name them, as in ```yaml traefik, and those that are deployed above another file name that.
#[test]
fn every_documented_stack_file_passes_the_check() {
    let mut checked = 0;
    for (path, text) in pages() {
        for (number, block) in text.split("```yaml").skip(1).enumerate() {
            let (block, _) = block.split_once("```").expect("a block ends");
            let (kind, block) = block.split_once('\n').expect("a line ends");
            let below = match kind.trim() {
                "" => None,
                "above stack.yml" => Some(top().join("deploy/stack.yml")),
                _ => continue,
            };
            let name = format!("{} block {}", path.display(), number + 1);
            let options = Options {
                networks: vec!["mesh".into()],
                ..Options::default()
            };
            let below = below.map(|it| std::fs::read(it).expect("a stack file"));
            let all = below.into_iter().chain([block.as_bytes().to_vec()]);
            let sources: Vec<_> = all.map(|it| Source::new(name.clone(), it)).collect();
            let found = check::check(&sources, &options);
            assert_eq!(found.findings, [], "{name}:\n{block}");
            assert!(!found.services.is_empty(), "{name} has no service");
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked} blocks");
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut followed = 0;
    for (path, text) in pages() {
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next());
        let targets = targets.chain(
            text.split("srcset=\"")
                .skip(1)
                .filter_map(|it| it.split('"').next()),
        );
        for target in targets.filter(|it| !it.contains("://")) {
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            assert!(file.exists(), "{}: nothing is at {target}", path.display());
            if !place.is_empty() {
                let text = std::fs::read_to_string(&file).expect("text");
                let titles = text.lines().filter(|it| it.starts_with('#'));
                let found = titles.map(place_of).any(|it| it == place);
                assert!(found, "{}: no heading for {target}", path.display());
            }
            followed += 1;
        }
    }
    assert!(followed >= 20, "{followed} links");
}

/// What stands behind each place of the mark in a text, as far as the characters are of a name.
fn names<'a>(
    text: &'a str,
    mark: &'a str,
    of_name: fn(char) -> bool,
) -> impl Iterator<Item = &'a str> {
    let found = text.match_indices(mark);
    found.map(move |(place, _)| {
        let rest = text[place..].trim_start_matches('`');
        rest.split(|it: char| !of_name(it))
            .next()
            .unwrap_or_default()
    })
}

#[test]
fn every_flag_variable_and_label_that_is_named_exists() {
    let flags = hiveway::cli::reference::page();
    let mut texts = pages();
    for folder in ["deploy", "deploy/observability"] {
        for entry in std::fs::read_dir(top().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|it| it == "yml") {
                let text = std::fs::read_to_string(&path).expect("text");
                texts.push((path, text));
            }
        }
    }
    // What `docker stack deploy` and make read, and the binary does not.
    let others = [
        "HIVEWAY_IMAGE",
        "HIVEWAY_DEMO_IMAGE",
        "HIVEWAY_CONTROL_SECRET",
    ];
    let mut named = 0;
    for (path, text) in &texts {
        for flag in names(text, "`--", |it| it.is_ascii_alphanumeric() || it == '-') {
            let known =
                flags.contains(&format!("`{flag} ")) || flags.contains(&format!("`{flag}`"));
            assert!(known, "{}: there is no flag {flag}", path.display());
            named += 1;
        }
        for variable in names(text, "HIVEWAY_", |it| {
            it.is_ascii_alphanumeric() || it == '_'
        }) {
            let known = flags.contains(&format!("`{variable}`")) || others.contains(&variable);
            assert!(known, "{}: nobody reads {variable}", path.display());
            named += 1;
        }
        let keys = ["`routing.", "`probe."].into_iter();
        for key in keys.flat_map(|it| {
            names(text, it, |it| {
                it.is_ascii_alphanumeric() || "_.".contains(it)
            })
        }) {
            let told = labels::reference::tell(key);
            let retired = |told: &String| told.contains("before Swarm mode");
            let known = key.ends_with('.') || told.as_ref().err().is_none_or(retired);
            assert!(known, "{}: there is no label {key}", path.display());
            named += 1;
        }
    }
    assert!(named > 200, "{named} names");
}

/// What GitHub calls the place of a heading.
fn place_of(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title
        .chars()
        .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

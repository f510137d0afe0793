//! How the project is written, checked over the sources: names of tests, and words that plain English does without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::layers::{code, code_and, files};

/// What a test runner shows in one line beside the module, and a reader takes in at a glance.
const LONGEST_NAME: usize = 60;

/// The names of the tests in a file's code.
fn tests(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in code.lines().map(str::trim) {
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line);
        if let Some(rest) = function.strip_prefix("fn ").filter(|_| marked) {
            names.extend(rest.split(['(', '<']).next());
            marked = false;
        }
    }
    names
}

#[test]
fn test_names_have_at_most_sixty_characters() {
    let mut long = Vec::new();
    let mut seen = 0;
    for (file, text) in files() {
        for name in tests(&code(&text)) {
            seen += 1;
            if name.len() > LONGEST_NAME {
                long.push(format!("{file}: {name} ({} characters)", name.len()));
            }
        }
    }
    let rule = "a test's name is a short sentence";
    assert!(long.is_empty(), "{rule}:\n{}", long.join("\n"));
    // The rule sees them, those of proptest included.
    assert!(seen > 900, "only {seen} tests were found");
}

#[test]
fn waits_have_a_predicate_and_pauses_have_a_name() {
    // The one waits with a bound, the other is a load's pause and says so.
    const HOMES: [&str; 2] = ["tests/it/eventually.rs", "tests/it/pause.rs"];
    let mut broken = Vec::new();
    for (file, text) in files() {
        if !file.starts_with("tests/it/") || HOMES.contains(&&*file) {
            continue;
        }
        for (number, line) in (1..).zip(code(&text).lines()) {
            // A timer that is kept is part of a load, such as a client that reads slowly.
            if line.contains("sleep(") && !line.contains("Box::pin(sleep(") {
                broken.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    let rule = "a wait is eventually(), a load's pause is pause()";
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// One word has one meaning, and these have a plainer one beside them: the technical verb (report, log, publish, receive), a
/// number, a term of the field, or today's word.
const WORDS: [&str; 28] = [
    // Verbs of input and output.
    "tell", "tells", "told", "telling", "say", "says", "said", "saying", "hear", "hears", "heard",
    "hearing", "word", // Persons in place of things.
    "nobody", "whoever", "awaited", "well", // Words of another time.
    "mend", "mends", "mended", "heed", "heeds", "heeded", "dear", "anew", "lapse", "lapses",
    "lapsed",
];

/// Pairs of words, like [`WORDS`].
const PAIRS: [[&str; 2]; 12] = [
    // In place of a number.
    ["so", "many"],
    ["so", "long"],
    ["so", "often"],
    ["so", "much"],
    ["in", "peace"],
    ["take", "leave"],
    ["takes", "leave"],
    ["in", "vain"],
    ["by", "hand"],
    ["for", "ever"],
    ["in", "clear"],
    ["of", "old"],
];

/// How often these words may occur in the comments and the texts for users of each folder. The numbers only fall.
const BOUNDS: [(&str, usize); 18] = [
    ("deploy", 162),
    ("src/admin", 89),
    ("src/agent", 19),
    ("src/app", 15),
    ("src/cli", 34),
    ("src/controller", 86),
    ("src/core", 330),
    ("src/dns", 28),
    ("src/docker", 19),
    ("src/gateway", 222),
    ("src/main", 2),
    ("src/observe", 62),
    ("src/process", 15),
    ("src/state", 14),
    ("src/sync", 79),
    ("src/tls", 27),
    ("src/tools", 98),
    ("tests", 340),
];

/// By how much a count may be below its bound before the bound has to follow it: what a few edits take away.
const SLACK: usize = 10;

/// How often the words occur in a text.
fn occurrences(text: &str) -> usize {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|it: char| !it.is_alphanumeric() && it != '_' && it != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let before = std::iter::once("").chain(words.iter().copied());
    before
        .zip(words.iter().copied())
        .filter(|pair| match *pair {
            ("as", "well") => false,
            (first, second) => WORDS.contains(&second) || PAIRS.contains(&[first, second]),
        })
        .count()
}

/// What people read in a Rust file: its comments and, outside of tests, its literals.
fn prose(file: &str, text: &str) -> String {
    let mut prose = String::new();
    code_and(text, |piece| {
        if piece.starts_with("//") || !file.starts_with("tests/") {
            prose.push_str(piece);
            prose.push('\n');
        }
    });
    prose
}

/// The texts of `src`, `deploy` and `tests` that are not Rust, but for data.
fn other_texts() -> BTreeMap<String, String> {
    const KINDS: [&str; 7] = ["css", "html", "js", "json", "md", "sh", "yml"];
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "deploy", "tests"].map(|it| top.join(it)).into();
    let mut texts = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = path.extension().and_then(|it| it.to_str());
            if path.is_dir() && !path.ends_with("recordings") {
                folders.push(path);
            } else if kind.is_some_and(|it| KINDS.contains(&it)) {
                let text = std::fs::read_to_string(&path).expect("text");
                let name = path.strip_prefix(top).expect("below the top");
                texts.insert(name.to_str().expect("a plain name").to_owned(), text);
            }
        }
    }
    texts
}

/// The folder that a file is counted in: `tests`, `deploy`, or the layer of `src`.
fn folder(file: &str) -> String {
    let mut parts = file.split(['/', '.']);
    match (parts.next(), parts.next()) {
        (Some("src"), Some(layer)) => format!("src/{layer}"),
        (Some(first), _) => first.to_owned(),
        (None, _) => String::new(),
    }
}

#[test]
fn old_fashioned_words_only_become_fewer() {
    let mut counts = BTreeMap::<String, usize>::new();
    for (file, text) in files() {
        *counts.entry(folder(&file)).or_default() += occurrences(&prose(&file, &text));
    }
    for (file, text) in other_texts() {
        *counts.entry(folder(&file)).or_default() += occurrences(&text);
    }
    counts.retain(|_, count| *count > 0);

    let bounds: BTreeMap<_, _> = BOUNDS.into_iter().collect();
    let folders = counts
        .keys()
        .map(String::as_str)
        .chain(bounds.keys().copied());
    let wrong: Vec<String> = folders
        .filter_map(|folder| {
            let count = counts.get(folder).copied().unwrap_or_default();
            let bound = bounds.get(folder).copied().unwrap_or_default();
            match count {
                more if more > bound => Some(format!(
                    "{folder}: {more}, at most {bound}: use plainer words"
                )),
                fewer if fewer + SLACK < bound => Some(format!(
                    "{folder}: {fewer}, at most {bound}: lower the bound"
                )),
                _ => None,
            }
        })
        .collect();
    let table: Vec<String> = counts
        .iter()
        .map(|(folder, count)| format!("    (\"{folder}\", {count}),"))
        .collect();
    assert!(
        wrong.is_empty(),
        "the words of WORDS and PAIRS:\n{}\nThe table as counted:\n{}",
        wrong.join("\n"),
        table.join("\n")
    );
}

#[test]
fn words_are_counted_in_prose_and_not_in_names() {
    let code = "// It says so.\nfn told() { log(\"nobody is\ntold\"); }\n/// As well as a well-known word, by hand.\n";
    assert_eq!(occurrences(&prose("src/a.rs", code)), 5);
    assert_eq!(occurrences(&prose("tests/it/a.rs", code)), 3);
}

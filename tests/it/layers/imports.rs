//! The paths by which a file of the crate names other modules, and the files that they lead to.

use std::collections::{BTreeMap, BTreeSet};

/// A path as its segments, which begin with `crate`, `self` or `super`.
type Path = Vec<String>;

/// The imports among the files of `src`: each file with those that it names.
///
/// A file may name what its own parents define: the top of a room is the vocabulary of the files in it. So an import of a parent is
/// not counted, and a circle is one of rooms or of files side by side. Tests are not counted either.
pub(super) fn between(files: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeMap<Vec<&str>, &str> = files
        .keys()
        .filter_map(|file| Some((module(file)?, &**file)))
        .collect();
    let mut imports = BTreeMap::new();
    for (own, file) in &modules {
        let text = without_tests(&files[*file]);
        let named = paths(text).into_iter().filter_map(|path| {
            let target = resolve(own, &path)?;
            // The longest part that is a module; what follows is an item of it.
            let found = (0..=target.len())
                .rev()
                .find_map(|length| modules.get_key_value(&target[..length]))?;
            (!own.starts_with(found.0)).then(|| (*found.1).to_owned())
        });
        imports.insert((*file).to_owned(), named.collect());
    }
    imports
}

/// The files that are on a circle, or between two of them, with the imports that tie them.
pub(super) fn circles(
    mut imports: BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    // A file that names none of those left, or is named by none of them, is on no circle.
    loop {
        let named: BTreeSet<String> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|file, targets| !targets.is_empty() && named.contains(file));
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        for targets in imports.values_mut() {
            targets.retain(|target| left.contains(target));
        }
        if imports.len() == before && imports.values().all(|targets| !targets.is_empty()) {
            return imports;
        }
    }
}

/// All paths that a text without comments names, whatever lines they span, each item of a list as a path of its own.
pub(super) fn paths(text: &str) -> Vec<Path> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let root = ["crate", "self", "super"].contains(token);
        let begins = place == 0 || tokens[place - 1] != "::";
        if root && begins && tokens.get(place + 1) == Some(&"::") {
            expand(&tokens, place, &[], &mut found);
        }
    }
    found
}

/// Adds the paths that begin at a token, behind these segments; returns the place of the token that follows them.
fn expand(tokens: &[&str], mut place: usize, before: &[&str], found: &mut Vec<Path>) -> usize {
    let mut segments = before.to_vec();
    while let Some(token) = tokens.get(place) {
        if *token == "{" {
            place += 1;
            while tokens.get(place).is_some_and(|it| *it != "}") {
                place = expand(tokens, place, &segments, found);
                // To the next item, over what follows a name, such as `as _`.
                while tokens
                    .get(place)
                    .is_some_and(|it| !matches!(*it, "," | "}"))
                {
                    place += 1;
                }
                if tokens.get(place) == Some(&",") {
                    place += 1;
                }
            }
            return place + 1;
        }
        if !is_word(token) {
            break;
        }
        segments.push(token);
        place += 1;
        if tokens.get(place) != Some(&"::") {
            break;
        }
        place += 1;
    }
    found.push(segments.into_iter().map(str::to_owned).collect());
    place
}

/// Words, `::`, and every other character that is not blank by itself.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|it: char| !is_part_of_word(it));
        let length = match word.unwrap_or(rest.len()) {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(is_part_of_word)
}

fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The module that a file of `src` is; `None` for the programs.
fn module(file: &str) -> Option<Vec<&str>> {
    let path = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    match path {
        "main" => None,
        "lib" => Some(Vec::new()),
        _ => Some(path.split('/').collect()),
    }
}

/// A path from the top of the crate; `None` if it leads out of it.
fn resolve<'a>(own: &[&'a str], path: &'a [String]) -> Option<Vec<&'a str>> {
    let (root, rest) = path.split_first()?;
    let mut target = match &**root {
        "crate" => Vec::new(),
        "self" => own.to_vec(),
        _ => own.split_last()?.1.to_vec(),
    };
    for segment in rest {
        match &**segment {
            "super" => drop(target.pop()?),
            segment => target.push(segment),
        }
    }
    Some(target)
}

/// A file's code up to its tests, which stand last.
fn without_tests(code: &str) -> &str {
    let end = code.find("#[cfg(test)]\nmod tests {");
    &code[..end.unwrap_or(code.len())]
}

#[test]
fn paths_are_read_across_lines_lists_and_aliases() {
    let text = "use crate::core::{\n    self,\n    route::{Scheme, Policy as P},\n    model,\n};\nuse super::super::pool::*;\n\
        let it = self::one::Two::three(std::iter::once(4)); pub(crate) fn of() {} pub(in crate::gateway) fn at() {}";
    let found: BTreeSet<String> = paths(text).iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::core::self",
        "crate::core::route::Scheme",
        "crate::core::route::Policy",
        "crate::core::model",
        "super::super::pool",
        "self::one::Two::three",
        "crate::gateway",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn a_circle_of_files_is_found_and_a_parent_is_none() {
    let files = [
        ("src/lib.rs", "mod room; mod other;"),
        ("src/room.rs", "use self::a::A; use crate::other;"),
        (
            "src/room/a.rs",
            "use super::Shared;\nuse super::b::{\n    B,\n};",
        ),
        ("src/room/b.rs", "use crate::room::c::C;"),
        ("src/room/c.rs", "fn a() { super::a::of() }"),
        ("src/other.rs", "use crate::leaf::Leaf;"),
        ("src/leaf.rs", ""),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let circles = circles(between(&files.into()));
    let tied: Vec<_> = circles
        .into_iter()
        .map(|(file, names)| (file, names.into_iter().collect::<Vec<_>>()))
        .collect();
    let tie = |file: &str, names: &str| (file.to_owned(), vec![names.to_owned()]);
    let expected = [
        tie("src/room/a.rs", "src/room/b.rs"),
        tie("src/room/b.rs", "src/room/c.rs"),
        tie("src/room/c.rs", "src/room/a.rs"),
    ];
    assert_eq!(tied, expected);
}

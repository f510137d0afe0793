//! `$VARIABLE` in the values of a stack file, as `docker stack deploy` replaces it.
//!
//! # Design notes
//!
//! Docker's rules have odd corners, and what matters is what Docker will do, so they are kept: a default ends at the first
//! closing brace; without braces it ends at the next closing brace or the end of the value; and the first of `:-`, `-`, `:?`
//! and `?` that occurs *anywhere* in an expression splits it, so that `${TAG:?no-tag}` has the default `tag`. One is not: Docker
//! forgets that it refused an expression when another follows in the same value, and leaves it out. Here it stays refused.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::core::labels::shown;

/// The environment.
pub type Variables = BTreeMap<String, String>;

/// A value after replacement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) text: String,
    /// What should be known of it, each with the bytes of the value that it is about.
    pub(super) oddities: Vec<(Range<usize>, Oddity)>,
}

/// What should be known of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// A variable that is not set and has no default; nothing stands in its place.
    Unset(String),
    /// An expression without braces that has taken in what follows the name, as its default.
    Swallowed { name: String, rest: String },
}

/// Why Docker refuses a value, and the bytes of it that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) range: Range<usize>,
    pub(super) reason: String,
    /// The variable that must be set, where that is why.
    pub(super) variable: Option<String>,
    pub(super) remedy: String,
}

/// Replaces all variables of a value.
pub(super) fn replace(value: &str, variables: &Variables) -> Result<Replaced, Refusal> {
    let mut replaced = Replaced::default();
    let mut from = 0;
    while let Some(dollar) = value[from..].find('$').map(|it| from + it) {
        replaced.text.push_str(&value[from..dollar]);
        let rest = &value[dollar + 1..];
        if rest.starts_with('$') {
            replaced.text.push('$');
            from = dollar + 2;
            continue;
        }
        let (expression, length, braces) = match rest.strip_prefix('{') {
            Some(inner) => {
                match expression(inner).filter(|it| inner[it.len()..].starts_with('}')) {
                    Some(expression) => (expression, expression.len() + 2, true),
                    None => return Err(malformed(value, dollar)),
                }
            }
            None => match expression(rest) {
                Some(expression) => (expression, expression.len(), false),
                None => return Err(malformed(value, dollar)),
            },
        };
        let range = dollar..dollar + 1 + length;
        let name = &expression[..name(expression)];
        if !braces && expression.len() > name.len() {
            let oddity = Oddity::Swallowed {
                name: name.into(),
                rest: expression[name.len()..].into(),
            };
            replaced.oddities.push((range.clone(), oddity));
        }
        match evaluate(expression, variables) {
            Ok(Some(text)) => replaced.text.push_str(text),
            Ok(None) => replaced
                .oddities
                .push((range.clone(), Oddity::Unset(name.into()))),
            Err((name, message)) => return Err(required(range, name, message)),
        }
        from = dollar + 1 + length;
    }
    replaced.text.push_str(&value[from..]);
    Ok(replaced)
}

/// The length of the name that a text begins with.
fn name(text: &str) -> usize {
    let begins = text.starts_with(|it: char| it == '_' || it.is_ascii_alphabetic());
    let other = |it: char| !(it == '_' || it.is_ascii_alphanumeric());
    match begins {
        true => text.find(other).unwrap_or(text.len()),
        false => 0,
    }
}

/// A name, and what follows it up to a closing brace if that begins with one of the separators.
fn expression(text: &str) -> Option<&str> {
    let name = name(text);
    if name == 0 {
        return None;
    }
    let rest = &text[name..];
    let operator = rest.strip_prefix(':').unwrap_or(rest);
    match operator.starts_with(['-', '?']) {
        true => Some(&text[..text.find('}').unwrap_or(text.len())]),
        false => Some(&text[..name]),
    }
}

/// What stands in the place of an expression; none for a variable that is not set and has no default. The error is the
/// name of a variable that must be set, and why.
fn evaluate<'a>(
    expression: &'a str,
    variables: &'a Variables,
) -> Result<Option<&'a str>, (&'a str, &'a str)> {
    let value = |name| variables.get(name).map(String::as_str);
    let filled = |name| value(name).filter(|it| !it.is_empty());
    if let Some((name, default)) = expression.split_once(":-") {
        return Ok(Some(filled(name).unwrap_or(default)));
    }
    if let Some((name, default)) = expression.split_once('-') {
        return Ok(Some(value(name).unwrap_or(default)));
    }
    if let Some((name, message)) = expression.split_once(":?") {
        return filled(name).map(Some).ok_or((name, message));
    }
    if let Some((name, message)) = expression.split_once('?') {
        return value(name).map(Some).ok_or((name, message));
    }
    Ok(value(expression))
}

fn malformed(value: &str, dollar: usize) -> Refusal {
    let rest = &value[dollar..];
    let (end, reason) = match rest.strip_prefix("${").map(|inner| inner.find('}')) {
        Some(None) => (rest.len(), "`${` is not closed"),
        Some(Some(end)) => (end + 3, "names no variable"),
        None => {
            let next = rest[1..].chars().next().map_or(0, char::len_utf8);
            (1 + next, "is a `$` before what is no name")
        }
    };
    Refusal {
        range: dollar..dollar + end,
        reason: reason.into(),
        variable: None,
        remedy: "write ${NAME} or ${NAME:-default} for a variable, and $$ for a dollar sign".into(),
    }
}

fn required(range: Range<usize>, name: &str, message: &str) -> Refusal {
    let variable = name.to_owned();
    let message = match message.trim() {
        "" => String::new(),
        message => format!(": {}", shown(message)),
    };
    let name = shown(name);
    Refusal {
        range,
        reason: format!("requires the variable {name}, which is not set{message}"),
        variable: Some(variable),
        remedy: format!(
            "set {name} in the environment of this command, and of `docker stack deploy`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let set = [("FOO", "foo"), ("EMPTY", ""), ("_n1", "3")];
        set.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// The right-hand sides are what `docker stack config` of Docker 28 prints.
    #[test]
    fn variables_are_replaced_as_docker_does() {
        for (value, expected) in [
            ("plain", "plain"),
            ("a$FOO.b$FOO/c", "afoo.bfoo/c"),
            ("${FOO:-x}y$$z", "fooy$z"),
            ("${EMPTY-x}|${EMPTY:-y}|${NOPE}", "|y|"),
            ("a${FOO:-}${NOPE:-}b", "afoob"),
            ("$NOPE:-abc", "abc"),
            ("$FOO-x", "foo"),
            ("$FOO?x y", "foo"),
            ("$FOO}", "foo}"),
            ("${NOPE-d${FOO}}", "d${FOO}"),
            ("${NOPE:?need a-b}", "b"),
            ("${FOO:?need a-b}", "b"),
            ("${EMPTY?msg}${_n1}", "3"),
            ("$$FOO", "$FOO"),
            ("$FOOé", "fooé"),
            ("ü${FOO}", "üfoo"),
        ] {
            let replaced = replace(value, &variables()).map(|it| it.text);
            assert_eq!(replaced, Ok(expected.into()), "{value}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused_with_its_place() {
        for (value, range, reason) in [
            ("a ${FOO", 2..7, "`${` is not closed"),
            ("x$", 1..2, "is a `$` before what is no name"),
            ("$-x", 0..2, "is a `$` before what is no name"),
            ("$1", 0..2, "is a `$` before what is no name"),
            ("$é", 0..3, "is a `$` before what is no name"),
            ("${} ", 0..3, "names no variable"),
            ("${FOO.x}", 0..8, "names no variable"),
            (
                "${NOPE:?is needed}",
                0..18,
                "requires the variable NOPE, which is not set: is needed",
            ),
            (
                "-${EMPTY:?}",
                1..11,
                "requires the variable EMPTY, which is not set",
            ),
        ] {
            let refusal = replace(value, &variables()).unwrap_err();
            assert_eq!(
                (refusal.range, &*refusal.reason),
                (range, reason),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_swallowed_is_told_with_its_place() {
        let unset = |range, name: &str| (range, Oddity::Unset(name.into()));
        for (value, oddities) in [
            ("${FOO} ${NOPE-}", vec![]),
            (
                "a ${NOPE}$NOPE_2.b",
                vec![unset(2..9, "NOPE"), unset(9..16, "NOPE_2")],
            ),
            (
                "$FOO-x.example",
                vec![(
                    0..14,
                    Oddity::Swallowed {
                        name: "FOO".into(),
                        rest: "-x.example".into(),
                    },
                )],
            ),
        ] {
            let replaced = replace(value, &variables()).unwrap();
            assert_eq!(replaced.oddities, oddities, "{value}");
        }
    }
}

//! The forms that text has to have at some places.

use super::shape::{Form, Shape};
use crate::tools::check::duration;

/// What is wrong with a text, and what to do.
type Wrong = (String, String);

/// Checks the form that a shape asks for.
pub(super) fn check(shape: &Shape, text: &str) -> Result<(), Wrong> {
    let wrong = |holds: bool, reason: &str, remedy: &str| match holds {
        true => Ok(()),
        false => Err((reason.to_owned(), remedy.to_owned())),
    };
    match shape {
        Shape::Words(words) => {
            let last = words.len() - 1;
            let (rest, last) = (words[..last].join(", "), words[last]);
            let remedy = format!("write {rest} or {last}");
            wrong(words.contains(&text), "is not known here", &remedy)
        }
        Shape::Form(Form::Duration) => wrong(
            duration::is_length(text),
            "is not a length of time",
            "write numbers with units, such as 20s or 1m30s",
        ),
        Shape::Form(Form::Size) => wrong(
            is_size(text),
            "is not a size",
            "write a number and a unit, such as 512m or 2g",
        ),
        Shape::Form(Form::Cpus) => wrong(
            text.parse::<f64>().is_ok_and(|it| it.is_finite()),
            "is not a number of CPUs",
            "write a decimal number in quotes, such as \"0.5\"",
        ),
        Shape::Form(Form::Command) => wrong(
            is_command(text),
            "has a quotation mark that is not closed, or ends in a backslash",
            "close it, or write the command as a list",
        ),
        Shape::Form(Form::Port) => wrong(
            is_port(text),
            "is not a port",
            "write \"8080:80\", published port first, or \"80/udp\"",
        ),
        Shape::Form(Form::Volume) => wrong(
            !text.is_empty(),
            "is not a volume",
            "write source:target, or remove it",
        ),
        _ => Ok(()),
    }
}

/// A decimal number, perhaps a blank, and perhaps a unit of bytes, in any case.
fn is_size(text: &str) -> bool {
    let unit = text.find(|it: char| !it.is_ascii_digit() && it != '.');
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let is_number =
        number.starts_with(|it: char| it.is_ascii_digit()) && number.parse::<f64>().is_ok();
    is_number && matches!(unit, "" | "k" | "m" | "g" | "t" | "p")
}

/// Whether all quotation marks are closed.
fn is_command(text: &str) -> bool {
    let mut characters = text.chars();
    let mut quote = None;
    let mut in_word = false;
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None | Some('"'), '\\') => {
                if characters.next().is_none() {
                    return false;
                }
                in_word = true;
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                in_word = true;
            }
            // A comment, up to the end of the line.
            (None, '#') if !in_word => {
                let _ = characters.find(|it| *it == '\n');
            }
            (None, character) => in_word = !character.is_whitespace(),
            (Some(open), character) if open == character => quote = None,
            (Some(_), _) => {}
        }
    }
    quote.is_none()
}

/// `[[address:]published:]target[/protocol]`, where ports may be ranges.
fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocols = ["tcp", "udp", "sctp"];
    if !protocols.iter().any(|it| protocol.eq_ignore_ascii_case(it)) {
        return false;
    }
    let (rest, target) = match ports.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, ports),
    };
    let Some(target) = range(target) else {
        return false;
    };
    let Some(rest) = rest else {
        return true;
    };
    let (address, published) = match rest.rsplit_once(':') {
        Some((address, published)) => (address, published),
        None => ("", rest),
    };
    let bare = address
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'));
    let address_is_sound =
        address.is_empty() || bare.unwrap_or(address).parse::<std::net::IpAddr>().is_ok();
    let published_is_sound = match published {
        "" => true,
        published => {
            range(published).is_some_and(|it| it.len() == target.len() || target.len() == 1)
        }
    };
    address_is_sound && published_is_sound
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_that_docker_takes() {
        let is = |form: Form, text: &str| check(&Shape::Form(form), text).is_ok();
        for (form, right, wrong) in [
            (
                Form::Port,
                &[
                    "80",
                    "8080:80",
                    "1-3:80",
                    "1-2:80-81",
                    "127.0.0.1::80",
                    "[::1]:80:80/UDP",
                    ":80",
                ][..],
                &[
                    "a:80",
                    "80:",
                    "1-3:80-81",
                    "80/x",
                    "70000",
                    "3-1",
                    "",
                    "localhost:80:80",
                ][..],
            ),
            (
                Form::Size,
                &["5", "512m", "512M", "1.5 GiB", "64kb", "7b"],
                &["", "x", "5x", "m", "5  m", "-1"],
            ),
            (
                Form::Duration,
                &["10s", "1m30s", "-1s", "1.5h", "0", ".5s"],
                &["10", "1d", "s", "", ".s", "1 s"],
            ),
            (
                Form::Command,
                &["a b", "a 'b c'", "a \"b\\\" c\"", "it # isn't"],
                &["a \"b", "it's", "a \\"],
            ),
            (Form::Cpus, &["0.5", "2"], &["a", "", "0.5x"]),
        ] {
            for text in right {
                assert!(is(form, text), "{form:?} {text}");
            }
            for text in wrong {
                assert!(!is(form, text), "{form:?} {text}");
            }
        }
    }
}

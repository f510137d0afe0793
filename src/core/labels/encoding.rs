//! `routing.compress`: whether, and how, answers are compressed.

use super::boolean;
use super::report::{LabelFault, shown};
use crate::core::model::middleware::Encoding;

/// A boolean, or a list of encodings, the preferred first. Repetitions do not count.
pub(super) fn parse(value: &str) -> Result<Vec<Encoding>, LabelFault> {
    match boolean::parse(value) {
        Ok(true) => return Ok(Encoding::ALL.to_vec()),
        Ok(false) => return Ok(Vec::new()),
        Err(fault) if fault.suggestion.is_some() => return Err(fault),
        Err(_) => {}
    }
    let names = value.split([',', ';']).map(str::trim);
    let mut encodings = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let known = Encoding::ALL
            .into_iter()
            .find(|encoding| name.eq_ignore_ascii_case(encoding.as_str()));
        match known {
            Some(encoding) if !encodings.contains(&encoding) => encodings.push(encoding),
            Some(_) => {}
            None => return Err(unknown(name)),
        }
    }
    match encodings.is_empty() {
        true => Err(unknown("")),
        false => Ok(encodings),
    }
}

fn unknown(name: &str) -> LabelFault {
    let remedy = "write true, or a list of gzip, br and zstd, the preferred first";
    if name.is_empty() {
        return LabelFault::error("names no way to compress", remedy);
    }
    let fault = LabelFault::error(
        format!("\"{}\" is no way to compress that is known", shown(name)),
        remedy,
    );
    match name.to_ascii_lowercase().as_str() {
        "gz" | "deflate" => fault.suggesting("gzip"),
        "brotli" => fault.suggesting("br"),
        "zst" | "zstandard" => fault.suggesting("zstd"),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boolean_or_a_list_is_read() {
        use Encoding::{Brotli, Gzip, Zstd};
        for (value, expected) in [
            ("true", vec![Zstd, Brotli, Gzip]),
            ("FALSE", vec![]),
            ("gzip", vec![Gzip]),
            (" Gzip ,zstd; gzip,BR", vec![Gzip, Zstd, Brotli]),
        ] {
            assert_eq!(parse(value), Ok(expected), "{value}");
        }
        for (value, reason, suggestion) in [
            ("", "names no way to compress", None),
            (",", "names no way to compress", None),
            ("on", "is neither true nor false", Some("true")),
            (
                "gzip, brotli",
                "\"brotli\" is no way to compress that is known",
                Some("br"),
            ),
            ("lz4", "\"lz4\" is no way to compress that is known", None),
        ] {
            let fault = parse(value).expect_err(value);
            let said = (fault.reason.as_str(), fault.suggestion.as_deref());
            assert_eq!(said, (reason, suggestion), "{value}");
        }
    }
}

//! `true` and `false`, in any case.

use super::report::LabelFault;

pub(super) fn parse(value: &str) -> Result<bool, LabelFault> {
    let value = value.trim().to_ascii_lowercase();
    let meant = match value.as_str() {
        "true" => return Ok(true),
        "false" => return Ok(false),
        "yes" | "on" | "1" | "y" | "enabled" => Some("true"),
        "no" | "off" | "0" | "n" | "disabled" => Some("false"),
        _ => None,
    };
    let fault = LabelFault::error(
        "is neither true nor false",
        "write \"true\" or \"false\", in quotes in YAML",
    );
    Err(match meant {
        Some(meant) => fault.suggesting(meant),
        None => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_and_false_are_booleans() {
        for (value, expected) in [
            ("true", Ok(true)),
            (" TRUE\t", Ok(true)),
            ("False", Ok(false)),
            ("yes", Err(Some("true"))),
            ("0", Err(Some("false"))),
            ("", Err(None)),
            ("truefalse", Err(None)),
        ] {
            let parsed = parse(value).map_err(|fault| fault.suggestion);
            assert_eq!(
                parsed,
                expected.map_err(|s| s.map(str::to_owned)),
                "{value:?}"
            );
        }
    }
}

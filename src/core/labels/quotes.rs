//! Quotation marks that YAML left in a value: `- key="value"` in a list of labels keeps them.

use super::report::LabelFault;

/// Explains a refused value by the quotes around it, where it would be accepted without them.
pub(super) fn blame(
    fault: LabelFault,
    value: &str,
    accepted: impl FnOnce(&str) -> bool,
) -> LabelFault {
    let value = value.trim();
    let bare = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    match bare {
        Some(bare) if accepted(bare) => LabelFault::error(
            "has quotation marks that are part of the value",
            "in a YAML list write - \"key=value\", or write the labels as a map",
        )
        .suggesting(bare),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_blamed_only_where_they_are_all_that_is_wrong() {
        let fault = || LabelFault::error("is wrong", "mend it");
        let is_two = |value: &str| value == "2";
        for (value, suggestion) in [
            ("\"2\"", Some("2")),
            (" '2' ", Some("2")),
            ("\"3\"", None),
            ("\"2'", None),
            ("\"", None),
            ("2", None),
        ] {
            let blamed = blame(fault(), value, is_two);
            assert_eq!(blamed.suggestion.as_deref(), suggestion, "{value}");
            assert_eq!(blamed == fault(), suggestion.is_none(), "{value}");
        }
    }
}

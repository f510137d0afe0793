//! What of a label's value must not be shown: diagnostics go to logs, events and whoever can read them.

use super::secret_name;
use crate::core::model::middleware::HIDDEN;

/// The value of a label, with what may be a password or its hash hidden. The key need not be a known one: a misspelt label
/// holds the same secret.
pub(super) fn masked(key: &str, value: &str) -> String {
    let named = key.to_ascii_lowercase().contains("auth");
    let hashed = ["$2a$", "$2b$", "$2y$", "$argon2", "$apr1$", "{SHA}"]
        .iter()
        .any(|kind| value.contains(kind));
    if !named && !hashed {
        return value.to_owned();
    }
    let items = value.split(';').map(|item| match item.split_once(':') {
        // The name of a secret is none. What cannot be one may be the password of a user who is called so.
        Some(_) if matches!(secret_name::parse(item), Some(Ok(_))) => item.to_owned(),
        Some((user, _)) => format!("{user}:{HIDDEN}"),
        None if item.trim().is_empty() => item.to_owned(),
        None => HIDDEN.to_owned(),
    });
    items.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_hashes_are_hidden_under_any_key() {
        for (key, value, expected) in [
            ("hiveway.routing.weight", "a:b", "a:b"),
            ("hiveway.routing.basic_auth", "alice:$2y$05$x", "alice:…"),
            (
                "hiveway.routing.basic_auth",
                "alice:pass; bob:word;",
                "alice:…; bob:…;",
            ),
            (
                "hiveway.routing.basic_auth",
                "secret:shop;alice:word",
                "secret:shop;alice:…",
            ),
            (
                "hiveway.routing.basic_auth",
                "secret:pass word;secret:$2y$05$x;secret:",
                "secret:…;secret:…;secret:…",
            ),
            ("hiveway.routing.basic_auth", "password", "…"),
            ("hiveway.routing.basic-Auth", "alice:password", "alice:…"),
            ("hiveway.routing.users", "alice:$argon2id$v=19$x", "alice:…"),
        ] {
            assert_eq!(masked(key, value), expected);
        }
    }
}

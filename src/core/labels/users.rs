//! `secret:NAME` in `routing.basic_auth`: users out of a secret that holds lines of `htpasswd`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::label::Label;
use super::report::{LabelFault, Report};
use super::{credential, secret_name};
use crate::core::model::Inventory;
use crate::core::model::middleware::Credential;

/// What the secrets that labels name hold, or why they cannot be read. Written by the controller, which looks for them where
/// Docker mounts them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<Arc<str>, Result<Arc<str>, Arc<str>>>);

impl Secrets {
    /// The names of all that services ask for.
    #[must_use]
    pub fn named_in(inventory: &Inventory) -> BTreeSet<Arc<str>> {
        let services = inventory.services.iter();
        let labels = services.flat_map(|it| it.labels.iter().chain(&it.container_labels));
        let values = labels.filter(|(key, _)| key.ends_with(".basic_auth"));
        let items = values.flat_map(|(_, value)| value.split(';'));
        let names = items.filter_map(|item| name(item)?.ok());
        names.map(Arc::from).collect()
    }
}

impl FromIterator<(Arc<str>, Result<Arc<str>, Arc<str>>)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Result<Arc<str>, Arc<str>>)>>(read: T) -> Self {
        Self(read.into_iter().collect())
    }
}

/// Their names alone.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The secret that an item names, or what is wrong with the name; `None` if the item is a user and a hash.
pub(super) fn name(item: &str) -> Option<Result<&str, LabelFault>> {
    const REMEDY: &str = "write secret:NAME with a name as `docker secret ls` shows it: letters, digits, -, _ and ., \
        and first a letter or digit; for a user called secret write the hash of a password after the colon";
    let name = secret_name::parse(item)?;
    Some(name.map_err(|reason| LabelFault::error(reason, REMEDY)))
}

/// Adds the users of a secret to those of the label. Where nobody has looked for secrets, it is believed that there is one.
pub(super) fn add(
    secret: &str,
    secrets: Option<&Secrets>,
    label: Label<'_>,
    users: &mut Vec<Credential>,
    report: &mut Report,
) {
    let Some(Secrets(secrets)) = secrets else {
        return;
    };
    let fault = match secrets.get(secret) {
        Some(Ok(lines)) => add_lines(lines, users),
        Some(Err(why)) => Some(unreadable(secret, why)),
        None => Some(unreadable(secret, "nobody has looked for it yet")),
    };
    if let Some(fault) = fault {
        report.add(label.key, &format!("secret:{secret}"), fault);
    }
}

fn unreadable(secret: &str, why: &str) -> LabelFault {
    LabelFault::error(
        format!("cannot be read, so that none of its users is let in: {why}"),
        format!(
            "give the secret {secret} to Hiveway's own service, which mounts it on every manager, or name its folder with \
             --secrets"
        ),
    )
}

/// Adds the users of these lines, and tells of the first that cannot be read. Nothing of a line is shown.
fn add_lines(lines: &str, users: &mut Vec<Credential>) -> Option<LabelFault> {
    const REMEDY: &str = "put lines into the secret as `htpasswd -nB user` prints them";
    let before = users.len();
    let (mut first, mut faults) = (None, 0_usize);
    for (number, line) in (1..).zip(lines.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match credential::parse(line, users) {
            Ok(user) => users.push(user),
            Err(fault) => {
                first.get_or_insert((number, fault.reason));
                faults += 1;
            }
        }
    }
    let reason = match first {
        None if users.len() > before => return None,
        None => "holds no user, so that nobody is let in by it".to_owned(),
        Some((number, reason)) if faults == 1 => format!("has a line {number} that {reason}"),
        Some((number, reason)) => format!(
            "has {faults} lines that cannot be read, the first of which, line {number}, {reason}"
        ),
    };
    Some(LabelFault::error(reason, REMEDY))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{REPLICATED, parsed_with, said};
    use super::super::{Diagnostic, LabelOptions};
    use super::*;
    use crate::core::model::route::Level;

    const HASH: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

    #[test]
    fn secret_name_is_parsed_and_a_bad_one_is_reported() {
        for item in ["secret:shop", " secret:shop "] {
            assert_eq!(name(item), Some(Ok("shop")), "{item}");
        }
        let longest = "a".repeat(64);
        for whole in ["shop.users-2_b", "2", &longest] {
            assert_eq!(name(&format!("secret:{whole}")), Some(Ok(whole)));
        }
        for user in [
            "alice:$2y$05$x",
            "secret:$2y$05$x",
            "secret:$$2y$$05$$x",
            "secret:$argon2id$x",
            "secret:{SHA}x",
            "Secret:shop",
            "secret",
        ] {
            assert_eq!(name(user), None, "{user}");
        }
        for (wrong, reason) in [
            ("", "names no secret after the colon"),
            ("no such", "has a blank in the name of a secret"),
            (" shop", "has a blank in the name of a secret"),
            ("../shadow", "has '/' in the name of a secret"),
            ("shop\u{7}", "has '\\u{7}' in the name of a secret"),
            ("bücher", "has 'ü' in the name of a secret"),
            (".hidden", "begins the name of a secret by '.'"),
            (
                &format!("{longest}a"),
                "has more than 64 characters in the name of a secret",
            ),
        ] {
            let item = format!("secret:{wrong}");
            let told = name(&item).map(|it| it.map_err(|it| it.reason));
            assert_eq!(told, Some(Err(reason.to_owned())), "{item}");
        }
    }

    /// The users of a label, and what is said; without `read` nobody has looked for secrets.
    fn users(value: &str, read: Option<Result<&str, &str>>) -> (Vec<String>, Vec<Diagnostic>) {
        let one =
            |read: Result<&str, &str>| (Arc::from("shop"), read.map(Arc::from).map_err(Arc::from));
        let options = LabelOptions {
            secrets: read.map(|read| std::iter::once(one(read)).collect()),
            ..LabelOptions::default()
        };
        let labels = [
            ("hiveway.routing.port_80", "a.example"),
            ("hiveway.routing.basic_auth", value),
        ];
        let (spec, diagnostics) = parsed_with(&options, REPLICATED, &labels, &[]);
        let guard = spec.policy.middleware.as_ref();
        let known = guard.and_then(|it| it.basic_auth.clone());
        // Whatever happens to a secret, its service is not open.
        let known = known.expect("it is guarded");
        (
            known.iter().map(|it| it.user.to_string()).collect(),
            diagnostics,
        )
    }

    #[test]
    fn users_come_from_the_secret_and_from_the_label() {
        let lines = format!("# ours\nalice:{HASH}\r\n\n bob:{HASH} \n");
        for (value, expected) in [
            ("secret:shop".to_owned(), &["alice", "bob"][..]),
            (
                format!("carol:{HASH}; secret:shop"),
                &["carol", "alice", "bob"][..],
            ),
            (
                format!("secret:{HASH}; secret:shop"),
                &["secret", "alice", "bob"][..],
            ),
        ] {
            let (users, said) = users(&value, Some(Ok(&lines)));
            assert_eq!(users, expected, "{value}");
            assert_eq!(said, [], "{value}");
        }
        assert_eq!(users("secret:shop", None), (vec![], vec![]));
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_told_and_shuts() {
        let twice = format!("alice:{HASH}\nalice:{HASH}");
        for (read, left, reason) in [
            (
                Err("no such file"),
                0,
                "none of its users is let in: no such file",
            ),
            (Ok(""), 0, "holds no user"),
            (Ok("# nobody\n"), 0, "holds no user"),
            (Ok("hunter2"), 0, "has a line 1 that has no colon"),
            (
                Ok("\nalice:hunter2\nhunter2"),
                0,
                "has 2 lines that cannot be read, the first of which, line 2,",
            ),
            (
                Ok(&*twice),
                1,
                "has a line 2 that names the user alice a second time",
            ),
        ] {
            let (users, diagnostics) = users("secret:shop", Some(read));
            assert_eq!(users.len(), left, "{reason}");
            let [(level, key, value, told)] = said(&diagnostics)[..] else {
                panic!("{diagnostics:?}");
            };
            assert_eq!(
                (level, key, value),
                (Level::Error, "hiveway.routing.basic_auth", "secret:shop")
            );
            assert!(told.contains(reason), "{told}");
            let shown = format!("{diagnostics:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains(HASH),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secrets = Secrets::from_iter([("shop".into(), Ok(HASH.into()))]);
        assert_eq!(format!("{secrets:?}"), "{\"shop\"}");
    }
}

//! `routing.basic_auth`: a user and the hash of the password, as `htpasswd -nB` writes them.
//!
//! # Design notes
//!
//! The work that a hash asks for is done by every gateway, so that a label could stop them all: what takes longer than
//! about a second, or more memory than 256 MiB, is refused.

use super::report::{LabelFault, shown};
use crate::core::model::middleware::{Credential, PasswordHash};

/// The greatest work factor of bcrypt, 2 to the power of this: about a second.
const MOST_COST: u32 = 14;
/// The most memory of Argon2, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// The most passes over it.
const MOST_PASSES: u32 = 16;

/// How to make one, for every remedy.
const HOW: &str =
    "write user:hash as `htpasswd -nB user` makes it, and in a stack file every $ twice";

/// One item: `user:hash`.
pub(super) fn parse(text: &str, before: &[Credential]) -> Result<Credential, LabelFault> {
    let Some((user, hash)) = text.split_once(':') else {
        return Err(LabelFault::error("has no colon between user and hash", HOW));
    };
    if user.is_empty() || user.contains(char::is_control) {
        return Err(LabelFault::error("names no user before the colon", HOW));
    }
    if before.iter().any(|other| *other.user == *user) {
        return Err(LabelFault::error(
            format!("names the user {} a second time", shown(user)),
            "keep one of the two",
        ));
    }
    check(hash)?;
    Ok(Credential {
        user: user.into(),
        hash: PasswordHash(hash.into()),
    })
}

fn check(hash: &str) -> Result<(), LabelFault> {
    let rest = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .find_map(|kind| hash.strip_prefix(kind));
    if let Some(rest) = rest {
        return bcrypt(rest);
    }
    let rest = ["$argon2id$", "$argon2i$", "$argon2d$"]
        .iter()
        .find_map(|kind| hash.strip_prefix(kind));
    if let Some(rest) = rest {
        return argon2(rest);
    }
    let reason = if hash.starts_with("$$") {
        return Err(LabelFault::error(
            "has every $ of its hash twice",
            "write them once here: only a stack file wants them twice",
        ));
    } else if hash.starts_with("$apr1$") || hash.starts_with("{SHA}") {
        "has a hash of MD5 or SHA-1, which is guessed too fast"
    } else if hash.starts_with('$') {
        "has a hash of an unknown kind; bcrypt and Argon2 are known"
    } else {
        "has no hash after the colon; passwords are not taken in plain text, and a stack file eats what follows a single $"
    };
    Err(LabelFault::error(reason, HOW))
}

/// `12$` and 53 characters.
fn bcrypt(rest: &str) -> Result<(), LabelFault> {
    let parts = rest.split_once('$');
    let cost = parts.and_then(|(cost, _)| (cost.len() == 2).then(|| cost.parse::<u32>().ok())?);
    let whole = parts.is_some_and(|(_, digest)| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        digest.len() == 53 && digest.bytes().all(allowed)
    });
    match cost {
        Some(4..=MOST_COST) if whole => Ok(()),
        Some(15..=31) if whole => Err(LabelFault::error(
            format!("asks for more work than 2 to the power of {MOST_COST} at every login"),
            "make the hash with a lower cost, such as `htpasswd -nB -C 10 user`",
        )),
        _ => Err(broken("bcrypt")),
    }
}

/// `v=19$m=65536,t=3,p=4$` salt `$` digest.
fn argon2(rest: &str) -> Result<(), LabelFault> {
    let parts: Vec<&str> = rest.split('$').collect();
    let [version, parameters, salt, digest] = *parts else {
        return Err(broken("Argon2"));
    };
    let base64 = |text: &str, least: usize| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        (least..=86).contains(&text.len()) && text.bytes().all(allowed) && text.len() % 4 != 1
    };
    let numbers: Option<Vec<u32>> = ["m=", "t=", "p="]
        .iter()
        .zip(parameters.split(','))
        .map(|(name, text)| text.strip_prefix(name)?.parse().ok())
        .collect();
    let well_formed = matches!(version, "v=16" | "v=19")
        && parameters.split(',').count() == 3
        && base64(salt, 11)
        && base64(digest, 16);
    match numbers.as_deref() {
        Some([memory, passes, lanes]) if well_formed => {
            // What the algorithm itself demands.
            let sound = *lanes >= 1 && *passes >= 1 && *memory >= lanes.saturating_mul(8);
            if !sound || *lanes > 64 {
                return Err(broken("Argon2"));
            }
            if *memory > MOST_MEMORY || *passes > MOST_PASSES {
                return Err(LabelFault::error(
                    format!(
                        "asks for more than {} MiB or {MOST_PASSES} passes at every login",
                        MOST_MEMORY / 1024
                    ),
                    "make the hash with less, such as m=19456,t=2,p=1",
                ));
            }
            Ok(())
        }
        _ => Err(broken("Argon2")),
    }
}

fn broken(kind: &str) -> LabelFault {
    LabelFault::error(format!("has a hash of {kind} that is not whole"), HOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
    const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$\
        CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn both_kinds_of_hashes_are_read() {
        for hash in [
            BCRYPT,
            &BCRYPT.replace("2y", "2b"),
            ARGON2,
            &ARGON2.replace("2id", "2i"),
        ] {
            let read = parse(&format!("alice:{hash}"), &[]);
            let expected = Credential {
                user: "alice".into(),
                hash: PasswordHash(hash.into()),
            };
            assert_eq!(read, Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let no_hash = "has no hash after the colon";
        let not_whole = "that is not whole";
        let item = |hash: &str| format!("alice:{hash}");
        for (text, reason) in [
            ("alice".to_owned(), "has no colon"),
            (format!(":{BCRYPT}"), "names no user"),
            (format!("bob:{BCRYPT}"), "names the user bob a second time"),
            (item(""), no_hash),
            (item("secret"), no_hash),
            (item("$1$abc"), "unknown kind"),
            (item("$apr1$abc$def"), "guessed too fast"),
            (
                item("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
                "guessed too fast",
            ),
            (
                item(&BCRYPT.replace('$', "$$")),
                "every $ of its hash twice",
            ),
            (item(&BCRYPT[..40]), not_whole),
            (item(&BCRYPT.replace("$05$", "$5$")), not_whole),
            (item(&BCRYPT.replace("$05$", "$03$")), not_whole),
            (
                item(&BCRYPT.replace("$05$", "$15$")),
                "more work than 2 to the power of 14",
            ),
            (item(&BCRYPT.replace("/", "!")), not_whole),
            (item(&ARGON2[..50]), not_whole),
            (item(&ARGON2.replace("m=19456", "m=4")), not_whole),
            (item(&ARGON2.replace("p=1", "p=0")), not_whole),
            (item(&ARGON2.replace("v=19", "v=18")), not_whole),
            (
                item(&ARGON2.replace("m=19456", "m=1000000")),
                "more than 256 MiB",
            ),
            (
                item(&ARGON2.replace("t=2", "t=1000")),
                "more than 256 MiB or 16 passes",
            ),
        ] {
            let before = [Credential {
                user: "bob".into(),
                hash: PasswordHash(BCRYPT.into()),
            }];
            let fault = parse(&text, &before).expect_err(&text);
            assert!(fault.reason.contains(reason), "{text}: {}", fault.reason);
            assert_eq!(fault.suggestion, None, "a suggestion would show the hash");
        }
    }
}

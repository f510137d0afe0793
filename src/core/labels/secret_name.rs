//! The grammar of `secret:NAME`, an item of `routing.basic_auth`.
//!
//! # Design notes
//!
//! A user may be called `secret`. The text after the colon decides: a hash begins with `$` or `{`, which a name never does.
//! Everything else is parsed as a name, so that a mistake in a name is not reported as a missing hash.

/// The longest name of a secret, in characters, that Docker accepts.
const LONGEST: usize = 64;

/// The secret that an item names, or the reason why it cannot be a name; `None` if the item is a user and a hash.
pub(super) fn parse(item: &str) -> Option<Result<&str, String>> {
    let name = item.trim().strip_prefix("secret:")?;
    if name.starts_with(['$', '{']) {
        return None;
    }

    let allowed = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    // A name that leads out of the folder of secrets is refused by its first character.
    let first = name.chars().next();
    let reason = match (first, name.chars().find(|it| !allowed(*it))) {
        (None, _) => "names no secret after the colon".to_owned(),
        (_, Some(' ')) => "has a blank in the name of a secret".to_owned(),
        (_, Some(wrong)) => format!("has {wrong:?} in the name of a secret"),
        (Some(first), _) if !first.is_ascii_alphanumeric() => {
            format!("begins the name of a secret by {first:?}")
        }
        _ if name.len() > LONGEST => {
            format!("has more than {LONGEST} characters in the name of a secret")
        }
        _ => return Some(Ok(name)),
    };
    Some(Err(reason))
}

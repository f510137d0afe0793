//! Which keys that cannot be read were meant to guard a service.
//!
//! # Design notes
//!
//! A service whose guard is misspelt would be open to everybody, without a sign of it: its owner believes it guarded, and its
//! clients are let in. So such a key shuts the service. A key that asks for something else and is misspelt must not, since that
//! would stop a service for a typing error that does no harm. What is near to a guard's name, or speaks of what only guards
//! are about, is taken for one: one slip per part, other separators, other groups, what follows behind it, and the names that
//! other proxies have for the same.

/// The guards there are, and those of later versions that would let everybody in where they are not known.
const GUARDS: [&[&str]; 5] = [
    &["basic", "auth"],
    &["allow", "cidrs"],
    &["forward", "auth"],
    &["policy"],
    &["gateways"],
];

/// Words that only guards have in their names.
const WORDS: [&str; 9] = [
    "auth",
    "authn",
    "authz",
    "authentication",
    "authorization",
    "cidr",
    "cidrs",
    "jwt",
    "oidc",
];

/// What other proxies call lists of clients, without separators: Traefik (`ipAllowList`, `ipWhiteList`), nginx (`allow`, `deny`)
/// and its ingress (`whitelist-source-range`, `denylist-source-range`).
const NAMES: [&str; 16] = [
    "allow",
    "allowedips",
    "allowip",
    "allowips",
    "allowlist",
    "blacklist",
    "deny",
    "denylist",
    "denylistsourcerange",
    "ipallowlist",
    "ipdenylist",
    "ipwhitelist",
    "policies",
    "sourcerange",
    "whitelist",
    "whitelistsourcerange",
];

/// Groups of keys that guard nothing, whatever they have in their names: headers, probes, and what is defined for other services.
const OTHERS: [&str; 5] = ["header", "headers", "probe", "policy", "outside"];

/// Whether a key that is refused, though its prefix is Hiveway's or nearly so, was meant for a guard.
pub(super) fn is_meant(key: &str) -> bool {
    let words = words(key);
    words.split_first().is_some_and(|(_, name)| is_name(name))
}

/// Whether a key without Hiveway's prefix was meant for a guard: its prefix is forgotten or misspelt.
pub(super) fn is_meant_by_other(key: &str) -> bool {
    let words = words(key);
    match &words[..] {
        [first, name @ ..] if first == ROUTING => {
            GUARDS.iter().any(|guard| name.concat() == guard.concat())
        }
        [first, second, ..] if second == ROUTING => {
            let slips = |prefix: &str| strsim::osa_distance(first, prefix) <= 2;
            ["hiveway", "aliyun"].into_iter().any(slips) && is_name(&words[1..])
        }
        _ => false,
    }
}

/// The group of all guards.
const ROUTING: &str = "routing";

/// A key's words in lower case, whatever separates them.
fn words(key: &str) -> Vec<String> {
    let words = key.split(|character: char| !character.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether this is the name of a guard or near to one, without a prefix.
fn is_name(words: &[String]) -> bool {
    let grouped = words
        .first()
        .is_some_and(|word| strsim::osa_distance(word, ROUTING) <= 2);
    let words = without_port(if grouped { &words[1..] } else { words });
    let Some(first) = words.first() else {
        return false;
    };
    if OTHERS.contains(&&**first) && words.len() > 1 && (!grouped || first.starts_with("header")) {
        return false;
    }

    let compact = words.concat();
    let speaks = |word: &String| {
        WORDS.contains(&&**word) || word.ends_with("auth") || word.ends_with("cidrs")
    };
    words.iter().any(speaks)
        || NAMES.contains(&&*compact)
        || GUARDS.iter().any(|guard| is_near(&words, &compact, guard))
}

/// The same without the port that `routing.port_N` has, and people write behind other keys, too.
fn without_port(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    while let Some(last) = words.pop() {
        let word = last.trim_end_matches(|character: char| character.is_ascii_digit());
        if !word.is_empty() && word != "port" {
            words.push(word.to_owned());
            break;
        }
    }
    words
}

/// Whether there is one slip in the whole, or one in each part.
fn is_near(words: &[String], compact: &str, guard: &[&str]) -> bool {
    let each = || {
        words
            .iter()
            .zip(guard)
            .all(|(word, known)| slips(word, known))
    };
    slips(compact, &guard.concat()) || words.len() == guard.len() && each()
}

/// Whether two words differ by one letter, or have the same letters in another order.
fn slips(written: &str, known: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    strsim::osa_distance(written, known) <= 1 || sorted(written) == sorted(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_for_a_guard_is_taken_for_one() {
        for key in [
            // Other spellings.
            "hiveway.routing.basicauth",
            "hiveway.routing.basic-auth",
            "hiveway.routing.basicAuth",
            "hiveway.routing.Basic_Auth",
            "hiveway.routing.basic.auth",
            "aliyun.routing.basic_auth ",
            "hiveway.routing.allow_cidr",
            "hiveway.routing.allowcidrs",
            "hiveway.routing.allow-cidrs",
            "aliyun.routing.allow_cidrs.",
            "hiveway.routing.allowed_cidrs",
            // Slips.
            "hiveway.routing.baisc_auth",
            "hiveway.routing.basci_atuh",
            "hiveway.routing.basic_aut",
            "hiveway.routing.basicath",
            "hiveway.routing.alow_cidrs",
            "hiveway.routing.allow_crids",
            "hiveway.routing.allowcidr",
            "hiveway.rooting.basic_auth",
            // Elsewhere, and with a port.
            "hiveway.basic_auth",
            "hiveway.allow_cidrs",
            "hiveway.auth",
            "hiveway.routing.basic_auth_80",
            "hiveway.routing.basic_auth.port_80",
            "hiveway.routing.allow_cidrs_8080",
            "hiveway.routing.port_80.basic_auth",
            // Of later versions.
            "hiveway.routing.forward_auth",
            "hiveway.routing.forward_auth.headers",
            "hiveway.routing.forwardauth",
            "hiveway.routing.policy",
            "hiveway.routing.policies",
            "hiveway.routing.polcy",
            "hiveway.routing.gateways",
            "hiveway.routing.gateway",
            "hiveway.policy",
            // As others name them.
            "hiveway.routing.auth",
            "hiveway.routing.digestauth.users",
            "hiveway.routing.basicauth.users",
            "hiveway.routing.ipwhitelist",
            "hiveway.routing.ip_allow_list",
            "hiveway.routing.whitelist-source-range",
            "hiveway.routing.deny",
            "hiveway.routing.oauth2",
            "hiveway.routing.jwt",
        ] {
            assert!(is_meant(key), "{key}");
        }
    }

    #[test]
    fn what_was_meant_for_something_else_is_not() {
        for key in [
            "hiveway.",
            "hiveway.routing",
            "hiveway.routing.port",
            "hiveway.routing.port_http",
            "hiveway.routing.prot_80",
            "hiveway.routing.wieght",
            "hiveway.routing.sticky",
            "hiveway.routing.balnce",
            "hiveway.routing.retry",
            "hiveway.routing.allow_cors",
            "hiveway.routing.allow_http",
            "hiveway.routing.cors.allow_origin",
            "hiveway.routing.forward_path",
            "hiveway.routing.forwarded",
            "hiveway.routing.gateway_timeout",
            "hiveway.routing.gateway_timeout_seconds",
            "hiveway.routing.base_path",
            "hiveway.routing.polling",
            "hiveway.routing.author",
            "hiveway.routing.authority",
            "hiveway.routing.path",
            "hiveway.routing.compres",
            "hiveway.routing.rate_limt",
            "hiveway.routing.max_body",
            "hiveway.routing.header.request.authorization",
            "hiveway.routing.headers.responce.x-auth",
            "hiveway.headers.request.x-auth",
            "hiveway.probe.basic_auth",
            "hiveway.probe.auth",
            "hiveway.policy.secure.routing.basic_auth",
            "hiveway.outside.nas.routing.allow_cidrs",
            "hiveway.scael",
            "hiveway.colour",
            "hiveway.note",
        ] {
            assert!(!is_meant(key), "{key}");
        }
    }

    #[test]
    fn a_guard_without_the_prefix_is_ours_if_no_other_tool_has_it() {
        for (key, ours) in [
            ("routing.basic_auth", true),
            ("routing.allow_cidrs", true),
            ("routing.allow-cidrs", true),
            ("hivewy.routing.basicauth", true),
            ("hiveway_routing_basic_auth", true),
            ("HIVE-WAY.routing.basic_auth", false),
            ("alyun.routing.allow_cidr", true),
            ("routing.auth", false),
            ("routing.port_80", false),
            ("basic_auth", false),
            ("hivewy.routing.weight", false),
            ("traefik.http.middlewares.a.basicauth.users", false),
            ("com.example.routing.basic_auth", false),
            ("caddy.basicauth", false),
        ] {
            assert_eq!(is_meant_by_other(key), ours, "{key}");
        }
    }
}

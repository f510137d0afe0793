//! The closed set of keys: which labels are Hiveway's, and what a wrong one may have meant.

use super::header::{self, Header};
use super::report::{LabelFault, shown};
use super::setting::Setting;
use super::{meaning, retired};

/// Under which name a label speaks to Hiveway; the order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Prefix {
    /// The product's own.
    Hiveway,
    /// That of the old product, whose compose files keep working.
    Aliyun,
}

/// What a label is about, under either prefix; the order is the one in which labels are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// `routing.port_N`: the routes to this port of the container.
    Port(u16),
    /// `routing.headers.request.NAME` or `routing.headers.response.NAME`.
    Header(Header),
    /// Any other.
    Setting(Setting),
}

/// Reads a label's key; none when the label is none of Hiveway's business.
pub(super) fn parse(written: &str) -> Result<Option<(Prefix, Key)>, LabelFault> {
    let Some((head, name)) = written.split_once('.') else {
        return Ok(None);
    };
    if let Some(prefix) = Prefix::named(head) {
        return match Key::named(name) {
            Some(key) => Ok(Some((prefix, key))),
            None => Err(refusal(prefix, name)),
        };
    }
    let lower = head.to_ascii_lowercase();
    if let Some(prefix) = Prefix::named(&lower) {
        let fault = LabelFault::error(
            "the key's prefix is not in lower case, so the label is not read",
            format!("write the prefix as {}.", prefix.as_str()),
        );
        return Err(fault.with_nearest(prefix, name));
    }
    // Labels of others are not looked at; one with a known key and almost our prefix is no other's.
    let misspelt = |prefix: &Prefix| strsim::osa_distance(&lower, prefix.as_str()) <= 2;
    match Prefix::ALL.into_iter().find(misspelt) {
        Some(prefix) if Key::named(name).is_some() => Err(LabelFault::error(
            "the key's prefix is misspelt, so the label is not read",
            format!("write the prefix as {}.", prefix.as_str()),
        )
        .with_nearest(prefix, name)),
        _ => Ok(None),
    }
}

impl Prefix {
    const ALL: [Self; 2] = [Self::Hiveway, Self::Aliyun];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prefix| prefix.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Hiveway => "hiveway",
            Self::Aliyun => "aliyun",
        }
    }
}

impl Key {
    /// The key of this name, which is what follows the prefix and its dot.
    fn named(name: &str) -> Option<Self> {
        if let Some(port) = name.strip_prefix(PORT) {
            return port_number(port).ok().map(Self::Port);
        }
        if let Some(header) = header::of_key(name) {
            return header.ok().map(Self::Header);
        }
        Setting::named(name).map(Self::Setting)
    }
}

const PORT: &str = "routing.port_";

/// A port in its one written form: decimal digits without a sign or a leading zero.
fn port_number(written: &str) -> Result<u16, &'static str> {
    if written.is_empty() {
        return Err("the key names no port");
    }
    if !written.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the key has a port that is not a number");
    }
    match written.parse() {
        Ok(0) | Err(_) => Err("the key has a port outside 1 to 65535"),
        Ok(_) if written.starts_with('0') => Err("the key has a port with a leading zero"),
        Ok(port) => Ok(port),
    }
}

/// Why a key under one of the prefixes is none.
fn refusal(prefix: Prefix, name: &str) -> LabelFault {
    if matches!(name, "" | "routing" | "routing." | "probe" | "probe.") {
        return LabelFault::error(
            "the key is only the beginning of one",
            format!("write a whole one, such as {}.{PORT}80", prefix.as_str()),
        );
    }
    if let Some(notice) = retired::notice(name) {
        return notice;
    }
    if let Some(Err(fault)) = header::of_key(name) {
        return fault;
    }
    let port = name
        .strip_prefix(PORT)
        .or((name == "routing.port").then_some(""));
    if let Some(Err(reason)) = port.map(port_number) {
        let remedy = format!(
            "write the container's port, such as {}.{PORT}80",
            prefix.as_str()
        );
        let fault = LabelFault::error(reason, remedy);
        let plain = port.unwrap_or_default().trim().trim_start_matches('0');
        return match port_number(plain) {
            Ok(port) => fault.suggesting(format!("{}.{PORT}{port}", prefix.as_str())),
            Err(_) => fault,
        };
    }
    if Key::named(&name.to_ascii_lowercase()).is_some() {
        return LabelFault::error(
            "the key is not in lower case, so the label is not read",
            "write the key in lower case",
        )
        .with_nearest(prefix, name);
    }
    let unknown = "the key is unknown";
    if let Some(meaning) = meaning::find(name) {
        let fault = LabelFault::error(unknown, meaning.remedy);
        return match meaning.key {
            Some(key) => fault.suggesting(format!("{}.{key}", prefix.as_str())),
            None => fault,
        };
    }
    LabelFault::error(
        unknown,
        "write one of the label reference (`hiveway labels`), or remove the label",
    )
    .with_nearest(prefix, name)
}

impl LabelFault {
    /// Suggests the known key that is nearest to this name, where one is near enough.
    fn with_nearest(self, prefix: Prefix, name: &str) -> Self {
        match nearest(name) {
            Some(near) => self.suggesting(format!("{}.{near}", prefix.as_str())),
            None => self,
        }
    }
}

/// How alike two names must be for one to be suggested; 1 is equal. At 0.7, three letters in ten may be wrong.
const ALIKE: f64 = 0.7;

fn nearest(name: &str) -> Option<String> {
    if shown(name) != name {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let headers = headers(&name).collect::<Vec<_>>();
    let name = name.replace('-', "_");
    let port = name.trim_start_matches(|character: char| !character.is_ascii_digit());
    let port = port_number(port).ok().map(|port| format!("{PORT}{port}"));
    let port = port.filter(|_| may_be_routing(&name));
    let known = Setting::NAMES
        .iter()
        .map(|(known, _)| (*known).to_owned())
        .chain(port);
    let (likeness, near) = known
        .map(|known| (likeness(&name, &known), known))
        .chain(headers)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (likeness >= ALIKE).then_some(near)
}

/// Whether a name has no group, or one that may be a slip for `routing`: to follow a suggestion of a port makes a route,
/// which a key of another group did not ask for.
fn may_be_routing(name: &str) -> bool {
    name.split_once('.')
        .is_none_or(|(group, _)| strsim::normalized_damerau_levenshtein(group, "routing") >= ALIKE)
}

/// The keys for the header that a name ends in, as alike as what stands before it.
fn headers(name: &str) -> impl Iterator<Item = (f64, String)> {
    let split = name.rsplit_once('.');
    header::PREFIXES.iter().filter_map(move |(prefix, _)| {
        let (before, header) = split?;
        let key = format!("{prefix}{header}");
        let well_formed = matches!(header::of_key(&key), Some(Ok(_)));
        let alike = strsim::normalized_damerau_levenshtein(before, prefix.trim_end_matches('.'));
        well_formed.then_some((alike, key))
    })
}

/// How alike a name and a known one are. To leave out the unit is a small slip; to mistake the group is a greater one.
fn likeness(name: &str, known: &str) -> f64 {
    let alike = |a: &str, b: &str| {
        let unitless = b.strip_suffix("_seconds").unwrap_or(b);
        strsim::normalized_damerau_levenshtein(a, b)
            .max(0.95 * strsim::normalized_damerau_levenshtein(a, unitless))
    };
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    alike(name, known).max(0.9 * alike(&last(name), &last(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::route::Level;

    #[test]
    fn every_known_key_is_read_under_both_prefixes() {
        for (head, prefix) in [("hiveway", Prefix::Hiveway), ("aliyun", Prefix::Aliyun)] {
            for (name, setting) in Setting::NAMES {
                let key = Ok(Some((prefix, Key::Setting(setting))));
                assert_eq!(parse(&format!("{head}.{name}")), key);
            }
            for port in [1, 80, 65_535] {
                let key = Ok(Some((prefix, Key::Port(port))));
                assert_eq!(parse(&format!("{head}.routing.port_{port}")), key);
            }
        }
    }

    #[test]
    fn labels_of_others_are_not_looked_at() {
        for key in [
            "",
            ".",
            "hiveway",
            "com.docker.stack.namespace",
            "traefik.enable",
            "other.scale",
            "routing.port_80",
            "hivewayx.unknown",
            "aliyuns.logs",
        ] {
            assert_eq!(parse(key), Ok(None), "{key:?}");
        }
    }

    #[test]
    fn a_wrong_key_says_why_and_what_it_may_have_meant() {
        let unknown = "the key is unknown";
        let case = "the key is not in lower case, so the label is not read";
        let prefix_case = "the key's prefix is not in lower case, so the label is not read";
        let prefix = "the key's prefix is misspelt, so the label is not read";
        let beginning = "the key is only the beginning of one";
        for (key, reason, suggestion) in [
            ("hiveway.", beginning, None),
            ("hiveway.routing", beginning, None),
            ("aliyun.probe.", beginning, None),
            ("hiveway.routing.port", "the key names no port", None),
            ("hiveway.routing.port_", "the key names no port", None),
            (
                "hiveway.routing.port_0",
                "the key has a port outside 1 to 65535",
                None,
            ),
            (
                "hiveway.routing.port_70000",
                "the key has a port outside 1 to 65535",
                None,
            ),
            (
                "hiveway.routing.port_http",
                "the key has a port that is not a number",
                None,
            ),
            (
                "hiveway.routing.port_+80",
                "the key has a port that is not a number",
                None,
            ),
            (
                "hiveway.routing.port_080",
                "the key has a port with a leading zero",
                Some("hiveway.routing.port_80"),
            ),
            (
                "aliyun.routing.port_80 ",
                "the key has a port that is not a number",
                Some("aliyun.routing.port_80"),
            ),
            (
                "Aliyun.Routing.Port_80",
                prefix_case,
                Some("aliyun.routing.port_80"),
            ),
            ("HIVEWAY.scale", prefix_case, Some("hiveway.scale")),
            ("hiveway.Probe.URL", case, Some("hiveway.probe.url")),
            (
                "hivewy.routing.port_80",
                prefix,
                Some("hiveway.routing.port_80"),
            ),
            (" aliyun.scale", prefix, Some("aliyun.scale")),
            (
                "hiveway.routing.prot_80",
                unknown,
                Some("hiveway.routing.port_80"),
            ),
            (
                "hiveway.routing.port-8080",
                unknown,
                Some("hiveway.routing.port_8080"),
            ),
            ("hiveway.port_80", unknown, Some("hiveway.routing.port_80")),
            (
                "hiveway.routing.sticky_session",
                unknown,
                Some("hiveway.routing.session_sticky"),
            ),
            ("hiveway.metrics.port_9090", unknown, None),
            (
                "hiveway.rooting.port_80",
                unknown,
                Some("hiveway.routing.port_80"),
            ),
            (
                "hiveway.routing.session-sticky",
                unknown,
                Some("hiveway.routing.session_sticky"),
            ),
            (
                "hiveway.probe.interval",
                unknown,
                Some("hiveway.probe.interval_seconds"),
            ),
            (
                "hiveway.probe.retries",
                unknown,
                Some("hiveway.routing.retries"),
            ),
            (
                "hiveway.routing.idle_timeout",
                unknown,
                Some("hiveway.routing.idle_timeout_seconds"),
            ),
            ("hiveway.url", unknown, Some("hiveway.probe.url")),
            (
                "hiveway.routing.header.request.x-tenant",
                unknown,
                Some("hiveway.routing.headers.request.x-tenant"),
            ),
            (
                "hiveway.routing.headers.responce.Server",
                unknown,
                Some("hiveway.routing.headers.response.server"),
            ),
            (
                "hiveway.routing.headers.response.",
                "the key names no header",
                None,
            ),
            (
                "hiveway.routing.basic-auth",
                unknown,
                Some("hiveway.routing.basic_auth"),
            ),
            ("hiveway.scael", unknown, Some("hiveway.scale")),
            ("hiveway.colour", unknown, None),
        ] {
            let fault = parse(key).unwrap_err();
            assert_eq!(
                (
                    fault.level,
                    fault.reason.as_str(),
                    fault.suggestion.as_deref()
                ),
                (Level::Error, reason, suggestion),
                "{key:?}"
            );
        }
    }

    #[test]
    fn a_retired_key_is_a_notice() {
        assert_eq!(parse("aliyun.global").unwrap_err().level, Level::Notice);
    }
}

//! The version of the Engine API that is spoken.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// The newest API that Hiveway speaks, Docker 28's. Docker 29 still accepts it (it refuses what is below 1.44), and from
/// 1.41 (Docker 20.10) on nothing that Hiveway reads or writes has changed.
const NEWEST: ApiVersion = ApiVersion {
    major: 1,
    minor: 51,
};

/// A version of the Engine API, such as 1.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u32,
    minor: u32,
}

/// The version to speak with an engine that speaks up to `newest` and, where it says so, refuses what is below `oldest`.
pub(super) fn agree(host: &str, newest: &str, oldest: Option<&str>) -> Result<ApiVersion, Error> {
    let parse = |version: &str| {
        version.parse::<ApiVersion>().map_err(|()| Error::Decode {
            host: host.into(),
            request: "GET /version".to_owned(),
            reason: format!("{version:?} is no API version"),
        })
    };
    let spoken = parse(newest)?.min(NEWEST);
    match oldest.map(parse).transpose()? {
        Some(oldest) if oldest > spoken => Err(Error::AgreeOnVersion {
            host: host.into(),
            oldest,
            newest: NEWEST,
        }),
        _ => Ok(spoken),
    }
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self {
            major: major.parse().map_err(drop)?,
            minor: minor.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_both_newest_versions_is_spoken() {
        for (newest, oldest, spoken) in [
            ("1.41", Some("1.12"), "1.41"),
            ("1.9", None, "1.9"),
            ("1.51", Some("1.24"), "1.51"),
            ("1.53", Some("1.44"), "1.51"),
            ("2.0", None, "1.51"),
            ("1.52", Some("1.51"), "1.51"),
        ] {
            let agreed = agree("tcp://engine", newest, oldest).unwrap();
            assert_eq!(agreed.to_string(), spoken, "{newest} {oldest:?}");
        }
    }

    #[test]
    fn an_engine_that_is_too_new_is_refused_with_the_remedy() {
        let error = agree("tcp://engine", "1.70", Some("1.60")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Docker engine at tcp://engine refuses API versions below 1.60, and this Hiveway speaks up to 1.51; \
             use a newer Hiveway"
        );
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1", "one.two", "1.-1", "1.4.1"] {
            let error = agree("tcp://engine", text, None).unwrap_err();
            assert!(matches!(error, Error::Decode { .. }), "{text:?}: {error}");
        }
    }
}

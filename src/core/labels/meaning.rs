//! Names that other products, or other parts of a stack file, use for what a label of ours does: a suggestion by letters
//! alone would miss them, or name something else.

/// A key under a name that is not ours.
pub(super) struct Meaning {
    /// The words, in lower case; of several parts, with dots.
    words: &'static [&'static str],
    /// The key that was meant, without a prefix; `None` where no key is.
    pub(super) key: Option<&'static str>,
    pub(super) remedy: &'static str,
}

/// What to write for most of them.
const THIS_KEY: &str = "write this key, or remove the label";

/// Words for guards are not among them: a guard that is misspelt has an answer of its own.
const MEANINGS: [Meaning; 12] = [
    Meaning {
        words: &["enable", "enabled", "expose", "exposed"],
        key: None,
        remedy: "remove the label: a service is routed as soon as it has a hiveway.routing.port_N label",
    },
    Meaning {
        words: &[
            "host",
            "hosts",
            "hostname",
            "domain",
            "domains",
            "rule",
            "server_name",
            "vhost",
            "virtual_host",
        ],
        key: Some("routing.port_80"),
        remedy: "write the host as the value of hiveway.routing.port_N, where N is the port that the container listens on",
    },
    Meaning {
        words: &["path", "paths", "path_prefix", "context_path"],
        key: None,
        remedy: "write the path behind the host: hiveway.routing.port_N: \"shop.example.com/path\"",
    },
    Meaning {
        words: &[
            "https",
            "ssl",
            "tls",
            "force_https",
            "force_ssl",
            "https_redirect",
            "entrypoint",
            "entrypoints",
        ],
        key: None,
        remedy: "write the host with its scheme: hiveway.routing.port_N: \"https://shop.example.com\"",
    },
    Meaning {
        words: &[
            "affinity",
            "session",
            "session_affinity",
            "sticky",
            "stickiness",
            "sticky_session",
            "sticky_sessions",
        ],
        key: Some("routing.session_sticky"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &[
            "timeout",
            "timeouts",
            "timeout_seconds",
            "read_timeout",
            "request_timeout",
            "proxy_read_timeout",
        ],
        key: Some("routing.response_timeout_seconds"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &[
            "algorithm",
            "lb",
            "load_balancer",
            "load_balancing",
            "loadbalancer",
            "strategy",
        ],
        key: Some("routing.balance"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &["concurrency", "max_connections", "maxconn"],
        key: Some("routing.max_in_flight"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &[
            "body_limit",
            "body_size",
            "client_max_body_size",
            "max_body",
            "max_body_size",
        ],
        key: Some("routing.max_body_bytes"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &["compression", "gzip"],
        key: Some("routing.compress"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &[
            "health",
            "health.path",
            "health.url",
            "health_check",
            "health_url",
            "healthcheck",
            "healthcheck.path",
            "healthcheck.url",
        ],
        key: Some("probe.url"),
        remedy: THIS_KEY,
    },
    Meaning {
        words: &["instances", "replicas"],
        key: Some("scale"),
        remedy: THIS_KEY,
    },
];

/// What a key without its prefix means. One that names another group than `routing` is not looked at.
pub(super) fn find(name: &str) -> Option<&'static Meaning> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let word = name.strip_prefix("routing.").unwrap_or(&name);
    MEANINGS.iter().find(|it| it.words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::key;
    use super::*;

    #[test]
    fn what_is_meant_is_a_key_and_no_word_is_one() {
        for meaning in &MEANINGS {
            for name in meaning.words {
                for written in [format!("hiveway.{name}"), format!("aliyun.routing.{name}")] {
                    assert!(key::parse(&written).is_err(), "{written}");
                }
            }
            if let Some(key) = meaning.key {
                let known = key::parse(&format!("hiveway.{key}"));
                assert!(matches!(known, Ok(Some(_))), "{key}");
            }
        }
    }
    #[test]
    fn a_word_of_others_suggests_what_it_means_here() {
        for (key, suggestion) in [
            ("hiveway.sticky", Some("hiveway.routing.session_sticky")),
            (
                "hiveway.routing.Sticky",
                Some("hiveway.routing.session_sticky"),
            ),
            (
                "hiveway.sticky-sessions",
                Some("hiveway.routing.session_sticky"),
            ),
            (
                "aliyun.timeout",
                Some("aliyun.routing.response_timeout_seconds"),
            ),
            (
                "hiveway.probe.timeout",
                Some("hiveway.probe.timeout_seconds"),
            ),
            ("hiveway.enable", None),
            ("hiveway.routing.enabled", None),
            ("hiveway.host", Some("hiveway.routing.port_80")),
            ("hiveway.routing.hosts", Some("hiveway.routing.port_80")),
            ("hiveway.routing.tls", None),
            ("hiveway.healthcheck", Some("hiveway.probe.url")),
            ("hiveway.replicas", Some("hiveway.scale")),
        ] {
            let fault = key::parse(key).unwrap_err();
            assert_eq!(fault.suggestion.as_deref(), suggestion, "{key}");
            assert_eq!(fault.reason, "the key is unknown", "{key}");
            if suggestion.is_none() {
                assert!(fault.remedy.contains("hiveway.routing.port_N"), "{key}");
            }
        }
    }
}

//! The keys of a service, as version 3 of the Compose file format has them in `docker stack`: the facts of
//! `cli/compose/schema/data/config_schema_v3.0.json` to `v3.13.json` of docker/cli, and of what it converts after that.

use super::deploy::DEPLOY;
use super::shape::{
    COMMAND, DURATION, Form, From, Key, Map, OPTIONS, Others, PAIRS, Shape, TEST,
    TEXT_NUMBER_OR_NULL, TEXT_OR_LIST, TEXT_OR_NUMBER, UNIQUE_TEXTS, among_others, exactly, key,
    since,
};

pub(super) const SERVICE: Map = Map {
    keys: &KEYS,
    others: Others::Extensions(7),
    required: &[],
};

const KEYS: [Key; 53] = [
    key("build", Shape::Either(&[Shape::Text, Shape::Map(&BUILD)])),
    key("cap_add", UNIQUE_TEXTS),
    key("cap_drop", UNIQUE_TEXTS),
    since(9, "cgroupns_mode", Shape::Text),
    key("cgroup_parent", Shape::Text),
    key("command", COMMAND),
    since(3, "configs", MOUNTED),
    key("container_name", Shape::Text),
    since(3, "credential_spec", Shape::Map(&CREDENTIAL_SPEC)),
    key("depends_on", UNIQUE_TEXTS),
    key("deploy", DEPLOY),
    key("devices", UNIQUE_TEXTS),
    key("dns", TEXT_OR_LIST),
    key("dns_search", TEXT_OR_LIST),
    key("domainname", Shape::Text),
    key("entrypoint", COMMAND),
    key("env_file", TEXT_OR_LIST),
    key("environment", PAIRS),
    key(
        "expose",
        Shape::List {
            items: &TEXT_OR_NUMBER,
            unique: true,
        },
    ),
    key("external_links", UNIQUE_TEXTS),
    key("extra_hosts", PAIRS),
    key("healthcheck", Shape::Map(&HEALTHCHECK)),
    key("hostname", Shape::Text),
    key("image", Shape::Text),
    since(7, "init", Shape::Boolean(From::Yaml)),
    key("ipc", Shape::Text),
    since(5, "isolation", Shape::Text),
    key("labels", PAIRS),
    key("links", UNIQUE_TEXTS),
    key("logging", Shape::Map(&LOGGING)),
    key("mac_address", Shape::Text),
    key("network_mode", Shape::Text),
    key("networks", NETWORKS),
    since(13, "oom_score_adj", Shape::Integer(From::Variable)),
    key("pid", Shape::Either(&[Shape::Text, Shape::Null])),
    key("ports", PORTS),
    key("privileged", Shape::Boolean(From::Variable)),
    key("read_only", Shape::Boolean(From::Variable)),
    key("restart", Shape::Text),
    since(1, "secrets", MOUNTED),
    key("security_opt", UNIQUE_TEXTS),
    key("shm_size", TEXT_OR_NUMBER),
    key("stdin_open", Shape::Boolean(From::Variable)),
    key("stop_grace_period", DURATION),
    key("stop_signal", Shape::Text),
    key("sysctls", PAIRS),
    key("tmpfs", TEXT_OR_LIST),
    key("tty", Shape::Boolean(From::Variable)),
    key("ulimits", Shape::Entries(&ULIMIT)),
    key("user", Shape::Text),
    key("userns_mode", Shape::Text),
    key(
        "volumes",
        Shape::List {
            items: &VOLUME,
            unique: false,
        },
    ),
    key("working_dir", Shape::Text),
];

const BUILD: Map = Map {
    keys: &[
        key("args", PAIRS),
        since(2, "cache_from", UNIQUE_TEXTS),
        key("context", Shape::Text),
        key("dockerfile", Shape::Text),
        since(9, "extra_hosts", PAIRS),
        since(3, "labels", PAIRS),
        since(4, "network", Shape::Text),
        since(5, "shm_size", TEXT_OR_NUMBER),
        since(4, "target", Shape::Text),
    ],
    others: Others::Taken(11),
    required: &[],
};

/// An item of `secrets` or `configs`.
const MOUNTED: Shape = Shape::List {
    items: &Shape::Either(&[
        Shape::Text,
        Shape::Map(&among_others(&[
            key("gid", Shape::Text),
            key("mode", Shape::Number(From::Variable)),
            key("source", Shape::Text),
            key("target", Shape::Text),
            key("uid", Shape::Text),
        ])),
    ]),
    unique: false,
};

const CREDENTIAL_SPEC: Map = exactly(&[
    since(8, "config", Shape::Text),
    key("file", Shape::Text),
    key("registry", Shape::Text),
]);

const HEALTHCHECK: Map = exactly(&[
    key("disable", Shape::Boolean(From::Variable)),
    key("interval", DURATION),
    key("retries", Shape::Count(From::Variable)),
    since(12, "start_interval", DURATION),
    since(4, "start_period", DURATION),
    key("test", TEST),
    key("timeout", DURATION),
]);

const LOGGING: Map = exactly(&[
    key("driver", Shape::Text),
    key("options", Shape::Entries(&TEXT_NUMBER_OR_NULL)),
]);

const NETWORKS: Shape = Shape::Either(&[
    UNIQUE_TEXTS,
    Shape::Named(&Shape::Either(&[
        Shape::Map(&exactly(&[
            key("aliases", UNIQUE_TEXTS),
            since(13, "driver_opts", OPTIONS),
            key("ipv4_address", Shape::Text),
            key("ipv6_address", Shape::Text),
        ])),
        Shape::Null,
    ])),
]);

const PORTS: Shape = Shape::List {
    items: &Shape::Either(&[
        Shape::Form(Form::Port),
        Shape::Since(
            2,
            &Shape::Map(&exactly(&[
                key("mode", Shape::Words(&["ingress", "host"])),
                key("protocol", Shape::Words(&["tcp", "udp", "sctp"])),
                key("published", Shape::Count(From::Variable)),
                key("target", Shape::Count(From::Variable)),
            ])),
        ),
    ]),
    unique: true,
};

const ULIMIT: Shape = Shape::Either(&[
    Shape::Integer(From::Variable),
    Shape::Map(&Map {
        keys: &[
            key("hard", Shape::Integer(From::Variable)),
            key("soft", Shape::Integer(From::Variable)),
        ],
        others: Others::Refused,
        required: &["soft", "hard"],
    }),
]);

const VOLUME: Shape = Shape::Either(&[
    Shape::Form(Form::Volume),
    Shape::Since(
        2,
        &Shape::Map(&Map {
            keys: &[
                key(
                    "bind",
                    Shape::Map(&among_others(&[key("propagation", Shape::Text)])),
                ),
                key("consistency", Shape::Text),
                key("read_only", Shape::Boolean(From::Variable)),
                key("source", Shape::Text),
                key("target", Shape::Text),
                since(
                    6,
                    "tmpfs",
                    Shape::Map(&among_others(&[key("size", Shape::Count(From::Yaml))])),
                ),
                key("type", Shape::Text),
                key(
                    "volume",
                    Shape::Map(&among_others(&[key(
                        "nocopy",
                        Shape::Boolean(From::Variable),
                    )])),
                ),
            ],
            others: Others::Refused,
            required: &["type"],
        }),
    ),
]);

//! The keys below `deploy`, and what Swarm takes as their values.

use super::shape::{DURATION, Form, From, Key, PAIRS, Shape, TEXTS, exactly, key, since};

pub(super) const DEPLOY: Shape = Shape::Either(&[
    Shape::Map(&exactly(&[
        since(2, "endpoint_mode", Shape::Words(&["vip", "dnsrr"])),
        key("labels", PAIRS),
        key(
            "mode",
            Shape::Words(&["replicated", "global", "replicated-job", "global-job"]),
        ),
        key("placement", PLACEMENT),
        key("replicas", Shape::Count(From::Variable)),
        key("resources", RESOURCES),
        key("restart_policy", RESTART_POLICY),
        since(7, "rollback_config", Shape::Map(&exactly(&ROLLBACK))),
        key("update_config", Shape::Map(&exactly(&UPDATE))),
    ])),
    Shape::Null,
]);

const ORDER: Shape = Shape::Words(&["start-first", "stop-first"]);

const UPDATE: [Key; 6] = [
    key("delay", DURATION),
    key(
        "failure_action",
        Shape::Words(&["pause", "continue", "rollback"]),
    ),
    key("max_failure_ratio", Shape::Number(From::Variable)),
    key("monitor", DURATION),
    since(4, "order", ORDER),
    key("parallelism", Shape::Count(From::Variable)),
];

/// A rollback cannot be rolled back.
const ROLLBACK: [Key; 6] = [
    key("delay", DURATION),
    key("failure_action", Shape::Words(&["pause", "continue"])),
    key("max_failure_ratio", Shape::Number(From::Variable)),
    key("monitor", DURATION),
    since(4, "order", ORDER),
    key("parallelism", Shape::Count(From::Variable)),
];

const PLACEMENT: Shape = Shape::Map(&exactly(&[
    key("constraints", TEXTS),
    since(8, "max_replicas_per_node", Shape::Count(From::Variable)),
    since(
        3,
        "preferences",
        Shape::List {
            items: &Shape::Map(&exactly(&[key("spread", Shape::Text)])),
            unique: false,
        },
    ),
]));

const RESOURCES: Shape = Shape::Map(&exactly(&[
    key(
        "limits",
        Shape::Map(&exactly(&[
            key("cpus", Shape::Form(Form::Cpus)),
            key("memory", Shape::Form(Form::Size)),
            since(9, "pids", Shape::Integer(From::Yaml)),
        ])),
    ),
    key(
        "reservations",
        Shape::Map(&exactly(&[
            key("cpus", Shape::Form(Form::Cpus)),
            since(5, "generic_resources", GENERIC_RESOURCES),
            key("memory", Shape::Form(Form::Size)),
        ])),
    ),
]));

const GENERIC_RESOURCES: Shape = Shape::List {
    items: &Shape::Map(&exactly(&[key(
        "discrete_resource_spec",
        Shape::Map(&exactly(&[
            key("kind", Shape::Text),
            key("value", Shape::Number(From::Yaml)),
        ])),
    )])),
    unique: false,
};

const RESTART_POLICY: Shape = Shape::Map(&exactly(&[
    key("condition", Shape::Words(&["none", "on-failure", "any"])),
    key("delay", DURATION),
    key("max_attempts", Shape::Count(From::Variable)),
    key("window", DURATION),
]));

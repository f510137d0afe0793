//! The keys of a volume that a plugin of the swarm keeps.

use super::shape::{Form, PAIRS, Shape, TEXTS, among_others, key};

pub(super) const CLUSTER_VOLUME: Shape = Shape::Map(&among_others(&[
    key("access_mode", ACCESS_MODE),
    key(
        "accessibility_requirements",
        Shape::Map(&among_others(&[
            key("preferred", TOPOLOGIES),
            key("requisite", TOPOLOGIES),
        ])),
    ),
    key("availability", Shape::Text),
    key(
        "capacity_range",
        Shape::Map(&among_others(&[
            key("limit_bytes", Shape::Form(Form::Size)),
            key("required_bytes", Shape::Form(Form::Size)),
        ])),
    ),
    key("group", Shape::Text),
    key(
        "secrets",
        Shape::List {
            items: &Shape::Map(&among_others(&[
                key("key", Shape::Text),
                key("secret", Shape::Text),
            ])),
            unique: false,
        },
    ),
]));

const ACCESS_MODE: Shape = Shape::Map(&among_others(&[
    key("block_volume", Shape::Entries(&Shape::Any)),
    key(
        "mount_volume",
        Shape::Map(&among_others(&[
            key("fs_type", Shape::Text),
            key("mount_flags", TEXTS),
        ])),
    ),
    key("scope", Shape::Text),
    key("sharing", Shape::Text),
]));

const TOPOLOGIES: Shape = Shape::List {
    items: &Shape::Map(&among_others(&[key("segments", PAIRS)])),
    unique: false,
};

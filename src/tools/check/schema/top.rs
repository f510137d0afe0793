//! The top level of a stack file, and what stands beside its services.

use super::cluster_volume::CLUSTER_VOLUME;
use super::service::SERVICE;
use super::shape::{From, Map, OPTIONS, Others, PAIRS, Shape, among_others, exactly, key, since};

pub(super) const TOP: Map = Map {
    keys: &[
        since(3, "configs", Shape::Named(&Shape::Map(&CONFIG))),
        key("networks", Shape::Entries(&NETWORK)),
        since(1, "secrets", Shape::Named(&Shape::Map(&SECRET))),
        key("services", Shape::Named(&Shape::Map(&SERVICE))),
        // It has rules of its own.
        key("version", Shape::Any),
        key("volumes", Shape::Named(&VOLUME)),
    ],
    others: Others::Extensions(4),
    required: &[],
};

const EXTERNAL: Shape = Shape::Either(&[
    Shape::Boolean(From::Variable),
    Shape::Map(&exactly(&[key("name", Shape::Text)])),
]);

const NETWORK: Shape = Shape::Either(&[
    Shape::Map(&Map {
        keys: &[
            since(2, "attachable", Shape::Boolean(From::Variable)),
            key("driver", Shape::Text),
            key("driver_opts", OPTIONS),
            key("external", EXTERNAL),
            key("internal", Shape::Boolean(From::Variable)),
            key("ipam", IPAM),
            key("labels", PAIRS),
            since(5, "name", Shape::Text),
        ],
        others: Others::Extensions(7),
        required: &[],
    }),
    Shape::Null,
]);

const IPAM: Shape = Shape::Map(&exactly(&[
    key(
        "config",
        Shape::List {
            items: &Shape::Map(&exactly(&[key("subnet", Shape::Text)])),
            unique: false,
        },
    ),
    key("driver", Shape::Text),
]));

const VOLUME: Shape = Shape::Either(&[
    Shape::Map(&Map {
        keys: &[
            key("driver", Shape::Text),
            key("driver_opts", OPTIONS),
            key("external", EXTERNAL),
            key("labels", PAIRS),
            since(4, "name", Shape::Text),
            since(10, "x-cluster-spec", CLUSTER_VOLUME),
        ],
        others: Others::Extensions(7),
        required: &[],
    }),
    Shape::Null,
]);

/// Of these Docker lets `external` have other keys, too.
const EXTERNAL_FILE: Shape = Shape::Either(&[
    Shape::Boolean(From::Variable),
    Shape::Map(&among_others(&[key("name", Shape::Text)])),
]);

const SECRET: Map = Map {
    keys: &[
        since(8, "driver", Shape::Text),
        since(8, "driver_opts", OPTIONS),
        key("external", EXTERNAL_FILE),
        key("file", Shape::Text),
        key("labels", PAIRS),
        since(5, "name", Shape::Text),
        since(8, "template_driver", Shape::Text),
    ],
    others: Others::Extensions(7),
    required: &[],
};

const CONFIG: Map = Map {
    keys: &[
        key("external", EXTERNAL_FILE),
        key("file", Shape::Text),
        key("labels", PAIRS),
        since(5, "name", Shape::Text),
        since(8, "template_driver", Shape::Text),
    ],
    others: Others::Extensions(7),
    required: &[],
};

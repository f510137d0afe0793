//! What to do where something has another form, or another place, in a stack than elsewhere.

use super::place::Place;
use super::shape::Shape;
use crate::tools::check::finding::Finding;
use crate::tools::check::yaml::{Entry, Node, Value};

/// The same of the top level.
const REFUSED_AT_TOP: [(&str, &str); 2] = [
    (
        "include",
        "give the other file by `-c`, or write out what it would bring",
    ),
    (
        "name",
        "remove it: a stack's name is given to `docker stack deploy`",
    ),
];

/// Keys of services in Compose and in other versions of the format, which Docker refuses in a stack, and what to do instead.
const REFUSED: [(&str, &str); 34] = [
    ("blkio_config", "remove it: Swarm has nothing for it"),
    ("cpu_count", "write `deploy.resources.limits.cpus`"),
    ("cpu_percent", "write `deploy.resources.limits.cpus`"),
    ("cpu_period", "write `deploy.resources.limits.cpus`"),
    ("cpu_quota", "write `deploy.resources.limits.cpus`"),
    ("cpu_shares", "write `deploy.resources.reservations.cpus`"),
    ("cpus", "write it below `deploy.resources.limits`"),
    ("cpuset", "remove it: Swarm does not bind tasks to CPUs"),
    (
        "develop",
        "remove it, or keep it in a file for Compose alone",
    ),
    ("device_cgroup_rules", "remove it: Swarm has nothing for it"),
    (
        "dns_opt",
        "remove it: Docker takes no options of DNS in a stack",
    ),
    (
        "extends",
        "write out what it would bring, or merge it by YAML anchors",
    ),
    (
        "gpus",
        "write `deploy.resources.reservations.generic_resources`",
    ),
    (
        "group_add",
        "remove it, or give the image a user that is in the group",
    ),
    ("log_driver", "write `logging.driver`"),
    ("log_opt", "write `logging.options`"),
    ("mem_limit", "write `deploy.resources.limits.memory`"),
    (
        "mem_reservation",
        "write `deploy.resources.reservations.memory`",
    ),
    ("mem_swappiness", "remove it: Swarm has nothing for it"),
    ("memswap_limit", "write `deploy.resources.limits.memory`"),
    ("net", "write `networks`"),
    ("oom_kill_disable", "remove it: Swarm has nothing for it"),
    ("pids_limit", "write `deploy.resources.limits.pids`"),
    (
        "platform",
        "write `deploy.placement.constraints`, such as node.platform.arch == x86_64",
    ),
    (
        "post_start",
        "remove it, or keep it in a file for Compose alone",
    ),
    (
        "pre_stop",
        "remove it, or keep it in a file for Compose alone",
    ),
    (
        "profiles",
        "remove it: a stack has no profiles, so keep such services in a file of their own",
    ),
    (
        "pull_policy",
        "remove it: `docker stack deploy --resolve-image` decides",
    ),
    (
        "runtime",
        "remove it: each engine's default runtime decides",
    ),
    ("scale", "write `deploy.replicas`"),
    ("storage_opt", "remove it: Swarm has nothing for it"),
    ("uts", "remove it: Swarm has nothing for it"),
    (
        "volume_driver",
        "write `driver` below the volume in the top-level `volumes`",
    ),
    (
        "volumes_from",
        "mount one volume of the top-level `volumes` in both services",
    ),
];

/// Keys of a service that Docker takes and does not use in a stack, and what to do instead: its own lists of unsupported
/// and deprecated properties, and `depends_on`, about which it is silent.
const IGNORED: [(&str, &str); 19] = [
    (
        "build",
        "build and push the image before, and name it by `image`",
    ),
    ("cgroup_parent", "remove it"),
    ("cgroupns_mode", "remove it"),
    (
        "container_name",
        "remove it: services reach each other by the service's name",
    ),
    (
        "depends_on",
        "remove it: what is routed gets requests once it passes its probe, whatever starts first",
    ),
    ("devices", "remove it"),
    ("domainname", "write all of the name as `hostname`"),
    (
        "expose",
        "remove it: services of one network reach all ports of each other",
    ),
    ("external_links", "attach both services to one network"),
    ("ipc", "remove it"),
    (
        "links",
        "attach both services to one network: they reach each other by their names",
    ),
    ("mac_address", "remove it"),
    (
        "network_mode",
        "write `networks`; for the host's network `networks: { host: {} }` with an external network `host`",
    ),
    ("pid", "remove it"),
    ("privileged", "remove it, or write `cap_add`"),
    ("restart", "write `deploy.restart_policy`"),
    ("security_opt", "remove it"),
    ("shm_size", "mount a `tmpfs` of that size on /dev/shm"),
    ("userns_mode", "remove it"),
];

/// What to do about a key that Docker does not know.
pub(super) fn of_key(key: &str, place: Place<'_>) -> Option<&'static str> {
    let refused = match place {
        Place::Top => &REFUSED_AT_TOP[..],
        Place::Entry { of: "services", .. } => &REFUSED[..],
        _ => return None,
    };
    let known = refused.iter().find(|(known, _)| *known == key);
    known.map(|(_, remedy)| *remedy)
}

/// Reports a key of a service that is accepted and not used.
pub(super) fn ignored(entry: &Entry, place: Place<'_>) -> Option<Finding> {
    if !matches!(place, Place::Entry { of: "services", .. }) {
        return None;
    }
    let (key, remedy) = IGNORED.iter().find(|(key, _)| *key == &*entry.key)?;
    let message = format!("Docker ignores `{key}` in a stack");
    Some(Finding::notice(entry.key_span, message, *remedy))
}

/// What to do about a value that is something else than it must be.
pub(super) fn of_value(node: &Node, shape: &Shape, key: &str) -> String {
    let takes_text = takes_text(shape);
    match &node.value {
        Value::Map(_) if key == "depends_on" => {
            "write the names alone, as in `depends_on: [db]`; Swarm waits for none of them".into()
        }
        Value::Scalar(scalar) if takes_text && !node.is_null() => {
            format!("write it in quotes, \"{}\"", scalar.text.escape_debug())
        }
        Value::Scalar(_) if node.is_null() => "write it out, or remove the key".into(),
        Value::Scalar(_) if takes_plain(shape) => "write it without quotes".into(),
        _ => match shape {
            Shape::Map(_) | Shape::Entries(_) | Shape::Named(_) => {
                "write `key: value` lines below it".into()
            }
            Shape::List { .. } => "write a list, as in [a, b]".into(),
            _ if takes_text => "write one value, in quotes".into(),
            _ => "write it in this form, or remove it".into(),
        },
    }
}

/// Whether it is a number or a boolean, which quotes make text of.
fn takes_plain(shape: &Shape) -> bool {
    match shape {
        Shape::Boolean(_) | Shape::Integer(_) | Shape::Count(_) | Shape::Number(_) => true,
        Shape::Either(shapes) => shapes.iter().any(takes_plain),
        _ => false,
    }
}

fn takes_text(shape: &Shape) -> bool {
    match shape {
        Shape::Text | Shape::Form(_) | Shape::Words(_) => true,
        Shape::Either(shapes) => shapes.iter().any(takes_text),
        _ => false,
    }
}

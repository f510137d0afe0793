//! Labels of the old product for which there is another form by now. They are named and otherwise ignored.

use super::report::Fault;

/// The keys without a prefix, where a star stands for any end, and what to do instead.
pub(super) const RETIRED: [(&str, &str); 9] = [
    ("global", "write `deploy.mode: global`"),
    ("rolling_updates", "write `deploy.update_config`"),
    (
        "rolling_updates.parallelism",
        "write `deploy.update_config`",
    ),
    (
        "depends",
        "remove it: an endpoint gets requests once it passes its probe, whatever starts first",
    ),
    (
        "latest_image",
        "deploy by `docker stack deploy --resolve-image always` or `docker service update --image`",
    ),
    (
        "lb.port_*",
        "publish the port by `ports:`, or route to it by hiveway.routing.port_N",
    ),
    (
        "proxy.*",
        "declare routes by hiveway.routing.port_N and steer them by the other hiveway.routing labels",
    ),
    ("log_store_*", "choose a log driver by `logging:`"),
    (
        "auto_scaling.*",
        "set a fixed number by hiveway.scale or `deploy.replicas`",
    ),
];

/// The notice for a key without its prefix; none when the old product had no such key.
pub(super) fn notice(name: &str) -> Option<Fault> {
    let is_named = |key: &str| match key.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == key,
    };
    let (_, instead) = RETIRED.iter().find(|(key, _)| is_named(key))?;
    Some(Fault::notice(
        "has no effect: the label is from before Swarm mode",
        *instead,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_retired_label_names_what_to_write_instead() {
        for (name, word) in [
            ("global", "deploy.mode: global"),
            ("rolling_updates", "deploy.update_config"),
            ("rolling_updates.parallelism", "deploy.update_config"),
            ("depends", "probe"),
            ("latest_image", "--resolve-image"),
            ("lb.port_80", "ports:"),
            ("proxy.VIRTUAL_HOST", "hiveway.routing.port_N"),
            ("log_store_access", "logging:"),
            ("auto_scaling.max_cpu", "deploy.replicas"),
        ] {
            let remedy = notice(name).map(|fault| fault.remedy).unwrap_or_default();
            assert!(remedy.contains(word), "{name}: {remedy}");
        }
        for name in ["", "globally", "rolling_updates.x", "lb", "proxy", "scale"] {
            assert_eq!(notice(name), None, "{name}");
        }
    }
}

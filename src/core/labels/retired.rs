//! Labels of the old product for which there is another form by now. They are named and otherwise ignored.

use super::report::LabelFault;

/// The keys without a prefix, where a star stands for any end, and what to do instead. They are those of the
/// documentation of Alibaba Cloud Container Service for Swarm ("Label description", "Custom routing", "Log Service",
/// "Node auto scaling", "Offline jobs") and of public stack files for it.
pub(super) const RETIRED: [(&str, &str); 20] = [
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
    (
        "addon",
        "remove it: the gateway routes to all services, and needs no helper in a stack",
    ),
    (
        "custom_addon",
        "remove it: the gateway routes to all services, and needs no helper in a stack",
    ),
    (
        "routing.coexist",
        "remove it: services that claim one host and path share it by hiveway.routing.weight",
    ),
    (
        "logs",
        "write logs to standard output, and choose a log driver by `logging:`",
    ),
    ("log_store_*", "choose a log driver by `logging:`"),
    (
        "log_ttl_*",
        "set how long logs are kept where the log driver of `logging:` sends them",
    ),
    (
        "log.*",
        "choose a log driver by `logging:`; `docker service logs --timestamps` shows the times of lines",
    ),
    (
        "monitoring.*",
        "let the service be scraped by a monitoring of its own; `deploy/observability` has one for what Hiveway measures",
    ),
    (
        "reschedule",
        "remove it: Swarm starts the tasks of a node that is down on another",
    ),
    (
        "project_type",
        "write `deploy.mode: replicated-job` for a job",
    ),
    ("retry_count", "write `deploy.restart_policy.max_attempts`"),
    (
        "remove_containers",
        "remove it: `docker swarm update --task-history-limit` sets the number of ended tasks that are kept",
    ),
    (
        "auto_scaling.*",
        "set a fixed number by hiveway.scale or `deploy.replicas`",
    ),
];

/// The notice for a key without its prefix; none when the old product had no such key.
pub(super) fn notice(name: &str) -> Option<LabelFault> {
    let is_named = |key: &str| match key.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == key,
    };
    let (_, instead) = RETIRED.iter().find(|(key, _)| is_named(key))?;
    Some(LabelFault::notice(
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
            ("addon", "the gateway routes to all services"),
            ("custom_addon", "the gateway routes to all services"),
            ("routing.coexist", "hiveway.routing.weight"),
            ("logs", "logging:"),
            ("log_store_access", "logging:"),
            ("log_ttl_dbstdout", "how long logs are kept"),
            ("log.timestamp", "--timestamps"),
            ("monitoring.port_9090", "monitoring of its own"),
            ("monitoring.path", "monitoring of its own"),
            ("reschedule", "Swarm starts"),
            ("project_type", "replicated-job"),
            ("retry_count", "max_attempts"),
            ("remove_containers", "--task-history-limit"),
            ("auto_scaling.max_cpu", "deploy.replicas"),
            ("auto_scaling.min_memory", "deploy.replicas"),
        ] {
            let remedy = notice(name).map(|fault| fault.remedy).unwrap_or_default();
            assert!(remedy.contains(word), "{name}: {remedy}");
        }
        for name in [
            "",
            "globally",
            "rolling_updates.x",
            "lb",
            "proxy",
            "scale",
            "log",
            "monitoring",
            "addons",
        ] {
            assert_eq!(notice(name), None, "{name}");
        }
    }
}

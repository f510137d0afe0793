//! What a stack file says, as far as it matters to Hiveway, with the place of everything.
//!
//! Read from each file, and merged as `docker stack deploy -c a -c b` does.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::read::{Reader, read};
use super::source::Span;
use crate::core::model::{Mode, Service};

/// One file, or several merged.
#[derive(Debug, Default)]
pub(super) struct Stack {
    pub(super) services: BTreeMap<Arc<str>, StackService>,
    pub(super) networks: BTreeMap<Arc<str>, StackNetwork>,
    /// What else services can use, with the file that it is made of.
    pub(super) declared: BTreeMap<(Section, Arc<str>), Option<Written<String>>>,
}

/// A part of the top level, from which services use by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Volumes,
    Secrets,
    Configs,
}

impl Section {
    const ALL: [Self; 3] = [Self::Volumes, Self::Secrets, Self::Configs];

    /// The section of this key; a service has its own under the same.
    pub(super) fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == key)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Volumes => "volumes",
            Self::Secrets => "secrets",
            Self::Configs => "configs",
        }
    }

    /// One of them, for people.
    pub(super) fn one(self) -> &'static str {
        match self {
            Self::Volumes => "volume",
            Self::Secrets => "secret",
            Self::Configs => "config",
        }
    }
}

/// Something of the top level that a service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) section: Section,
    pub(super) name: Arc<str>,
    pub(super) span: Span,
}

/// A service.
#[derive(Debug)]
pub(super) struct StackService {
    /// Its key in the first file that has it.
    pub(super) span: Span,
    /// `deploy.labels`.
    pub(super) labels: BTreeMap<String, Label>,
    /// `labels`.
    pub(super) container_labels: BTreeMap<String, Label>,
    /// Names of top-level networks, each where it is written; none: the service is on `default`.
    pub(super) networks: BTreeMap<Arc<str>, Span>,
    /// Whether its networks have another form than Docker takes, so that nothing is known of them.
    pub(super) networks_are_unread: bool,
    pub(super) uses: Vec<Use>,
    pub(super) env_files: Vec<Written<String>>,
    pub(super) has_image: bool,
    pub(super) mode: Option<Written<Mode>>,
    pub(super) replicas: Option<Written<u64>>,
    /// Whether an update starts a new task before it stops the old.
    pub(super) start_first: Option<Written<bool>>,
    pub(super) stop_grace_period: Option<Written<Duration>>,
    /// Whether a HEALTHCHECK is written, and not disabled.
    pub(super) has_healthcheck: bool,
    /// The image, with its variables replaced.
    pub(super) image: Option<String>,
    /// The ports that it publishes.
    pub(super) ports: Vec<Port>,
}

/// A port that a service publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) span: Span,
    /// The container's port; `None` for a range, and where it cannot be read.
    pub(super) target: Option<u16>,
    /// Whether Swarm publishes it through its ingress, which it does unless `mode: host` is written.
    pub(super) ingress: bool,
}

/// A label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) key_span: Span,
    pub(super) value: String,
    pub(super) value_span: Span,
}

/// A top-level network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StackNetwork {
    pub(super) span: Span,
    /// Whether it is there already.
    pub(super) external: bool,
    /// The name that is written.
    pub(super) name: Option<String>,
}

/// A value and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// The network of services that name none.
pub(super) const DEFAULT_NETWORK: &str = "default";

impl Stack {
    /// Adds a file that is given later: what it says goes before what was said, field by field; a top-level network is
    /// replaced as a whole.
    pub(super) fn merge(&mut self, later: Self) {
        for (name, service) in later.services {
            match self.services.get_mut(&name) {
                Some(earlier) => earlier.merge(service),
                None => drop(self.services.insert(name, service)),
            }
        }
        self.networks.extend(later.networks);
        self.declared.extend(later.declared);
    }

    /// The name by which Docker knows a network of this file; none for one that is not declared, and one that would be
    /// called after a stack that is not known.
    pub(super) fn network_name(&self, key: &str, stack: Option<&str>) -> Option<String> {
        let prefixed = || stack.map(|stack| format!("{stack}_{key}"));
        match self.networks.get(key) {
            Some(StackNetwork {
                name: Some(name), ..
            }) => Some(name.clone()),
            Some(StackNetwork { external: true, .. }) => Some(key.to_owned()),
            Some(_) => prefixed(),
            None if key == DEFAULT_NETWORK => prefixed(),
            None => None,
        }
    }
}

impl StackService {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            labels: BTreeMap::new(),
            container_labels: BTreeMap::new(),
            networks: BTreeMap::new(),
            networks_are_unread: false,
            uses: Vec::new(),
            env_files: Vec::new(),
            has_image: false,
            mode: None,
            replicas: None,
            start_first: None,
            stop_grace_period: None,
            has_healthcheck: false,
            image: None,
            ports: Vec::new(),
        }
    }

    fn merge(&mut self, later: Self) {
        self.labels.extend(later.labels);
        self.container_labels.extend(later.container_labels);
        self.networks.extend(later.networks);
        self.networks_are_unread |= later.networks_are_unread;
        self.uses.extend(later.uses);
        self.env_files.extend(later.env_files);
        self.has_image |= later.has_image;
        self.mode = later.mode.or(self.mode);
        self.replicas = later.replicas.or(self.replicas);
        self.start_first = later.start_first.or(self.start_first);
        self.stop_grace_period = later.stop_grace_period.or(self.stop_grace_period);
        self.has_healthcheck |= later.has_healthcheck;
        self.image = later.image.or(self.image.take());
        self.ports.extend(later.ports);
    }

    /// How Swarm will decide the number of its tasks.
    pub(super) fn mode(&self) -> Mode {
        let replicated = Mode::Replicated {
            // Docker's default.
            replicas: self.replicas.map_or(1, |it| it.value),
        };
        match self.mode.map(|mode| mode.value) {
            None | Some(Mode::Replicated { .. }) => replicated,
            Some(mode) => mode,
        }
    }

    /// The service that the swarm will have, by this name.
    pub(super) fn deployed(&self, name: &str) -> Service {
        let plain = |labels: &BTreeMap<String, Label>| {
            let labels = labels.iter();
            labels
                .map(|(key, label)| (key.clone(), label.value.clone()))
                .collect()
        };
        Service {
            id: name.into(),
            name: name.into(),
            mode: self.mode(),
            labels: plain(&self.labels),
            container_labels: plain(&self.container_labels),
            updating: false,
        }
    }

    /// The label of this key, which stands under the prefix that goes first.
    pub(super) fn label(&self, name: &str) -> Option<&Label> {
        let keys = ["hiveway.", "aliyun."].map(|prefix| format!("{prefix}{name}"));
        let labels = [&self.labels, &self.container_labels];
        let mut places = labels.into_iter().flat_map(|labels| {
            let keys = keys.iter();
            keys.map(move |key| labels.get(key))
        });
        places.find_map(|label| label)
    }
}

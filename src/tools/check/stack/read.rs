//! Reads one file's tree into a stack. What Docker would refuse is reported by [`schema`](crate::tools::check::schema); here it is
//! passed over.

mod deploy;
mod labels;
mod network;
mod ports;
mod uses;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::deploy::read_deploy;
use self::labels::read_labels;
use self::network::read_network;
use super::{Section, Stack, StackService, Written};
use crate::tools::check::duration;
use crate::tools::check::finding::{Finding, Findings};
use crate::tools::check::interpolation::{self, Variables};
use crate::tools::check::source::{Source, Span};
use crate::tools::check::yaml::{Entry, Kind, Node, Scalar, Value};

/// What reading needs, and what it finds.
pub(in crate::tools::check) struct Reader<'a> {
    pub(in crate::tools::check) source: &'a Source,
    pub(in crate::tools::check) variables: &'a Variables,
    pub(in crate::tools::check) findings: Findings,
    /// The service that is being read.
    service: Option<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub(in crate::tools::check) fn new(source: &'a Source, variables: &'a Variables) -> Self {
        Self {
            source,
            variables,
            findings: Findings::default(),
            service: None,
        }
    }
}

/// Reads a file.
pub(in crate::tools::check) fn read(root: &Node, reader: &mut Reader<'_>) -> Stack {
    let mut stack = Stack::default();
    for entry in root.entries().unwrap_or_default() {
        match &*entry.key {
            "services" => {
                for service in map(entry) {
                    reader.service = Some(Arc::clone(&service.key));
                    let read = read_service(service, reader);
                    stack.services.insert(Arc::clone(&service.key), read);
                    reader.service = None;
                }
            }
            "networks" => {
                for network in map(entry) {
                    let read = read_network(network, reader);
                    stack.networks.insert(Arc::clone(&network.key), read);
                }
            }
            key => {
                if let Some(section) = Section::named(key) {
                    for declared in map(entry) {
                        let file = uses::read_file(declared, reader);
                        let declared = (section, Arc::clone(&declared.key));
                        stack.declared.insert(declared, file);
                    }
                }
            }
        }
    }
    stack
}

fn read_service(entry: &Entry, reader: &mut Reader<'_>) -> StackService {
    let mut service = StackService::new(entry.key_span);
    // Only that it is not a service is reported.
    service.has_image = entry.node.entries().is_none();
    for entry in map(entry) {
        match &*entry.key {
            "labels" => service.container_labels = read_labels(entry, reader),
            "deploy" => read_deploy(entry, &mut service, reader),
            "env_file" => service.env_files = uses::read_env_files(entry, reader),
            "image" => {
                service.has_image = true;
                service.image = image(entry, reader);
            }
            "networks" => match network::read_names(entry, reader) {
                Some(names) => service.networks = names,
                None => service.networks_are_unread = true,
            },
            "stop_grace_period" => service.stop_grace_period = reader.duration(entry),
            "healthcheck" => service.has_healthcheck = has_healthcheck(&entry.node),
            "ports" => service.ports = ports::read_ports(entry, reader),
            key => {
                if let Some(section) = Section::named(key) {
                    let names = uses::read_names(section, entry, reader);
                    service.uses.extend(names);
                }
            }
        }
    }
    service
}

/// The image, where it is text; Docker complains of others.
fn image(entry: &Entry, reader: &Reader<'_>) -> Option<String> {
    match &entry.node.value {
        Value::Scalar(scalar) if scalar.kind == Kind::Text => {
            Some(reader.replaced(scalar, entry.node.span)?.value)
        }
        _ => None,
    }
}

/// Whether it does not disable the image's own.
fn has_healthcheck(node: &Node) -> bool {
    let entries = node.entries().unwrap_or_default();
    let value = |name| entries.iter().find(|entry| &*entry.key == name);
    let disabled = value("disable").is_some_and(|entry| {
        matches!(&entry.node.value, Value::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("true"))
    });
    let is_none = value("test").is_some_and(|entry| match &entry.node.value {
        Value::List(items) => items
            .first()
            .is_some_and(|it| matches!(&it.value, Value::Scalar(scalar) if scalar.text == "NONE")),
        Value::Scalar(_) | Value::Map(_) => false,
    });
    !disabled && !is_none
}

/// The entries of what should be a map.
fn map(entry: &Entry) -> &[Entry] {
    entry.node.entries().unwrap_or_default()
}

impl Reader<'_> {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(Finding {
            service: self.service.clone(),
            ..finding
        });
    }

    /// The text of a single value, with its variables replaced.
    pub(super) fn text(&self, node: &Node) -> Option<Written<String>> {
        match &node.value {
            Value::Scalar(scalar) if scalar.kind == Kind::Text => self.replaced(scalar, node.span),
            _ => None,
        }
    }

    /// The text of a scalar; what is wrong with its variables is reported elsewhere.
    pub(super) fn replaced(&self, scalar: &Scalar, span: Span) -> Option<Written<String>> {
        let replaced = interpolation::replace(&scalar.text, self.variables).ok()?;
        Some(Written {
            value: replaced.text,
            span,
        })
    }

    fn duration(&self, entry: &Entry) -> Option<Written<Duration>> {
        let Written { value, span } = self.text(&entry.node)?;
        let value = duration::parse(&value)?;
        Some(Written { value, span })
    }
}

/// The labels of one place, by their keys.
type Labels = BTreeMap<String, super::Label>;

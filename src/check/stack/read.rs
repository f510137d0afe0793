//! Reads one file's tree into a stack, and complains of what Docker would refuse.

mod deploy;
mod labels;
mod network;
mod ports;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::deploy::read_deploy;
use self::labels::read_labels;
use self::network::read_network;
use super::{Stack, StackService, Written};
use crate::check::duration;
use crate::check::finding::{Finding, Findings};
use crate::check::interpolation::{self, Variables};
use crate::check::source::{Source, Span};
use crate::check::yaml::{Entry, Kind, Node, Scalar, Value};

/// What reading needs, and what it finds.
pub(in crate::check) struct Reader<'a> {
    pub(in crate::check) source: &'a Source,
    pub(in crate::check) variables: &'a Variables,
    pub(in crate::check) findings: Findings,
    /// The service that is being read.
    service: Option<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub(in crate::check) fn new(source: &'a Source, variables: &'a Variables) -> Self {
        Self {
            source,
            variables,
            findings: Findings::default(),
            service: None,
        }
    }
}

/// The keys beside which a misspelt one is told of: without them Hiveway hears nothing of a service.
const SERVICE_KEYS: [&str; 5] = [
    "deploy",
    "healthcheck",
    "labels",
    "networks",
    "stop_grace_period",
];

/// Keys of a service that are near enough to one of the above to be taken for a slip of it.
const OTHER_KEYS: [&str; 1] = ["network_mode"];

/// Reads a file.
pub(in crate::check) fn read(root: &Node, reader: &mut Reader<'_>) -> Stack {
    let mut stack = Stack::default();
    let Some(entries) = root.entries() else {
        let span = beginning(root.span);
        let message = format!("a stack file is a map, and this is {}", root.what());
        let remedy = "begin with `services:`, and the services below it";
        reader.findings.push(Finding::error(span, message, remedy));
        return stack;
    };
    for entry in entries {
        match &*entry.key {
            "services" => {
                for service in reader.map(entry) {
                    reader.service = Some(Arc::clone(&service.key));
                    let read = read_service(service, reader);
                    stack.services.insert(Arc::clone(&service.key), read);
                    reader.service = None;
                }
            }
            "networks" => {
                for network in reader.map(entry) {
                    let read = read_network(network, reader);
                    stack.networks.insert(Arc::clone(&network.key), read);
                }
            }
            "include" => reader.elsewhere(entry),
            _ => {}
        }
    }
    if !entries.iter().any(|entry| &*entry.key == "services") {
        reader.misspelt(entries, &["services", "networks"], &[]);
    }
    stack
}

fn read_service(entry: &Entry, reader: &mut Reader<'_>) -> StackService {
    let mut service = StackService::new(entry.key_span);
    if entry.node.is_null() {
        let message = "the service is empty";
        let remedy = "write its image and the rest below it, or remove it";
        reader.error(entry.key_span, message, remedy);
        return service;
    }
    let entries = reader.map(entry);
    for entry in entries {
        match &*entry.key {
            "labels" => service.container_labels = read_labels(entry, reader),
            "deploy" => read_deploy(entry, &mut service, reader),
            "networks" => service.networks = network::read_names(entry, reader),
            "stop_grace_period" => service.stop_grace_period = reader.duration(entry),
            "healthcheck" => service.has_healthcheck = has_healthcheck(&entry.node),
            "image" => service.image = image(entry, reader),
            "ports" => service.ports = ports::read_ports(entry, reader),
            "extends" => reader.elsewhere(entry),
            _ => {}
        }
    }
    reader.misspelt(entries, &SERVICE_KEYS, &OTHER_KEYS);
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

impl Reader<'_> {
    pub(super) fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Finding::error(span, message, remedy));
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(Finding {
            service: self.service.clone(),
            ..finding
        });
    }

    /// Complains of what would be read from somewhere else, which only Compose does.
    fn elsewhere(&mut self, entry: &Entry) {
        let message = format!(
            "Docker refuses `{}` in a stack file, and what it would bring is not read here",
            entry.key
        );
        let remedy = "give the files behind each other, which merges them, or deploy what `docker compose config` \
                      makes of this one";
        self.error(entry.key_span, message, remedy);
    }

    /// The entries of what has to be a map; what is left empty is one.
    pub(super) fn map<'e>(&mut self, entry: &'e Entry) -> &'e [Entry] {
        if let Some(entries) = entry.node.entries() {
            return entries;
        }
        if !entry.node.is_null() {
            let what = entry.node.what();
            let message = format!("`{}` is a map, and this is {what}", entry.key);
            self.error(
                beginning(entry.node.span),
                message,
                "write `key: value` lines below it",
            );
        }
        &[]
    }

    /// The text of a single value, with its variables replaced; none where it is something else, or is refused.
    pub(super) fn text(&mut self, entry: &Entry) -> Option<Written<String>> {
        let span = entry.node.span;
        match &entry.node.value {
            Value::Scalar(scalar) if scalar.kind == Kind::Text => {
                Some(self.replaced(scalar, span)?)
            }
            _ => {
                let what = entry.node.what();
                let message = format!("`{}` is text, and this is {what}", entry.key);
                self.error(beginning(span), message, "write it in quotes");
                None
            }
        }
    }

    /// The text of a scalar; complaints about its variables are not this function's.
    pub(super) fn replaced(&self, scalar: &Scalar, span: Span) -> Option<Written<String>> {
        let replaced = interpolation::replace(&scalar.text, self.variables).ok()?;
        Some(Written {
            value: replaced.text,
            span,
        })
    }

    fn duration(&mut self, entry: &Entry) -> Option<Written<Duration>> {
        let Written { value, span } = self.text(entry)?;
        match duration::parse(&value) {
            Some(value) => Some(Written { value, span }),
            None => {
                let message = format!("{value:?} is no length of time");
                self.error(
                    span,
                    message,
                    "write numbers with units, such as 20s or 1m30s",
                );
                None
            }
        }
    }

    /// Tells of keys that are almost one of these. Docker refuses unknown ones, and says nothing of what was meant.
    pub(super) fn misspelt(&mut self, entries: &[Entry], known: &[&str], others: &[&str]) {
        for entry in entries {
            let key = &*entry.key;
            if known.contains(&key) || others.contains(&key) || key.starts_with("x-") {
                continue;
            }
            let key_lower = key.to_ascii_lowercase();
            let near = known.iter().find(|known| {
                key.len() < 32 && strsim::osa_distance(&key_lower, known) <= known.len() / 4
            });
            if let Some(near) = near {
                let message = format!("Docker knows no `{key}` here");
                let finding = Finding::error(entry.key_span, message, "mend the key, or remove it");
                self.add(finding.suggesting(Some((*near).to_owned())));
            }
        }
    }
}

/// A place without extent, for what may go on over many lines.
fn beginning(span: Span) -> Span {
    Span {
        end: span.start,
        ..span
    }
}

/// The labels of one place, by their keys.
type Labels = BTreeMap<String, super::Label>;

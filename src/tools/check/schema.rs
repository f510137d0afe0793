//! Whether a file has the shape that `docker stack deploy` takes.
//!
//! # Design notes
//!
//! * The format is a table ([`top`], [`service`], [`deploy`]), written in the words of [`shape`], with the version of the format
//!   that each key came with. To follow Docker is to add a row.
//! * Docker's own schema allows alternatives that only trying out can distinguish, so that its errors name the wrong one. Here
//!   alternatives differ in what YAML calls them, which is enough for all of the format.
//! * A value that several services share by an anchor is looked at once.

mod cluster_volume;
mod conflicts;
mod deploy;
mod form;
mod hints;
mod place;
mod service;
mod shape;
mod top;
mod value;
mod version;

use std::collections::HashSet;
use std::sync::Arc;

use self::place::Place;
use self::shape::{Key, Map, Others, Shape};
use self::value::Resolved;
pub(super) use self::version::{Version, mismatch};
use super::finding::{Finding, Findings};
use super::interpolation::Variables;
use super::source::{Source, Span};
use super::yaml::{Entry, Node, Value};
use crate::core::labels::shown;

/// Checks one file, and returns which version of the format it has; `None` where it is of another format altogether.
pub(super) fn check(
    root: &Node,
    source: &Source,
    variables: &Variables,
    findings: &mut Findings,
) -> Option<Version> {
    let Some(entries) = root.entries() else {
        let message = format!("a stack file is a map, and this is {}", root.what());
        let remedy = "begin with `services:`, and the services below it";
        findings.push(Finding::error(beginning(root.span), message, remedy));
        return None;
    };
    if let Some(finding) = version::of_first_format(entries) {
        findings.push(finding);
        return None;
    }
    let version = version::read(entries, source, findings);
    let mut walk = Walk {
        version: version.minor,
        variables,
        findings,
        seen: HashSet::new(),
        service: None,
    };
    walk.map(root, &top::TOP, Place::Top);
    Some(version)
}

struct Walk<'a> {
    version: u8,
    variables: &'a Variables,
    findings: &'a mut Findings,
    /// What was looked at, and as what.
    seen: HashSet<(*const Node, *const Shape)>,
    service: Option<Arc<str>>,
}

impl Walk<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(Finding::error(span, message, remedy));
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(Finding {
            service: self.service.clone(),
            ..finding
        });
    }

    fn node(&mut self, node: &Node, key_span: Span, shape: &'static Shape, place: Place<'_>) {
        let looked_at = (std::ptr::from_ref(node), std::ptr::from_ref(shape));
        if !self.seen.insert(looked_at) {
            return;
        }
        let resolved = match &node.value {
            Value::Scalar(scalar) => match value::resolve(scalar, self.variables) {
                Some(resolved) => Some(resolved),
                // The variables in it are reported already.
                None => return,
            },
            Value::List(_) | Value::Map(_) => None,
        };
        let Some(shape) = self.fitting(node, resolved.as_ref(), shape) else {
            self.unfit(node, key_span, shape, place);
            return;
        };
        match (shape, &node.value) {
            (Shape::List { items, unique }, Value::List(nodes)) => {
                let item = Place::Item(place.key());
                for node in nodes {
                    self.node(node, node.span, items, item);
                }
                if *unique {
                    self.unique(nodes, place.key());
                }
            }
            (Shape::Map(map), Value::Map(_)) => self.map(node, map, place),
            (Shape::Entries(shape), Value::Map(entries)) => {
                for entry in entries {
                    self.node(&entry.node, entry.key_span, shape, place.entry(&entry.key));
                }
            }
            (Shape::Named(shape), Value::Map(entries)) => self.named(entries, shape, place),
            (shape, Value::Scalar(_)) => {
                if let Some(Resolved { text, .. }) = &resolved
                    && let Err((reason, remedy)) = form::check(shape, text)
                {
                    let message = format!("{place}: \"{}\" {reason}", shown(text));
                    self.error(node.span, message, remedy);
                }
            }
            _ => {}
        }
    }

    /// The alternative that a value may be, by what YAML calls it.
    fn fitting(
        &self,
        node: &Node,
        resolved: Option<&Resolved>,
        shape: &'static Shape,
    ) -> Option<&'static Shape> {
        match shape {
            Shape::Either(shapes) => {
                let mut shapes = shapes.iter();
                shapes.find_map(|it| self.fitting(node, resolved, it))
            }
            Shape::Since(since, shape) if *since <= self.version => {
                self.fitting(node, resolved, shape)
            }
            Shape::Since(..) => None,
            Shape::Any => Some(shape),
            Shape::List { .. } => matches!(node.value, Value::List(_)).then_some(shape),
            Shape::Map(_) | Shape::Entries(_) | Shape::Named(_) => {
                matches!(node.value, Value::Map(_)).then_some(shape)
            }
            _ => resolved?.fits(shape).then_some(shape),
        }
    }

    fn unfit(&mut self, node: &Node, key_span: Span, shape: &Shape, place: Place<'_>) {
        let what = node.what();
        let expected = shape.expected(self.version);
        let span = match &node.value {
            Value::Scalar(_) if node.is_null() => key_span,
            Value::Scalar(_) => node.span,
            Value::List(_) | Value::Map(_) => beginning(node.span),
        };
        let message = format!("{place} must be {expected}, and this is {what}");
        self.error(span, message, hints::of_value(node, shape, place.key()));
    }

    fn named(&mut self, entries: &[Entry], shape: &'static Shape, place: Place<'_>) {
        for entry in entries {
            let allowed = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
            if entry.key.is_empty() || !entry.key.chars().all(allowed) {
                let message = format!(
                    "Docker refuses the name \"{}\" in `{}`",
                    shown(&entry.key),
                    place.key()
                );
                let remedy = "write letters, digits, dots, underscores and hyphens only";
                self.error(entry.key_span, message, remedy);
            }
            let services = matches!(place, Place::Key("services"));
            if services {
                self.service = Some(Arc::clone(&entry.key));
            }
            self.node(&entry.node, entry.key_span, shape, place.entry(&entry.key));
            if services {
                self.service = None;
            }
        }
    }

    fn map(&mut self, node: &Node, map: &'static Map, place: Place<'_>) {
        let entries = node.entries().unwrap_or_default();
        for entry in entries {
            let known = map.keys.iter().find(|key| *key.name == *entry.key);
            match known {
                Some(key) if key.since <= self.version => {
                    self.node(
                        &entry.node,
                        entry.key_span,
                        &key.shape,
                        Place::Key(key.name),
                    );
                    hints::ignored(entry, place)
                        .into_iter()
                        .for_each(|it| self.add(it));
                }
                Some(key) => self.too_new(entry, key),
                None => self.unknown(entry, map, place),
            }
        }
        for name in map.required {
            if !entries.iter().any(|entry| *entry.key == **name) {
                let message = format!("`{name}` is missing in {place}");
                self.error(beginning(node.span), message, "write it, too");
            }
        }
        for finding in conflicts::check(entries, place) {
            self.add(finding);
        }
    }

    fn too_new(&mut self, entry: &Entry, key: &Key) {
        let message = format!(
            "`{}` came with version 3.{} of the format, and this file is of version 3.{}",
            key.name, key.since, self.version
        );
        let remedy = format!(
            "write `version: \"3.{}\"` or above, or leave `version` out",
            key.since
        );
        self.error(entry.key_span, message, remedy);
    }

    fn unknown(&mut self, entry: &Entry, map: &Map, place: Place<'_>) {
        let key = &*entry.key;
        let hint = hints::of_key(key, place);
        let remedy = match map.others {
            Others::Taken(since) if since <= self.version => return,
            Others::Extensions(since) if key.starts_with("x-") => match since <= self.version {
                true => return,
                false => format!("write `version: \"3.{since}\"` or above, or leave `version` out"),
            },
            _ => match hint {
                Some(remedy) => remedy.into(),
                None => "correct the key, or remove it".into(),
            },
        };
        let message = format!("Docker knows no `{}` here", shown(key));
        let finding = Finding::error(entry.key_span, message, remedy);
        let names = map.keys.iter().filter(|it| it.since <= self.version);
        let near = match hint {
            Some(_) => None,
            None => nearest(key, names.map(|it| it.name)),
        };
        self.add(finding.suggesting(near.map(str::to_owned)));
    }

    fn unique(&mut self, nodes: &[Arc<Node>], key: &str) {
        let mut seen = std::collections::HashMap::new();
        for node in nodes {
            let Some(written) = value::canonical(node, self.variables) else {
                continue;
            };
            if let Some(first) = seen.get(&written) {
                let message = format!(
                    "this is in `{}` already, and Docker refuses the list",
                    shown(key)
                );
                let finding = Finding::error(shortened(node), message, "remove one of the two");
                self.add(finding.beside(*first, "here"));
                continue;
            }
            seen.insert(written, shortened(node));
        }
    }
}

/// The key that is nearest to a written one, if it is near enough to be a slip.
fn nearest(key: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if key.len() >= 32 {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let slips = known.map(|known| (strsim::osa_distance(&key, known), known));
    let (slips, near) = slips.min()?;
    (slips <= near.len() / 4).then_some(near)
}

/// The place of a value, without extent for what may go on over many lines.
fn shortened(node: &Node) -> Span {
    match &node.value {
        Value::Scalar(_) => node.span,
        Value::List(_) | Value::Map(_) => beginning(node.span),
    }
}

/// A place without extent, for what may go on over many lines.
pub(super) fn beginning(span: Span) -> Span {
    Span {
        end: span.start,
        ..span
    }
}

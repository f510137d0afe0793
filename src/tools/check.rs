//! Checks stack files before they are deployed: what Hiveway would say of their labels, and what it could not do, each with its
//! place.
//!
//! ```text
//! files ─► source ─► yaml (tree) ─┬─► variables
//!                                 ├─► schema
//!                                 └─► stack (read, merge) ─┬─► core::labels ─► labels
//!                                                          └─► references, reach, … ─► findings ─► format
//! ```
//!
//! [`check`] is a function from files and environment to findings; [`command`] reads the one and writes the other.
//! [`super::plan`] compares the services that it reads with those of a swarm.
//!
//! # Design notes
//!
//! * The files are read as `docker stack deploy` of Docker 28 reads them, oddities included. What it would refuse before it
//!   asks the swarm is an error: the shape and version of the whole file, names that are not declared, and files that are not
//!   there. What only the swarm knows is not looked at: whether images, nodes, external networks and secrets exist, and
//!   whether ports are free.
//! * What follows from an error is not reported as well: an unset variable is one finding, however often it is used.
//! * All that is cut down to a bound is bounded before it is read: [`LARGEST`] bytes a file, nesting, aliases, and
//!   [`MOST_FINDINGS`]. A file that somebody made to do harm ends in an error of its own.
//! * Nothing is guessed about what is not in the files: an image may bring a HEALTHCHECK, and Hiveway may be on more networks
//!   than `--network` says. Such findings are notices, or name what they assume.

mod claims;
pub mod command;
mod duration;
mod files;
mod finding;
mod format;
mod ingress;
mod interpolation;
mod labels;
mod lifetime;
mod reach;
mod redirects;
mod references;
mod schema;
mod source;
mod stack;
mod variables;
mod yaml;

use std::sync::Arc;

pub use self::files::Files;
pub use self::finding::Finding;
use self::finding::Findings;
pub use self::format::{Format, write};
pub use self::interpolation::Variables;
use self::schema::Version;
pub use self::source::{Position, Source, Span};
use self::stack::{Stack, StackService};
use self::variables::Unset;
use crate::core::labels::LabelOptions;
use crate::core::model::Service;
use crate::core::model::route::{Level, ServiceSpec};

/// The largest file that is read, in bytes.
pub const LARGEST: usize = 1 << 20;
/// How many findings are told; the worst are.
pub const MOST_FINDINGS: usize = 500;

/// What files are checked with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the label parser must know.
    pub labels: LabelOptions,
    /// The networks that gateways are attached to (`--network`).
    pub networks: Vec<Arc<str>>,
    /// The stack's name, which Docker puts in front of the names of services and networks; none where it is not known.
    pub stack: Option<Arc<str>>,
    /// What variables are replaced by.
    pub variables: Variables,
    /// How files that a stack file names are read; none: they are not looked at.
    pub files: Option<Files>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// All findings, in the order of the files.
    pub findings: Vec<Finding>,
    /// How many more there were than [`MOST_FINDINGS`].
    pub more: usize,
    /// The services that the swarm would have; none where a file cannot be read.
    pub services: Vec<Service>,
    /// How many of them have routes.
    pub routed: usize,
}

impl Checked {
    /// How many findings are of this level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let same = self.findings.iter().filter(|it| it.level == level);
        same.count()
    }
}

/// A service of the files, and what its labels declare.
struct Read<'a> {
    name: &'a Arc<str>,
    service: &'a StackService,
    spec: ServiceSpec,
}

/// Checks the files, which are merged as `docker stack deploy` merges them.
#[must_use]
pub fn check(sources: &[Source], options: &Options) -> Checked {
    let mut findings = Findings::default();
    let mut stack = Stack::default();
    let mut whole = true;
    let mut unset = Unset::default();
    let mut first = None;
    for (file, source) in sources.iter().enumerate() {
        match read(file, source, options, &mut unset, &mut findings) {
            Some((read, version)) => {
                let first = *first.get_or_insert(version);
                findings.extend(schema::mismatch(first, version));
                stack.merge(read);
            }
            None => whole = false,
        }
    }
    if whole && stack.services.is_empty() && !findings.has_errors() {
        let message = "there is no service, so that Docker deploys nothing";
        let remedy = "write `services:`, and the services below it";
        findings.push(Finding::error(Span::default(), message, remedy));
    }
    let mut checked = Checked::default();
    // Half of what belongs together would give findings that are none.
    if whole {
        let mut read = Vec::new();
        let mut said = Vec::new();
        for (name, service) in &stack.services {
            let deployed = match &options.stack {
                Some(stack) => service.deployed(&format!("{stack}_{name}")),
                None => service.deployed(name),
            };
            let (spec, diagnostics) = crate::core::labels::parse(&deployed, &options.labels);
            said.extend(diagnostics.into_iter().map(|it| (it, name, service)));
            checked.services.push(deployed);
            read.push(Read {
                name,
                service,
                spec,
            });
        }
        // To find the place of one takes time, and no more are told than these, the worst.
        said.sort_by_key(|(diagnostic, _, _)| std::cmp::Reverse(diagnostic.level));
        findings.beyond += said.len().saturating_sub(MOST_FINDINGS);
        said.truncate(MOST_FINDINGS);
        let said = said.iter();
        findings.extend(said.map(|(it, name, service)| labels::locate(it, name, service, sources)));
        checked.routed = read.iter().filter(|it| !it.spec.routes.is_empty()).count();
        references::check(&stack, &read, options, &mut findings);
        reach::check(&stack, &read, options, &mut findings);
        claims::check(&read, sources, &mut findings);
        redirects::check(&read, &mut findings);
        lifetime::check(&read, &mut findings);
        ingress::check(&read, &mut findings);
    }
    unset.tell(sources, &mut findings);
    (checked.findings, checked.more) = findings.worst(MOST_FINDINGS);
    checked
}

/// Reads one file; none where that is not possible, which is told of.
fn read(
    file: usize,
    source: &Source,
    options: &Options,
    unset: &mut Unset,
    findings: &mut Findings,
) -> Option<(Stack, Version)> {
    let at = |start| Span {
        file,
        start,
        end: start,
    };
    if source.cut {
        let message = format!("the file is larger than {} MiB", LARGEST >> 20);
        let remedy = "a stack file has some kilobytes: check what made this one";
        findings.push(Finding::error(at(0), message, remedy));
        return None;
    }
    if let Some(broken) = source.broken {
        let message = "the file is not UTF-8: what stands here is no text";
        findings.push(Finding::error(at(broken), message, "save it as UTF-8"));
        return None;
    }
    let before = findings.len();
    let Some(root) = yaml::read(file, source, findings) else {
        if findings.len() == before {
            let message = "the file is empty";
            let remedy = "begin with `services:`, and the services below it";
            findings.push(Finding::error(at(0), message, remedy));
        }
        return None;
    };
    variables::check(&root, source, &options.variables, unset, findings);
    let version = schema::check(&root, source, &options.variables, findings)?;
    let mut reader = stack::Reader::new(source, &options.variables);
    let stack = stack::read(&root, &mut reader);
    findings.append(reader.findings);
    Some((stack, version))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

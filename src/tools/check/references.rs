//! What services use that has to stand elsewhere in the files, or beside them.

use std::sync::Arc;

use super::files::Files;
use super::finding::{Finding, Findings};
use super::source::Span;
use super::stack::{DEFAULT_NETWORK, Stack, Written};
use super::{Options, Read};
use crate::core::labels::shown;

/// The number of names that are compared for a suggestion, and their longest length in bytes.
const NEAR: usize = 64;

/// Reports what Docker refuses when it deploys the stack: names that are not declared, services without an image, and
/// files that are not there.
pub(super) fn check(
    stack: &Stack,
    services: &[Read<'_>],
    options: &Options,
    findings: &mut Findings,
) {
    for read in services {
        for (key, span) in &read.service.networks {
            if &**key == DEFAULT_NETWORK || stack.networks.contains_key(key) {
                continue;
            }
            let known = stack.networks.keys();
            let remedy = format!(
                "add `{}: {{ external: true }}` to the top-level `networks`",
                shown(key)
            );
            let finding = undeclared("network", key, *span, remedy, known);
            findings.push(finding.of(read.name));
        }
        for used in &read.service.uses {
            let section = used.section;
            let known = stack.declared.keys().filter(|(it, _)| *it == section);
            let mut known = known.map(|(_, name)| name);
            if known.clone().any(|it| *it == used.name) {
                continue;
            }
            let remedy = format!(
                "add `{}` to the top-level `{}`",
                shown(&used.name),
                section.as_str()
            );
            let known = known.by_ref();
            let finding = undeclared(section.one(), &used.name, used.span, remedy, known);
            findings.push(finding.of(read.name));
        }
        if !read.service.has_image {
            let message = "the service has no image, and Docker deploys none without";
            let remedy = "name one by `image`; what `build` makes is pushed before";
            let finding = Finding::error(read.service.span, message, remedy);
            findings.push(finding.of(read.name));
        }
    }
    if let Some(files) = &options.files {
        read_files(stack, services, files, findings);
    }
}

fn undeclared<'a>(
    what: &str,
    name: &Arc<str>,
    span: Span,
    remedy: String,
    known: impl Iterator<Item = &'a Arc<str>>,
) -> Finding {
    let near = known.take(NEAR);
    let near = near.filter(|it| name.len().max(it.len()) < NEAR);
    let near = near.map(|known| (strsim::osa_distance(name, known), known));
    let near = near.min().filter(|(slips, _)| *slips <= 2);
    let message = format!("the {what} {} is not declared in these files", shown(name));
    let finding = Finding::error(span, message, remedy);
    finding.suggesting(near.map(|(_, near)| near.to_string()))
}

/// How many files are looked at: a stack file names a dozen, and one that names thousands is made to do harm.
const MOST_FILES: usize = 1000;

fn read_files(stack: &Stack, services: &[Read<'_>], files: &Files, findings: &mut Findings) {
    let env_files = services.iter().flat_map(|read| {
        let files = read.service.env_files.iter();
        files.map(move |file| (read.name, file))
    });
    for (service, Written { value, span }) in env_files.take(MOST_FILES) {
        if let Err(reason) = files.environment(value) {
            let message = format!("Docker refuses the file {}: {reason}", shown(value));
            let remedy = "write it, with lines as in KEY=value; its path begins where the first stack file is";
            findings.push(Finding::error(*span, message, remedy).of(service));
        }
    }

    let declared = stack.declared.iter();
    let declared = declared.filter_map(|((section, _), file)| Some((section, file.as_ref()?)));
    for (section, Written { value, span }) in declared.take(MOST_FILES) {
        if let Err(reason) = files.exists(value) {
            let one = section.one();
            let message = format!(
                "Docker refuses the file {} of a {one}: {reason}",
                shown(value)
            );
            let remedy = "write it; its path begins where the first stack file is";
            findings.push(Finding::error(*span, message, remedy));
        }
    }
}

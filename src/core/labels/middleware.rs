//! The labels that let requests in, change them, or answer them: what their values set.

use std::sync::Arc;

use super::LabelOptions;
use super::header::{self, Header, Side};
use super::label::Label;
use super::report::{LabelFault, Report};
use super::setting::Setting;
use super::{credential, list, network, users};
use crate::core::model::middleware::{Credential, Middleware};
use crate::core::model::route::RoutingPolicy;

/// Reads a setting whose value is a list; none where it is not. Whether anything of it was accepted.
pub(super) fn read_list(
    setting: Setting,
    label: Label<'_>,
    policy: &mut RoutingPolicy,
    options: &LabelOptions,
    report: &mut Report,
) -> Option<bool> {
    match setting {
        Setting::AllowCidrs => {
            let empty = LabelFault::error(
                "names no network, so that no client is let in",
                "write networks such as 10.0.0.0/8, or remove the label to let everybody in",
            );
            let parse = |text: &str, _: &[_]| network::parse(text);
            let networks = list::read(label, &[',', ';'], empty, report, parse);
            let accepted = !networks.is_empty();
            if accepted {
                policy.middleware_mut().allow = Some(networks);
            }
            Some(accepted)
        }
        Setting::BasicAuth => {
            let empty = LabelFault::error(
                "names no user, so that nobody is let in",
                "write user:hash or secret:NAME, several separated by semicolons, or remove the label",
            );
            let items = list::read(label, &[';'], empty, report, who);
            let accepted = !items.is_empty();
            if accepted {
                let mut known = Vec::new();
                for item in items {
                    match item {
                        Who::User(user) => known.push(user),
                        Who::Secret(secret) => {
                            let secrets = options.secrets.as_ref();
                            users::add(&secret, secrets, label, &mut known, report);
                        }
                    }
                }
                policy.middleware_mut().basic_auth = Some(known);
            }
            Some(accepted)
        }
        _ => None,
    }
}

/// Who is let in by an item of `routing.basic_auth`.
enum Who {
    User(Credential),
    Secret(Arc<str>),
}

fn who(text: &str, before: &[Who]) -> Result<Who, LabelFault> {
    if let Some(secret) = users::name(text) {
        return Ok(Who::Secret(secret?.into()));
    }
    let users = before.iter().filter_map(|who| match who {
        Who::User(user) => Some(user.clone()),
        Who::Secret(_) => None,
    });
    credential::parse(text, &users.collect::<Vec<_>>()).map(Who::User)
}

/// Shuts what a label was meant to guard, where nothing of it could be read: to leave it open would be the worse mistake.
pub(super) fn shut(setting: Setting, policy: &mut RoutingPolicy) {
    match setting {
        Setting::AllowCidrs => policy.middleware_mut().allow = Some(Vec::new()),
        Setting::BasicAuth => policy.middleware_mut().basic_auth = Some(Vec::new()),
        _ => {}
    }
}

/// Sets a header.
pub(super) fn set_header(
    header: &Header,
    value: &str,
    policy: &mut RoutingPolicy,
) -> Result<(), LabelFault> {
    let value = header::value(value)?;
    let middleware = policy.middleware_mut();
    let headers = match header.side {
        Side::Request => &mut middleware.request_headers,
        Side::Response => &mut middleware.response_headers,
    };
    headers.insert(header.name.clone(), value);
    Ok(())
}

/// Leaves no trace of labels that ask for nothing.
pub(super) fn settle(policy: &mut RoutingPolicy) {
    let idle = |middleware: &Arc<Middleware>| **middleware == Middleware::default();
    policy.middleware = policy.middleware.take().filter(|it| !idle(it));
}

#[cfg(test)]
mod tests;

//! A plan for people.

use std::fmt::Write as _;

use super::{Plan, Sign};

/// How lines begin.
impl Sign {
    fn as_str(self) -> &'static str {
        match self {
            Self::Comes => "+",
            Self::Changes => "~",
            Self::Goes => "-",
        }
    }

    /// Green, yellow and red.
    fn colour(self) -> &'static str {
        match self {
            Self::Comes => "\u{1b}[32m",
            Self::Changes => "\u{1b}[33m",
            Self::Goes => "\u{1b}[31m",
        }
    }
}

/// Writes a plan, each change in a line.
pub(super) fn write(plan: &Plan, stack: &str, colours: bool) -> String {
    let mut text = String::new();
    let mut add = |indent: &str, sign: Sign, what: &str| {
        let what: String = what.chars().filter(|it| !it.is_control()).collect();
        let _ = match colours {
            true => writeln!(
                text,
                "{indent}{}{} {what}\u{1b}[0m",
                sign.colour(),
                sign.as_str()
            ),
            false => writeln!(text, "{indent}{} {what}", sign.as_str()),
        };
    };
    for service in &plan.services {
        let endpoints = match service.endpoints {
            0 => String::new(),
            1 => " (1 task serves now)".to_owned(),
            some => format!(" ({some} tasks serve now)"),
        };
        add(
            "",
            service.sign,
            &format!("service {}{endpoints}", service.name),
        );
        for line in &service.lines {
            add("    ", line.sign, &line.what);
        }
    }
    for name in &plan.names {
        add("", name.sign, &format!("name {}", name.what));
    }
    for service in &plan.left {
        let _ = writeln!(
            text,
            "  service {service} is not in these files and stays as it is; docker stack deploy --prune removes it"
        );
    }
    let count = |sign| plan.services.iter().filter(|it| it.sign == sign).count();
    let _ = match plan.is_empty() {
        true => writeln!(text, "stack {stack}: nothing changes for clients"),
        false => writeln!(
            text,
            "stack {stack}: {} to come, {} to change, {} to go",
            count(Sign::Comes),
            count(Sign::Changes),
            count(Sign::Goes)
        ),
    };
    text
}

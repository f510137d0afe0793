//! The flag reference for people, made of what clap knows: every command with its flags, their variables and defaults.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

const OPENING: &str = "<!-- Made by `make docs` from the flags of src/cli.rs and below: edit those. -->

# Commands and flags

`hiveway COMMAND --help` says the same of one command, `hiveway man` of all as a manual page. A flag wins over its variable, and the
variable over the default.

Exit status of every command: 0 when all went well, 64 for a mistake on the command line, such as a stack file that cannot be read, 1
for everything else. What a command adds to that is told below.

| variable without a flag | meaning |
|---|---|
| `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` | As Docker's own tools read them: the engine, and how to reach it by TLS |
| `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT` | As OpenTelemetry reads them, where `--otlp-endpoint` is not given |
| `OTEL_SERVICE_NAME` | What the collector knows the gateways as; `hiveway` unless it is set |
| `HIVEWAY_LOG` | Which log lines are written, such as `debug` or `info,h2=debug`; lines of other crates are counted, and written only where they are named |
| `NO_COLOR`, `TERM=dumb` | No colours, on terminals either |
";

/// The whole reference, as Markdown.
#[must_use]
pub fn page() -> String {
    let mut typed = super::Typed::command();
    typed.build();
    let mut page = OPENING.to_owned();
    for command in typed.get_subcommands() {
        tell(command, &mut page);
    }
    page
}

fn tell(command: &Command, page: &mut String) {
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(|it| escaped(&it.to_string()));
    let about = about.unwrap_or_default();
    let _ = write!(page, "\n## hiveway {}\n\n{about}\n", command.get_name());
    let arguments = command
        .get_arguments()
        .filter(|it| !matches!(it.get_id().as_str(), "help" | "version"));
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        page.push_str("\n| flag | variable | default | meaning |\n|---|---|---|---|\n");
        page.push_str(&rows.concat());
    }
}

fn row(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let value = names.first().map(|it| it.as_str()).unwrap_or_default();
    let name = match argument.get_long() {
        Some(long) if takes_value => format!("`--{long} {value}`"),
        Some(long) => format!("`--{long}`"),
        None => format!("`{value}`"),
    };
    let variable = argument.get_env().map(|it| it.to_string_lossy());
    let variable = variable.map_or(String::new(), |it| format!("`{it}`"));
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = help.map(ToString::to_string).unwrap_or_default();
    // A default that clap does not know stands at the end of the help.
    let told = meaning
        .split_once(" [default: ")
        .map(|(before, after)| (before.to_owned(), after.trim_end_matches(']').to_owned()));
    let default = match (told, argument.get_default_values()) {
        (Some((before, default)), _) => {
            meaning = before;
            escaped(&default)
        }
        (None, [default]) if takes_value => format!("`{}`", default.to_string_lossy()),
        (None, _) if argument.is_required_set() => "has to be given".to_owned(),
        (None, _) if matches!(argument.get_action(), ArgAction::SetTrue) => "off".to_owned(),
        (None, _) => "none".to_owned(),
    };
    let mut meaning = escaped(&meaning);
    if takes_value {
        for value in argument.get_possible_values() {
            let help = value
                .get_help()
                .map(|it| format!(": {}", escaped(&it.to_string())));
            let _ = write!(
                meaning,
                "<br>`{}`{}",
                value.get_name(),
                help.unwrap_or_default()
            );
        }
    }
    format!("| {name} | {variable} | {default} | {meaning} |\n")
}

/// A text in which Markdown finds nothing but text, and a table no border.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut code = false;
    for character in text.chars() {
        code ^= character == '`';
        match character {
            '*' | '<' | '[' | '_' if !code => escaped.extend(['\\', character]),
            '|' => escaped.push_str("\\|"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_row_that_says_what_it_means() {
        let page = page();
        let mut typed = super::super::Typed::command();
        typed.build();
        let run = typed.find_subcommand("run").expect("a command");
        for argument in run.get_arguments().filter(|it| it.get_id() != "help") {
            let long = argument.get_long().expect("run has flags only");
            let row = page
                .lines()
                .find(|it| it.starts_with(&format!("| `--{long}")));
            let row = row.expect(long);
            assert!(row.contains("| `HIVEWAY_"), "{row}");
            assert_eq!(row.matches(" | ").count(), 3, "{row}");
            assert!(row.len() > 60, "{row}");
        }
        for whole in [
            "| `--listen-public ADDRESS` | `HIVEWAY_LISTEN_PUBLIC` | `off` | Where the outside connects",
            "| `--edge` | `HIVEWAY_EDGE` | off | Have no engine",
            "| `--log-format FORMAT` | `HIVEWAY_LOG_FORMAT` | `human` | How log lines look<br>`human`: For people",
            "| `--admin-token-file FILE` | `HIVEWAY_ADMIN_TOKEN_FILE` | has to be given | The file",
            "| the number of processors | Threads that serve requests |",
            "| `FILE` |  | has to be given | Stack files, merged",
        ] {
            assert!(page.contains(whole), "{whole} in {page}");
        }
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("X-* | `a*|b` <c>"), "X-\\* \\| `a*\\|b` \\<c>");
    }
}

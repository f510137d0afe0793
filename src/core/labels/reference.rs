//! The label reference for people: the page of [`super`], the list of keys, and what is said of one.
//!
//! The page is written once, beside the parser, and read here, so that the source's documentation, `hiveway labels` and
//! `deploy/reference/labels.md` are one text. The tests hold its tables against the keys, their defaults and their examples.

use std::fmt::Write as _;

use super::header;
use super::key::{self, Key};
use super::retired::RETIRED;
use super::setting::Setting;

/// The file whose documentation is the reference.
const SOURCE: &str = include_str!("../labels.rs");

/// Sections for those who read the source.
const INTERNAL: [&str; 2] = ["What is not built yet", "Design notes"];

/// How the keys of routes stand in the reference.
const PORT: &str = "routing.port_N";

const OPENING: &str = r#"<!-- Made by `make docs` from the documentation of src/core/labels.rs: edit that. -->

# Labels

All that services can say to Hiveway. `hiveway labels` prints this page and `hiveway labels KEY` what it says of one key;
`hiveway check FILE` finds the mistakes in a stack file before it is deployed.

```yaml
version: "3.8"
services:
  shop:
    image: nginx
    networks: [mesh]
    deploy:
      replicas: 2
      labels:
        hiveway.routing.port_80: "shop.example.com; www.example.com/shop"
        hiveway.probe.url: "http://container:80/health"
networks:
  mesh: { external: true }
```
"#;

/// A part of the page under one heading.
struct Section {
    title: &'static str,
    lines: Vec<&'static str>,
}

/// What a row of the page's tables says of a key.
struct Row {
    key: &'static str,
    values: &'static str,
    /// None for what is off unless it is written.
    default: Option<&'static str>,
    meaning: &'static str,
}

/// The whole reference, as Markdown.
#[must_use]
pub fn page() -> String {
    let sections = sections();
    let mut page =
        format!("{OPENING}\n## All keys\n\n| key | for example | told under |\n|---|---|---|\n");
    for section in &sections {
        let port = section.title.contains(PORT).then_some(PORT);
        for key in port.into_iter().chain(section.rows().map(|row| row.key)) {
            let (title, example) = (section.title, example(key));
            let anchor = anchor(title);
            let _ = writeln!(page, "| `{key}` | `{example}` | [{title}](#{anchor}) |");
        }
    }
    for Section { title, lines } in &sections {
        let _ = write!(page, "\n## {title}\n{}", lines.join("\n"));
    }
    page.push_str("\n## Keys of the old clusters\n\nThese had a meaning before Swarm mode. They get a notice, and have no effect.\n");
    page.push_str("\n| key | what to do instead |\n|---|---|\n");
    for (key, instead) in RETIRED {
        let _ = writeln!(page, "| `{key}` | {instead} |");
    }
    page
}

/// What the reference says of one key, which may be written without a prefix.
///
/// # Errors
///
/// What is wrong with the key, and which may have been meant, in a line.
pub fn tell(written: &str) -> Result<String, String> {
    let known = ["hiveway.", "aliyun."];
    let whole = match known.iter().any(|prefix| written.starts_with(prefix)) {
        true => written.replace("port_N", "port_80"),
        false => format!("hiveway.{}", written.replace("port_N", "port_80")),
    };
    let key = match key::parse(&whole) {
        Ok(Some((_, Key::Port(_)))) => PORT.to_owned(),
        Ok(Some((_, Key::Setting(setting)))) => setting.name().to_owned(),
        Ok(Some((_, Key::Header(set)))) => {
            let of_side = header::PREFIXES.iter().find(|(_, side)| *side == set.side);
            let (prefix, _) = of_side.expect("each side has its prefix");
            format!("{prefix}NAME")
        }
        Ok(None) => return Err(format!("{written} is no label of Hiveway's")),
        Err(fault) => {
            let meant = fault.suggestion.map(|it| format!(" (did you mean {it}?)"));
            let (reason, remedy) = (fault.reason, fault.remedy);
            let meant = meant.unwrap_or_default();
            return Err(format!("{written}: {reason}{meant}: {remedy}"));
        }
    };
    let mut told = format!("hiveway.{key}: \"{}\"\n", example(&key));
    for section in sections() {
        if key == PORT && section.title.contains(PORT) {
            let _ = write!(told, "{}", section.lines.join("\n"));
        }
        let Some(row) = section.rows().find(|row| row.key == key) else {
            continue;
        };
        let default = row.default.unwrap_or("off");
        let _ = write!(
            told,
            "\n  values   {}\n  default  {default}\n\n{}\n",
            row.values, row.meaning
        );
        for block in section.blocks_about(&key) {
            let _ = write!(told, "\n{block}\n");
        }
    }
    Ok(told)
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in SOURCE.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if let Some(title) = line.strip_prefix("# ") {
            let lines = Vec::new();
            sections.push(Section { title, lines });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        }
    }
    sections.retain(|section| !INTERNAL.contains(&section.title));
    sections
}

impl Section {
    /// The rows of its tables of keys.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let mut has_default = None;
        self.lines.iter().filter_map(move |line| {
            let cells: Vec<&'static str> = match line.strip_prefix("| ") {
                Some(cells) => cells.trim_end_matches(" |").split(" | ").collect(),
                None => {
                    has_default = has_default.filter(|_| line.starts_with('|'));
                    return None;
                }
            };
            match (&*cells, has_default) {
                (["key", .., "meaning"], _) => {
                    has_default = Some(cells.contains(&"default"));
                    None
                }
                ([key, values, default, meaning], Some(true)) => Some(Row {
                    key: key.trim_matches('`'),
                    values,
                    default: Some(default),
                    meaning,
                }),
                ([key, values, meaning], Some(false)) => Some(Row {
                    key: key.trim_matches('`'),
                    values,
                    default: None,
                    meaning,
                }),
                _ => None,
            }
        })
    }

    /// Its paragraphs that name the key, each with the table that follows it.
    fn blocks_about(&self, key: &str) -> Vec<String> {
        let last = key.rsplit('.').next().unwrap_or_default();
        let names = [format!("`{key}`"), format!("`{last}`")];
        let blocks = self.lines.split(|line| line.is_empty());
        let mut named = false;
        let about = blocks.filter(|block| {
            let table = block.first().is_some_and(|line| line.starts_with('|'));
            let of_keys = block
                .first()
                .is_some_and(|line| line.starts_with("| key |"));
            let text = block.join(" ");
            named = match table {
                true => named && !of_keys,
                false => names.iter().any(|name| text.contains(name)),
            };
            named
        });
        about.map(|block| block.join("\n")).collect()
    }
}

/// What GitHub calls the place of a heading.
fn anchor(title: &str) -> String {
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_');
    let lower = title.to_lowercase();
    lower
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// A value that the key may have.
fn example(key: &str) -> &'static str {
    match key {
        PORT => "shop.example.com; *.example.com/api",
        "routing.headers.request.NAME" => "blue",
        "routing.headers.response.NAME" => "no-store",
        _ => {
            let setting = Setting::named(key);
            setting
                .expect("the tests know every key of the page")
                .example()
        }
    }
}

impl Setting {
    const fn example(self) -> &'static str {
        match self {
            Self::SessionSticky => "false",
            Self::Balance => "least_request",
            Self::Weight => "10",
            Self::Network => "backend",
            Self::StripPrefix => "true",
            Self::Retries => "1",
            Self::ConnectTimeout => "0.5",
            Self::ResponseTimeout => "120",
            Self::IdleTimeout => "3600",
            Self::MaxInFlight => "64",
            Self::Hold => "15",
            Self::SlowStart => "30",
            Self::Hsts => "31536000",
            Self::Redirect => "https://www.example.com",
            Self::AllowCidrs => "10.0.0.0/8, 192.0.2.7",
            Self::RateLimit => "20",
            Self::BasicAuth => "alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
            Self::MaxBodyBytes => "10485760",
            Self::Compress => "true",
            Self::ProbeUrl => "http://container:80/health",
            Self::ProbeCommand => "pg_isready -q",
            Self::ProbeInitialDelay => "5",
            Self::ProbeTimeout => "1",
            Self::ProbeInterval => "5",
            Self::ProbeRise => "2",
            Self::ProbeFall => "3",
            Self::Scale => "3",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{REPLICATED, parsed};
    use super::*;
    use crate::core::model::route::{Level, ServiceSpec};

    fn rows() -> Vec<Row> {
        sections()
            .iter()
            .flat_map(|it| it.rows().collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn the_page_has_one_row_for_every_key_and_none_for_another() {
        let rows = rows();
        let told: BTreeSet<String> = rows.iter().map(|row| row.key.to_owned()).collect();
        let headers = header::PREFIXES.map(|(prefix, _)| format!("{prefix}NAME"));
        let settings = Setting::NAMES.map(|(name, _)| name.to_owned());
        let known: BTreeSet<String> = settings.into_iter().chain(headers).collect();
        assert_eq!(told, known);
        assert_eq!(rows.len(), known.len(), "no key is told twice");
        assert!(page().contains(&format!("| `{PORT}` |")));
    }

    #[test]
    fn documented_default_equals_the_value_without_the_label() {
        let mut tried = 0;
        for row in rows() {
            let value = row
                .default
                .and_then(|it| it.strip_prefix('`')?.strip_suffix('`'));
            let (Some(value), Some(setting)) = (value, Setting::named(row.key)) else {
                continue;
            };
            let mut spec = ServiceSpec::default();
            assert_eq!(
                setting.apply(value, REPLICATED, &mut spec),
                Ok(()),
                "{}",
                row.key
            );
            assert_eq!(spec, ServiceSpec::default(), "{}", row.key);
            tried += 1;
        }
        assert!(tried > 10, "{tried} defaults");
    }

    #[test]
    fn every_example_is_accepted() {
        let ports = [PORT.to_owned()].into_iter();
        for key in ports.chain(rows().iter().map(|row| row.key.to_owned())) {
            let label = format!("hiveway.{key}").replace("port_N", "port_81");
            let written = [
                ("hiveway.routing.port_80", "a.example"),
                (&label, example(&key)),
            ];
            let (_, said) = parsed(REPLICATED, &written, &[]);
            let refused = said.iter().find(|it| it.level == Level::Error);
            assert_eq!(refused, None, "{key}");
        }
    }

    #[test]
    fn a_key_is_told_with_what_belongs_to_it() {
        for (key, words) in [
            (
                "routing.weight",
                vec![
                    "hiveway.routing.weight: \"10\"",
                    "0 to 100",
                    "default  `100`",
                ],
            ),
            (
                "aliyun.routing.balance",
                vec!["`peak_ewma`", "A valid cookie"],
            ),
            ("routing.port_8080", vec!["semicolons", "`*.example.com`"]),
            (
                "routing.headers.request.x-tenant",
                vec!["Sets this header of requests", "default  off"],
            ),
            ("hiveway.probe.cmd", vec!["/bin/sh -c COMMAND"]),
        ] {
            let told = tell(key).expect(key);
            for word in words {
                assert!(told.contains(word), "{key}: {word} in {told}");
            }
        }
        let wrong = tell("weight").expect_err("no key");
        assert!(
            wrong.contains("did you mean hiveway.routing.weight?"),
            "{wrong}"
        );
        let old = tell("aliyun.global").expect_err("no key any more");
        assert!(old.contains("deploy.mode: global"), "{old}");
    }
}

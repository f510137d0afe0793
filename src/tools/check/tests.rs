use super::*;

mod findings;
mod labels;
mod once;
mod refused;

/// A service that will do what it says; tests replace a part of it.
const WEB: &str = "services:
  web:
    hostname: web
    networks: [mesh]
    healthcheck: { test: curl localhost }
    deploy:
      update_config: { order: start-first }
      labels:
        hiveway.routing.port_80: a.example
    image: nginx
networks:
  mesh: { external: true }
";

fn options() -> Options {
    let variables = [("TAG", "1.0"), ("HOST", "b.example"), ("N", "3")];
    Options {
        networks: vec!["mesh".into()],
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::default()
    }
}

/// What is said of some files: level, place, what stands there, the sentence, and the suggestion.
fn told_of(texts: &[&str], options: &Options) -> Vec<String> {
    let sources = texts.iter().enumerate();
    let sources: Vec<Source> = sources
        .map(|(number, text)| Source::new(format!("{number}.yml"), text.as_bytes().to_vec()))
        .collect();
    let findings = check(&sources, options).findings;
    let lines = findings.iter().map(|finding| {
        let source = &sources[finding.span.file];
        let at = source.position(finding.span.start);
        let suggestion = finding.suggestion.as_ref();
        format!(
            "{} {}:{}:{} [{}] {}{}",
            finding::word(finding.level),
            source.name,
            at.line,
            at.column,
            source.slice(finding.span),
            finding.sentence(),
            suggestion.map_or_else(String::new, |it| format!(" => {it}")),
        )
    });
    lines.collect()
}

fn told(text: &str) -> Vec<String> {
    told_of(&[text], &options())
}

/// What is said once a part of [`WEB`] is replaced.
fn told_with(from: &str, to: &str) -> Vec<String> {
    assert_eq!(WEB.matches(from).count(), 1, "{from}");
    told(&WEB.replace(from, to))
}

/// The line of its route.
const ROUTE: &str = "        hiveway.routing.port_80: a.example\n";

#[test]
fn a_service_that_will_do_what_it_says_is_not_complained_of() {
    assert_eq!(told(WEB), [""; 0]);
}

#[test]
fn files_are_merged_and_each_keeps_its_places() {
    let base = "services:
  web:
    networks: [back]
    image: nginx
    healthcheck: { test: x }
    labels: { hiveway.routing.port_80: a.example }
    deploy: { replicas: 2, labels: { hiveway.routing.weight: x } }
networks: { mesh: {}, back: {} }
";
    let above = "services:
  web:
    networks: [mesh]
    deploy: { labels: { hiveway.routing.weight: '7', hiveway.routing.retries: y } }
networks: { mesh: { external: true } }
";
    assert_eq!(
        told_of(&[base, above], &options()),
        [
            "notice 0.yml:6:40 [a.example] service web: label hiveway.routing.port_80: \"a.example\" is read from the container's labels",
            "error 1.yml:4:79 [y] service web: label hiveway.routing.retries: \"y\" is not a whole number",
        ]
    );
    let sources = [base, above].map(|text| Source::new("", text.into()));
    let options = Options {
        stack: Some("shop".into()),
        ..options()
    };
    let services = check(&sources, &options).services;
    let labels = |list: &[(&str, &str)]| {
        let list = list.iter();
        list.map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    assert_eq!(
        services,
        [Service {
            id: "shop_web".into(),
            name: "shop_web".into(),
            mode: crate::core::model::Mode::Replicated { replicas: 2 },
            labels: labels(&[
                ("hiveway.routing.weight", "7"),
                ("hiveway.routing.retries", "y")
            ]),
            container_labels: labels(&[("hiveway.routing.port_80", "a.example")]),
            updating: false,
        }]
    );
}

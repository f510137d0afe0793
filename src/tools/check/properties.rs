//! What holds for every file: no panic, and no place outside of it.

use proptest::prelude::*;

use super::*;

/// Pieces of stack files, whole and broken.
const PIECES: [&str; 56] = [
    "services:",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\n        ",
    "web:",
    "image: a",
    "deploy:",
    "labels:",
    "networks:",
    "[mesh]",
    "mesh:",
    "{ external: true }",
    "hiveway.routing.port_80: ",
    "aliyun.scale: ",
    "hiveway.probe.url: ",
    "a.example",
    "a.example; 10.0.0.1",
    "\"x;",
    "\"",
    "'",
    "- ",
    "- hiveway.routing.port_80=",
    "? ",
    ": ",
    ", ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: *a",
    "| \n",
    ">-\n",
    "# é\n",
    "---\n",
    "$",
    "${HOST}",
    "${HOST:?",
    "$HOST-x",
    "!!str ",
    "\t",
    "\r\n",
    "é",
    "replicas: 3",
    "stop_grace_period: 5s",
    "version: ",
    "3.10",
    "ports: [80, 80, *a]",
    "depends_on: { a: b }",
    "env_file: ",
    "volumes: [data:/a, { type: bind }]",
    "update_config: { delay: 10 }",
    "hiveway.routing.redirect: https://a.example",
];

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let text = ".{0,200}".prop_map(String::into_bytes);
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60);
    let pieces = pieces.prop_map(|pieces| pieces.concat().into_bytes());
    // A good file with a few pieces in the wrong place.
    let example = include_str!("../../../deploy/example.yml");
    let places = (0..example.len(), proptest::sample::select(&PIECES[..]));
    let broken = proptest::collection::vec(places, 1..4).prop_map(move |places| {
        let mut bytes = example.as_bytes().to_vec();
        for (place, piece) in places {
            bytes.splice(place..place, piece.bytes());
        }
        bytes
    });
    prop_oneof![bytes, text, pieces.boxed(), broken.boxed()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_file_causes_a_panic_or_a_position_outside_of_it(files in proptest::collection::vec(anything(), 1..3)) {
        let sources: Vec<Source> = files
            .into_iter()
            .map(|bytes| Source::new("a.yml", bytes))
            .collect();
        let options = Options {
            networks: vec!["mesh".into()],
            ..Options::default()
        };
        let checked = check(&sources, &options);
        for finding in &checked.findings {
            let places = finding.related.iter().map(|(span, _)| *span);
            for span in places.chain([finding.span]) {
                let text = &sources[span.file].text;
                prop_assert!(span.start <= span.end, "{:?}", finding);
                prop_assert!(text.get(span.range()).is_some(), "{:?}", finding);
                let position = sources[span.file].position(span.start);
                let line = text.split('\n').nth(position.line - 1);
                let length = line.expect("a line of the file").chars().count();
                prop_assert!(position.column <= length + 1, "{:?}", finding);
            }
        }
        for format in [Format::Human { colours: false }, Format::Human { colours: true }, Format::Json, Format::Github] {
            let text = format::write(format, &checked, &sources);
            // Colours begin with a bracket; nothing else of a file may send codes to a terminal.
            let colours = matches!(format, Format::Human { colours: true });
            let mut codes = text.split('\u{1b}').skip(1);
            let sends = codes.any(|code| !colours || !code.starts_with('['));
            prop_assert!(!sends, "{:?}", text);
        }
        prop_assert_eq!(check(&sources, &options), checked);
    }
}

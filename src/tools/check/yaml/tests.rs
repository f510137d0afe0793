use super::*;

/// A tree in one line; what is no text is marked by its kind.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => match &scalar.kind {
            Kind::Text => scalar.text.clone(),
            Kind::Null => "null".into(),
            Kind::Boolean => format!("bool {}", scalar.text),
            Kind::Number(number) => format!("number {number}"),
        },
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| shown(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<_> = entries
                .map(|entry| format!("{}: {}", entry.key, shown(&entry.node)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[test]
fn a_document_is_read_as_docker_reads_it() {
    for (text, expected) in [
        (
            "a: 1\nb: [x, 'y', \"z\\n\"]",
            "{a: number 1, b: [x, y, z\n]}",
        ),
        (
            "a:\nb: ~\nc: ''\nd: yes\ne: true",
            "{a: null, b: null, c: , d: yes, e: bool true}",
        ),
        (
            "a: !!str 5\nb: !!int '5'\nc: !x 5",
            "{a: 5, b: number 5, c: 5}",
        ),
        (
            "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}",
            "{a: {x: number 1, y: number 2}, b: {y: number 3, x: number 1}}",
        ),
        (
            "a: &a {x: p}\nb: &b {x: q, z: r}\nc:\n  <<: [*a, *b]\n",
            "{a: {x: p}, b: {x: q, z: r}, c: {x: p, z: r}}",
        ),
        (
            "a: &a {x: p}\nb: {'<<': *a}",
            "{a: {x: p}, b: {<<: {x: p}}}",
        ),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: x\ny\n, b: x y}"),
        ("\u{feff}a: b\r\nc: d\r\n", "{a: b, c: d}"),
        ("a: b\n...\n[", "{a: b}"),
    ] {
        let source = Source::new("a.yml", text.into());
        let mut findings = Findings::default();
        let root = read(0, &source, &mut findings);
        assert_eq!(
            root.map(|it| shown(&it)).as_deref(),
            Some(expected),
            "{text}: {findings:?}"
        );
        assert_eq!(findings.len(), 0, "{text}: {findings:?}");
    }
}

#[test]
fn every_value_knows_its_place() {
    let text = "é: [a, 'b c']\nx: &x |\n  block\ny: *x\n";
    let source = Source::new("a.yml", text.into());
    let root = read(0, &source, &mut Findings::default()).unwrap();
    let entries = root.entries().unwrap();
    let places: Vec<_> = entries
        .iter()
        .map(|it| (source.slice(it.key_span), source.slice(it.node.span)))
        .collect();
    assert_eq!(places[0], ("é", "[a, 'b c']"));
    assert_eq!((places[1].0, places[2].0), ("x", "y"));
    assert!(
        places[1].1.contains("block") && places[1].1 == places[2].1,
        "{places:?}"
    );
    let Value::List(items) = &entries[0].node.value else {
        panic!("a list");
    };
    let items: Vec<_> = items.iter().map(|it| source.slice(it.span)).collect();
    assert_eq!(items, ["a", "'b c'"]);
}

//! Labels and variables, and where they are pointed at.

use super::*;

#[test]
fn a_label_is_pointed_at_where_it_is_wrong() {
    let label = |line: &str| format!("{ROUTE}        {line}\n");
    for (lines, expected) in [
        (
            label("hiveway.routing.prot_81: b.example"),
            "error 0.yml:10:9 [hiveway.routing.prot_81] service web: label hiveway.routing.prot_81: the key is unknown \
             => hiveway.routing.port_81",
        ),
        (
            label("hiveway.routing.port_81: \"b.example; 10.0.0.1 ;c.example\""),
            "error 0.yml:10:46 [10.0.0.1] service web: label hiveway.routing.port_81: \"10.0.0.1\" is an IP address where a host name must stand",
        ),
        (
            label("hiveway.routing.weight: '101'"),
            "error 0.yml:10:33 ['101'] service web: label hiveway.routing.weight: \"101\" is outside 0 to 100",
        ),
        (
            label("hiveway.probe.timeout_seconds: 2s"),
            "error 0.yml:10:40 [2s] service web: label hiveway.probe.timeout_seconds: \"2s\" carries a unit => 2",
        ),
        (
            label("hiveway.routing.session_sticky: true"),
            "error 0.yml:10:41 [true] service web: label hiveway.routing.session_sticky must be text, a number or empty, and this is a boolean",
        ),
        (
            label("hiveway.routing.weight: 0x10"),
            "warning 0.yml:10:33 [0x10] service web: label hiveway.routing.weight: without quotes 0x10 is a number, of which \
             Docker makes \"16\"",
        ),
        (
            label("hiveway.scale: [2]"),
            "error 0.yml:10:24 [] service web: label hiveway.scale must be text, a number or empty, and this is a list",
        ),
        (
            label("hiveway.scale:"),
            "error 0.yml:10:9 [hiveway.scale] service web: label hiveway.scale: \"\" is not a whole number",
        ),
        (
            label("aliyun.lb.port_80: x"),
            "notice 0.yml:10:9 [aliyun.lb.port_80] service web: label aliyun.lb.port_80: has no effect: the label is from \
             before Swarm mode",
        ),
    ] {
        assert_eq!(told_with(ROUTE, &lines), [expected], "{lines}");
    }
}

#[test]
fn labels_in_a_list_are_pointed_at_like_those_in_a_map() {
    let list = "        - \"hiveway.routing.port_80=a.example; b_.example/x y\"
        - hiveway.routing.weight=abc
        - hiveway.proble.url
        - 5
";
    let expected = [
        "error 0.yml:9:47 [b_.example/x y] service web: label hiveway.routing.port_80: \"b_.example/x y\" has an underscore, which host names cannot hold",
        "error 0.yml:10:34 [abc] service web: label hiveway.routing.weight: \"abc\" is not a whole number",
        "error 0.yml:11:11 [hiveway.proble.url] service web: label hiveway.proble.url: the key is unknown => hiveway.probe.url",
        "error 0.yml:12:11 [5] service web: an item of `labels` must be text, and this is a number",
    ];
    assert_eq!(told_with(ROUTE, list), expected);
}

#[test]
fn variables_are_replaced_before_labels_are_read() {
    let label = |line: &str| format!("        {line}\n");
    for (line, expected) in [
        (
            "hiveway.routing.port_80: $HOST;${TAG:+x}",
            vec!["error 0.yml:9:40 [${TAG:+x}] \"${TAG:+x}\" names no variable"],
        ),
        (
            "hiveway.routing.port_80: \"${HOST}; ${TAG}\"",
            vec![
                "error 0.yml:9:34 [\"${HOST}; ${TAG}\"] service web: label hiveway.routing.port_80: \"1.0\" ends in a number, as only IP addresses do",
            ],
        ),
        ("hiveway.routing.port_80: ${SITE:-a.example}", vec![]),
        (
            "hiveway.routing.port_80: a.example/${NOPE}",
            vec![
                "warning 0.yml:9:44 [${NOPE}] the variable NOPE is not set, so that nothing stands here",
            ],
        ),
        (
            "hiveway.routing.port_80: ${SITE:?name the site}",
            vec![
                "error 0.yml:9:34 [${SITE:?name the site}] \"${SITE:?name the site}\" requires the variable SITE, which is not set: name the site",
            ],
        ),
        (
            "hiveway.routing.port_80: $HOST-x.example",
            vec![
                "warning 0.yml:9:34 [$HOST-x.example] without braces all of \"-x.example\" belongs to the variable HOST, as its default",
            ],
        ),
    ] {
        assert_eq!(told_with(ROUTE, &label(line)), expected, "{line}");
    }
}

#[test]
fn merged_map_is_read_in_place_and_reported_at_its_source() {
    let text = "x-labels: &labels
  hiveway.routing.weight: many
  hiveway.probe.url: http://container/
services:
  web:
    image: nginx
    networks: [mesh]
    deploy:
      replicas: 2
      labels:
        <<: *labels
        hiveway.routing.port_80: a.example
        hiveway.probe.url: none
networks: { mesh: { external: true } }
";
    assert_eq!(
        told(text),
        [
            "error 0.yml:2:27 [many] service web: label hiveway.routing.weight: \"many\" is not a whole number"
        ]
    );
}

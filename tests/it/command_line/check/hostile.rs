//! Files that somebody made to do harm, or that are none.

use super::super::process::run_with_input;

/// What it says of some bytes, which have to be refused.
async fn refused(bytes: &[u8]) -> String {
    let ended = run_with_input(["check", "--format=github", "-"], bytes).await;
    assert_eq!(
        (ended.code, &*ended.stderr),
        (1, ""),
        "{:.400}",
        ended.stdout
    );
    ended.stdout
}

#[tokio::test]
async fn what_is_no_stack_file_ends_in_one_error() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", [&*alias; 9].join(", "));
    }
    let deep = "[".repeat(1 << 20);
    let deeper = "- ".repeat(1 << 19);
    let chain = (1..5000).fold("a0: &a0 [x]\n".to_owned(), |text, number| {
        text + &format!("a{number}: &a{number} [*a{}]\n", number - 1)
    });
    let large = vec![b'#'; 100 << 20];
    for (bytes, told) in [
        (laughs.as_bytes(), "when written out"),
        (deep.as_bytes(), "this is no YAML"),
        (deeper.as_bytes(), "this is no YAML"),
        (chain.as_bytes(), "levels deep"),
        (&large, "larger than 1 MiB"),
        (b"services:\n  caf\xe9: {}\n", "line=2,endLine=2,col=6"),
        (b"\x00\x01\x02", "this is no YAML"),
        (b"services:\n\tweb: {}\n", "line=2"),
        (b"\x1f\x8b\x08\x00\xff", "not UTF-8"),
    ] {
        let text = refused(bytes).await;
        assert_eq!(text.lines().count(), 1, "{text:.400}");
        assert!(text.contains(told), "{told}: {text:.400}");
    }
}

#[tokio::test]
async fn names_in_a_file_cannot_steer_a_terminal() {
    let text = "services:\n  \"w\\e[31m\\e]0;x\\a\":\n";
    let ended = run_with_input(["check", "-"], text.as_bytes()).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let steers = |it: char| it.is_control() && it != '\n';
    assert!(!ended.stdout.contains(steers), "{:?}", ended.stdout);
    let raw = "services:\n  web: { deploy: { labels: { hiveway.sacle: \u{202e}x } } }\n";
    let ended = run_with_input(["check", "-"], raw.as_bytes()).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(!ended.stdout.contains('\u{202e}'), "{:?}", ended.stdout);
}

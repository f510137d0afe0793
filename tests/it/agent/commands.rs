//! Commands are run where they belong, judged by how they end, and never piled up.

use std::sync::Arc;
use std::time::Duration;

use hiveway::core::model::TaskId;
use hiveway::core::model::route::{Check, ProbeSpec};
use hiveway::core::protocol::{CommandTarget, CommandTargets};
use hiveway::docker::ANSWER_TIMEOUT;
use serde_json::json;

use super::Working;
use crate::fake_engine::{Commands, Fault, until};

fn target(container: &str, timeout: Duration) -> CommandTarget {
    CommandTarget {
        container: container.into(),
        since: None,
        spec: ProbeSpec {
            check: Check::Command("test -e /ready".into()),
            timeout,
            interval: Duration::from_millis(20),
            ..ProbeSpec::default()
        },
    }
}

fn targets<const N: usize>(of: [(&str, CommandTarget); N]) -> Arc<CommandTargets> {
    let of = of.into_iter();
    Arc::new(of.map(|(task, it)| (TaskId::from(task), it)).collect())
}

/// An agent with one container `c`, whose command is told to it.
async fn with_one(commands: Commands, limit: Duration) -> Working {
    let working = Working::start(ANSWER_TIMEOUT).await;
    working.fake.contain("c", "task", commands);
    working
        .commands
        .send_replace(targets([("task", target("c", limit))]));
    working
}

#[tokio::test]
async fn the_exit_status_decides_and_the_output_is_told() {
    for (commands, expected) in [
        (Commands::EndLike("passed"), None),
        (
            Commands::EndLike("failed"),
            Some("probe.cmd exited 3: two one"),
        ),
        (
            Commands::EndLike("shell"),
            Some(
                "probe.cmd exited 126: OCI runtime exec failed: exec failed: unable to start container process: exec: \
                 \"/bin/sh\": stat /bin/sh: no such file or directory: unknown; the image has no shell, so probe it by \
                 probe.url instead",
            ),
        ),
    ] {
        let mut working = with_one(commands, ANSWER_TIMEOUT).await;
        let report = working.report().await;
        assert_eq!(report.task, TaskId::from("task"));
        assert_eq!(report.result.err().as_deref(), expected, "{commands:?}");
        let begun = working.fake.begun("c");
        assert_eq!(begun[0], json!(["/bin/sh", "-c", "test -e /ready"]));
        // Again and again.
        working.report().await;
        let result = if expected.is_none() {
            "passed"
        } else {
            "failed"
        };
        let none = format!(r#"hiveway_probes_total{{result="{result}"}} 0"#);
        assert!(!working.shows(&none));
    }
}

#[tokio::test]
async fn what_cannot_be_run_in_a_container_is_told() {
    let mut working = with_one(Commands::Stopped, ANSWER_TIMEOUT).await;
    let told = working.report().await.result.unwrap_err();
    assert!(
        told.starts_with("probe.cmd could not be run: Container ")
            && told.ends_with(" is not running"),
        "{told}"
    );
    let mut working = Working::start(ANSWER_TIMEOUT).await;
    working
        .commands
        .send_replace(targets([("task", target("nowhere", ANSWER_TIMEOUT))]));
    let told = working.report().await.result.unwrap_err();
    assert!(told.contains("No such container"), "{told}");
}

#[tokio::test]
async fn nothing_is_run_in_a_container_that_is_not_the_task_s() {
    let mut working = Working::start(ANSWER_TIMEOUT).await;
    working
        .fake
        .contain("c", "another", Commands::EndLike("passed"));
    let asked = [
        ("task", target("c", ANSWER_TIMEOUT)),
        ("other", target("../c", ANSWER_TIMEOUT)),
    ];
    working.commands.send_replace(targets(asked));
    for _ in 0..3 {
        let report = working.report().await;
        assert_eq!(report.task, TaskId::from("task"));
        assert_eq!(
            report.result.unwrap_err().as_ref(),
            "probe.cmd was not run: container c is not this task's"
        );
    }
    assert_eq!(working.fake.begun("c"), Vec::<serde_json::Value>::new());
    assert!(working.fake.seen("..").is_empty());
}

#[tokio::test]
async fn timed_out_command_fails_and_is_not_started_twice() {
    let limit = Duration::from_millis(100);
    let mut working = with_one(Commands::Hang, limit).await;
    let told = working.report().await.result.unwrap_err();
    assert_eq!(&*told, "probe.cmd did not end within 100ms");
    for _ in 0..3 {
        let told = working.report().await.result.unwrap_err();
        assert_eq!(&*told, "probe.cmd still runs after 0 s");
    }
    assert_eq!(working.fake.begun("c").len(), 1);

    // Who is told to run it anew, such as by a changed label, finds it running as well.
    let other = target("c", Duration::from_millis(101));
    working.commands.send_replace(targets([("task", other)]));
    while working.report().await.result.unwrap_err().contains("100ms") {}
    let told = working.report().await.result.unwrap_err();
    assert!(told.starts_with("probe.cmd still runs"), "{told}");
    assert_eq!(working.fake.begun("c").len(), 1);

    working
        .fake
        .contain("c", "task", Commands::EndLike("passed"));
    working.fake.end_commands();
    while working.report().await.result.is_err() {}
    assert!(working.fake.begun("c").len() > 1);
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_no_verdict() {
    for fault in [Fault::Refuse, Fault::Malformed, Fault::Hang, Fault::Cut] {
        let mut working = Working::start(Duration::from_millis(300)).await;
        working.fake.fail("/containers", fault);
        working
            .fake
            .contain("c", "task", Commands::EndLike("passed"));
        working
            .commands
            .send_replace(targets([("task", target("c", ANSWER_TIMEOUT))]));
        let seen = || working.fake.seen("/containers").len();
        until("attempts", || seen() >= 3).await;
        assert!(working.notes.try_recv().is_err(), "{fault:?}");
        working.fake.mend();
        assert_eq!(working.report().await.result, Ok(()), "{fault:?}");
    }
}

#[tokio::test]
async fn hung_container_delays_no_other_and_a_gone_one_is_dropped() {
    let mut working = Working::start(ANSWER_TIMEOUT).await;
    working.fake.contain("a", "hangs", Commands::Hang);
    working
        .fake
        .contain("b", "works", Commands::EndLike("passed"));
    let both = [
        ("hangs", target("a", ANSWER_TIMEOUT)),
        ("works", target("b", ANSWER_TIMEOUT)),
    ];
    working.commands.send_replace(targets(both));
    for _ in 0..5 {
        assert_eq!(working.report().await.task, TaskId::from("works"));
    }
    until("it hangs", || working.fake.begun("a").len() == 1).await;
    working
        .commands
        .send_replace(targets([("works", target("b", ANSWER_TIMEOUT))]));
    working.fake.end_commands();
    for _ in 0..5 {
        assert_eq!(working.report().await.task, TaskId::from("works"));
    }
    assert_eq!(working.fake.begun("a").len(), 1);
}

//! Draining by hand, and what operators ask the reconciler.

use std::sync::Arc;
use std::time::Duration;

use hiveway::controller::reconciler::Inquiry;
use hiveway::core::event::Event;
use hiveway::core::model::snapshot::EndpointState;
use hiveway::core::model::{TaskId, Timestamp};
use hiveway::core::reconcile::observed::Standing;

use super::{Loop, states, swarm};
use crate::eventually::eventually;

/// Drains tasks, or ends that, by orders of later and later times.
fn order(reconciler: &Loop, all: &[(&str, bool)]) {
    reconciler.orders.send_modify(|orders| {
        for (task, drained) in all {
            let next = orders.with(&TaskId::from(*task), *drained, Timestamp(1));
            *orders = Arc::new(next.expect("it is new"));
        }
    });
}

/// What was told of endpoints.
fn told(reconciler: &mut Loop) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(event) = reconciler.events.try_recv() {
        told.extend(match event {
            Event::EndpointDrained { reason, .. } => Some(format!("drained: {reason}")),
            Event::EndpointAdmitted { reason, .. } => Some(format!("admitted: {reason}")),
            _ => None,
        });
    }
    told
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_out_for_as_long_as_it_is_drained_by_hand() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    told(&mut reconciler);
    order(&reconciler, &[("unknown", true), ("a", true)]);
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Draining)]);
    assert_eq!(told(&mut reconciler), ["drained: it was drained by hand"]);

    // Neither its probes nor another look bring it in.
    reconciler.report("a", Ok(())).await;
    reconciler.see(swarm(&["a", "b"]));
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(
        states(&snapshot),
        [
            ("a", EndpointState::Draining),
            ("b", EndpointState::Starting)
        ]
    );
    // One that is drained before it is proven does not come in at all.
    order(&reconciler, &[("b", true)]);
    reconciler.report("b", Ok(())).await;
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot)[1], ("b", EndpointState::Draining));

    order(&reconciler, &[("a", false)]);
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot)[0], ("a", EndpointState::Ready));
    let told = told(&mut reconciler);
    assert_eq!(
        told.last().map(String::as_str),
        Some("admitted: it is no longer drained by hand")
    );
}

#[tokio::test(start_paused = true)]
async fn the_reconciler_tells_the_health_that_it_believes_in() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    reconciler.report("a", Err("refused")).await;
    let tasks = vec!["a".into(), "unknown".into()];
    // The report is read before or after the question.
    let look = async || {
        let health = Inquiry::ask(&reconciler.inquiries, tasks.clone())
            .await
            .unwrap();
        assert_eq!(health.len(), 1);
        let health = health[&TaskId::from("a")].clone();
        match health.run() {
            (false, 1) => Ok(health),
            other => Err(format!("{other:?}")),
        }
    };
    let bound = Duration::from_secs(10);
    let health = eventually("the failure counts", bound, look).await;
    let health = health.expect("it is read in time");
    assert_eq!(health.standing, Standing::Passing);
    assert_eq!(health.failure.as_deref(), Some("refused"));
}

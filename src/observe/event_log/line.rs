//! The log line of an event.

use tracing::{debug, error, info, warn};

use super::Recorded;
use crate::core::event::{EndpointRef, Event, Severity};

/// Logs an event at the level of its severity: the sentence, and the fields by which logs are searched. Fields that an
/// event has nothing to say about are left out.
pub(super) fn write(recorded: &Recorded) {
    let Recorded {
        severity,
        event,
        message,
        ..
    } = recorded;
    let endpoint = endpoint(event);
    let kind = event.kind();
    let service = event.service();
    let task = endpoint.map(|endpoint| endpoint.task.as_str());
    let container = endpoint.map(|endpoint| endpoint.container.as_str());
    let node = endpoint.map(|endpoint| endpoint.node.as_str());
    let reason = reason(event);
    // The level of a log line is part of its static description, so that each level needs a call of its own.
    macro_rules! log {
        ($level:ident) => {
            $level!(target: "hiveway", kind, service, task, container, node, reason, "{message}")
        };
    }
    match severity {
        Severity::Debug => log!(debug),
        Severity::Info => log!(info),
        Severity::Warning => log!(warn),
        Severity::Error => log!(error),
    }
}

/// Logs that events were lost, once the journal has caught up: what was not told must be known to be missing.
pub(super) fn write_dropped(count: u64) {
    warn!(
        target: "hiveway",
        "{count} events were neither logged nor kept, because more came at once than can wait; /snapshot shows how things \
         stand, and hiveway_events_dropped_total counts them"
    );
}

fn endpoint(event: &Event) -> Option<&EndpointRef> {
    match event {
        Event::EndpointDiscovered(endpoint)
        | Event::EndpointAdmitted { endpoint, .. }
        | Event::EndpointFailed { endpoint, .. }
        | Event::EndpointDrained { endpoint, .. }
        | Event::EndpointRemoved { endpoint, .. } => Some(endpoint),
        _ => None,
    }
}

fn reason(event: &Event) -> Option<&str> {
    match event {
        Event::EndpointAdmitted { reason, .. }
        | Event::EndpointFailed { reason, .. }
        | Event::EndpointDrained { reason, .. }
        | Event::EndpointRemoved { reason, .. }
        | Event::EngineLost { reason, .. }
        | Event::ScaleRefused { reason, .. }
        | Event::CertificateRefused { reason, .. }
        | Event::CertificateNotIssued { reason, .. }
        | Event::CollectorLost { reason, .. }
        | Event::StopRequested { reason } => Some(reason),
        Event::LabelsRejected(diagnostic) => Some(&diagnostic.reason),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Timestamp;
    use crate::observe::logging::LogFormat;
    use crate::observe::logging::tests::logged;

    fn failed() -> Recorded {
        let event = Event::EndpointFailed {
            endpoint: EndpointRef {
                service: "restserver".into(),
                task: "8vxv8rssmk743ojnwacrr2e7c".into(),
                container: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                    .into(),
                node: "node1".into(),
                address: [10, 0, 1, 4].into(),
            },
            reason: "GET http://10.0.1.4:80/ answered 500".into(),
        };
        Recorded {
            sequence: 1,
            at: Timestamp(0),
            severity: event.severity(),
            message: event.to_string(),
            event,
        }
    }

    #[test]
    fn people_read_a_sentence_and_what_it_leaves_out() {
        assert_eq!(
            logged(LogFormat::Human, || write(&failed())),
            "TIME WARN  restserver container 0123456789ab (10.0.1.4) failed its probes: GET http://10.0.1.4:80/ \
             answered 500 kind=endpoint_failed service=restserver task=8vxv8rssmk743ojnwacrr2e7c \
             container=0123456789ab node=node1\n"
        );
    }

    #[test]
    fn programs_read_one_object_with_every_field() {
        let line = logged(LogFormat::Json, || write(&failed()));
        let object: serde_json::Value = serde_json::from_str(&line).expect("one JSON object");
        assert_eq!(
            object,
            serde_json::json!({
                "timestamp": "TIME",
                "level": "WARN",
                "target": "hiveway",
                "message": "restserver container 0123456789ab (10.0.1.4) failed its probes: \
                            GET http://10.0.1.4:80/ answered 500",
                "kind": "endpoint_failed",
                "service": "restserver",
                "task": "8vxv8rssmk743ojnwacrr2e7c",
                "container": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "node": "node1",
                "reason": "GET http://10.0.1.4:80/ answered 500",
            })
        );
    }

    #[test]
    fn an_event_without_a_service_logs_no_empty_fields() {
        let event = Event::LeadershipGained;
        let recorded = Recorded {
            sequence: 1,
            at: Timestamp(0),
            severity: event.severity(),
            message: event.to_string(),
            event,
        };
        assert_eq!(
            logged(LogFormat::Human, || write(&recorded)),
            "TIME INFO  this manager leads: what labels ask of the swarm is written from here kind=leadership_gained\n"
        );
    }
}

//! Hiveway's own service among the others.

use std::sync::Arc;

use hiveway::controller::swarm::OwnContainer;
use hiveway::core::model::{Inventory, OwnNetwork, OwnService, UpdateState};
use serde_json::json;

use super::Watching;
use crate::fake_engine::recording;

#[tokio::test]
async fn own_service_is_found_by_container_and_remembered() {
    let mut world = recording("rest");
    let container = "/tasks/0/Status/ContainerStatus/ContainerID";
    let id = world.pointer_mut(container).unwrap().take();
    let spec = &mut world["services"][0]["Spec"];
    spec["UpdateConfig"]["Order"] = json!("start-first");
    spec["TaskTemplate"]["Networks"] = json!([
        {"Target": "n30lcp9u3uy7rz46lo5pr1wu4", "Aliases": ["web", "shop.local"]},
        {"Target": "another", "Aliases": null},
    ]);
    let own = OwnContainer::read("", &id.as_str().unwrap()[..12]);
    let mut watching = Watching::start_in(own, world).await;
    // The task is seen before its node has said which container it runs in.
    let seen = watching.expect(|_| true).await;
    assert_eq!(seen.own_service, None);

    watching.change(|now| *now.pointer_mut(container).unwrap() = id);
    let seen = watching.expect(|seen| seen.own_service.is_some()).await;
    let network = |target: &str, name: &str, aliases: &[&str]| OwnNetwork {
        target: target.into(),
        name: name.into(),
        aliases: aliases.iter().map(|alias| Arc::from(*alias)).collect(),
    };
    let expected = OwnService {
        id: "q6asa2rzkkk1ylw4yn6vz2wxp".into(),
        name: "shop_web".into(),
        networks: vec![
            network("n30lcp9u3uy7rz46lo5pr1wu4", "mesh", &["web", "shop.local"]),
            network("another", "another", &[]),
        ],
        update: UpdateState::Done,
        // The recorded task is on one network, without an alias.
        proven: false,
        start_first: true,
        host_port: false,
        ingress_port: false,
    };
    assert_eq!(seen.own_service.as_ref(), Some(&expected));

    watching.change(|now| {
        now["tasks"][1]["Spec"]["Networks"] =
            now["services"][0]["Spec"]["TaskTemplate"]["Networks"].clone();
    });
    let is_proven = |seen: &Inventory| seen.own_service.as_ref().is_some_and(|own| own.proven);
    watching.expect(is_proven).await;

    watching.change(|now| {
        now["tasks"].as_array_mut().unwrap().clear();
        let service = &mut now["services"][0];
        service["UpdateStatus"] = json!({"State": "rollback_paused"});
        service["Spec"]["UpdateConfig"]["Order"] = json!("stop-first");
        service["Spec"]["EndpointSpec"]["Ports"] =
            json!([{"PublishMode": "host"}, {"PublishMode": "ingress"}]);
    });
    let seen = watching.expect(|seen| seen.tasks.is_empty()).await;
    let expected = OwnService {
        update: UpdateState::RolledBack,
        start_first: false,
        host_port: true,
        ingress_port: true,
        ..expected
    };
    assert_eq!(seen.own_service.as_ref(), Some(&expected));
}

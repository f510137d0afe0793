//! The wire between the nodes of a lab: a bridge in a network of its own.

use std::net::Ipv4Addr;
use std::process::Stdio;

use super::node::Node;
use crate::own_engine::{Estate, Namespaces};

/// The bridge.
pub(super) struct Switch(Namespaces);

impl Switch {
    pub(super) async fn new(estate: &Estate) -> Self {
        let set_up = "ip link set lo up && ip link add lab type bridge && ip link set lab up";
        Self(Namespaces::of_a_network(estate, set_up).await)
    }

    /// Connects a node that has just booted, under its address.
    pub(super) async fn plug(&self, node: &Node) {
        let machine = node.engine.namespaces();
        let (cable, address) = (cable(node), format!("{}/24", node.address));
        let (holder, up) = (machine.id(), "link set eth0 up".split(' '));
        // The kernel removes the cable of a node that has died when it comes to it.
        let mut unplug = self.0.enter_network("ip");
        unplug.args(["link", "del", &cable]).stderr(Stdio::null());
        unplug.status().await.expect("nsenter");
        let add = ["link", "add", &cable, "type", "veth", "peer", "name"];
        ip(&self.0, add.into_iter().chain(["eth0", "netns", &holder])).await;
        ip(machine, ["addr", "add", &address, "dev", "eth0"]).await;
        ip(machine, up).await;
        ip(&self.0, ["link", "set", &cable, "master", "lab", "up"]).await;
    }

    /// Lets nothing through from and to a node any more. The node does not notice.
    pub(super) async fn cut(&self, node: &Node) {
        ip(&self.0, ["link", "set", &cable(node), "nomaster"]).await;
    }

    /// Lets it through again.
    pub(super) async fn heal(&self, node: &Node) {
        ip(&self.0, ["link", "set", &cable(node), "master", "lab"]).await;
    }
}

/// The address of a node.
pub(super) fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

/// The switch's end of a node's cable.
fn cable(node: &Node) -> String {
    format!("to-{}", node.engine.name)
}

async fn ip(network: &Namespaces, arguments: impl IntoIterator<Item = &str>) {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let mut command = network.enter_network("ip");
    command.args(&arguments).stderr(Stdio::piped());
    let output = command.output().await.expect("nsenter");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {}: {complaint}",
        arguments.join(" ")
    );
}

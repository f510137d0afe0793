//! A whole lab: nodes that make up a swarm, and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use futures_util::future::join_all;

use super::gateway::Gateway;
use super::node::{BOUND, Node};
use super::switch::Switch;
use crate::eventually::eventually;
use crate::own_engine::{Estate, OwnEngine};
use crate::wish::granted;
use crate::{images, stack};

/// A lab; ends with all that is in it when dropped.
pub(super) struct Lab {
    /// The first is a manager, and the leader for as long as nothing happens to it.
    pub(super) nodes: Vec<Node>,
    switch: Switch,
    /// Ends after all that is in it.
    _estate: Arc<Estate>,
    _turn: Box<dyn Send>,
}

impl Lab {
    /// Builds one, with a swarm of so many managers and workers; none where the test cannot run and need not, which is told.
    pub(super) async fn build(managers: usize, workers: usize) -> Option<Self> {
        granted("HIVEWAY_TEST_LAB", OwnEngine::possible()).await?;
        let turn = Box::new(crate::swarm::stage::alone().await);
        let began = Instant::now();
        let estate = Arc::new(Estate::new("lab"));
        let switch = Switch::new(&estate).await;
        let mut nodes = Vec::new();
        for number in 1..=managers + workers {
            let number = u8::try_from(number).expect("a small lab");
            let node = Node::new(&estate, number).await;
            switch.plug(&node).await;
            nodes.push(node);
        }
        join_all(nodes.iter_mut().map(|node| node.engine.start())).await;
        let engines = began.elapsed();
        let lab = Self {
            nodes,
            switch,
            _estate: estate.clone(),
            _turn: turn,
        };
        lab.share_images(&estate).await;
        let loaded = began.elapsed();
        lab.make_swarm(managers).await;
        eprintln!(
            "a lab of {managers} managers and {workers} workers: engines after {engines:.1?}, images after {loaded:.1?}, \
             swarm after {:.1?}",
            began.elapsed()
        );
        Some(lab)
    }

    /// Builds the images on the first node, and copies them to the others.
    async fn share_images(&self, estate: &Estate) {
        let first = &self.nodes[0];
        images::put_into(&first.engine).await;
        let file = estate.directory.join("images.tar");
        let file = file.to_str().expect("a path of our own");
        let save = ["save", "--output", file].into_iter().chain(images::NAMES);
        first.engine.docker(save).await;
        let others = self.nodes[1..].iter();
        join_all(others.map(|node| node.engine.docker(["load", "--quiet", "--input", file]))).await;
    }

    async fn make_swarm(&self, managers: usize) {
        let first = &self.nodes[0];
        let init = format!("swarm init --advertise-addr {}", first.address);
        first.docker(&init).await;
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            let role = if index < managers {
                "manager"
            } else {
                "worker"
            };
            let token = first
                .docker(&format!("swarm join-token --quiet {role}"))
                .await;
            let (own, leader) = (node.address, first.address);
            let join = format!("swarm join --token {token} --advertise-addr {own} {leader}:2377");
            node.docker(&join).await;
        }
        let look = async || {
            let states = first.ask("node ls --format {{.Status}}").await?;
            match states.lines().filter(|state| *state == "Ready").count() == self.nodes.len() {
                true => Ok(()),
                false => Err(states),
            }
        };
        self.eventually("every node is ready", BOUND, look).await;
    }

    /// Deploys `deploy/stack.yml` after these replacements, and gives the gateways of some nodes once they are healthy.
    pub(super) async fn deploy(
        &self,
        replacements: &[(&str, &str)],
        variables: &[(&str, &str)],
        on: &[usize],
    ) -> Vec<Gateway> {
        // Besides, admin can be read from the node.
        let admin = (
            "HIVEWAY_NETWORK: mesh",
            "HIVEWAY_NETWORK: mesh\n      HIVEWAY_ADMIN: 0.0.0.0:9900",
        );
        let replacements = [&[admin], replacements].concat();
        let variables = [&[("DOCKER_HOST", &*self.nodes[0].engine.host)], variables].concat();
        stack::deploy("hiveway", "stack.yml", &replacements, &variables).await;
        let mut gateways = Vec::new();
        for &index in on {
            gateways.push(self.gateway(index).await);
        }
        gateways
    }

    /// The gateway of a node, once there is one and it is healthy.
    pub(super) async fn gateway(&self, index: usize) -> Gateway {
        let node = &self.nodes[index];
        let what = format!("a healthy gateway on {}", node.engine.name);
        self.eventually(&what, BOUND, async || node.gateway().await)
            .await
    }

    /// Creates a service of demo servers, that is claimed for a host.
    pub(super) async fn serve(&self, name: &str, host: &str, flags: &str) {
        let create = "service create --detach --no-resolve-image --quiet --network mesh --name";
        let label = format!("--label hiveway.routing.port_80={host}");
        let image = "hiveway-demo:dev server";
        self.manager()
            .docker(&format!("{create} {name} {label} {flags} {image}"))
            .await;
    }

    /// A node whose engine is asked about the swarm.
    pub(super) fn manager(&self) -> &Node {
        &self.nodes[0]
    }

    /// Waits for something to be so.
    pub(super) async fn eventually<T>(
        &self,
        what: &str,
        bound: Duration,
        look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        match eventually(what, bound, look).await {
            Ok(found) => found,
            Err(error) => panic!("{error}"),
        }
    }

    /// Cuts a node off from the others.
    pub(super) async fn cut(&self, index: usize) {
        self.switch.cut(&self.nodes[index]).await;
    }

    /// Connects it again.
    pub(super) async fn heal(&self, index: usize) {
        self.switch.heal(&self.nodes[index]).await;
    }

    /// A node dies, with its engine and all of its containers.
    pub(super) async fn kill(&mut self, index: usize) {
        self.nodes[index].engine.lose_power().await;
    }

    /// A node that died boots.
    pub(super) async fn restore(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.engine.power_on().await;
        self.switch.plug(node).await;
        node.engine.start().await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                eprintln!("{}", node.story());
            }
        }
    }
}

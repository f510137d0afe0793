//! A whole lab: nodes that make up a swarm, and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use futures_util::future::join_all;

use super::gateway::Gateway;
use super::node::{BOUND, Node};
use super::switch::Switch;
use crate::eventually::eventually;
use crate::needs::needed;
use crate::own_engine::{Estate, OwnEngine};
use crate::{images, stack};

/// A lab; ends with all that is in it when dropped.
pub(super) struct Lab {
    /// The first is a manager, and the leader for as long as nothing happens to it.
    pub(super) nodes: Vec<Node>,
    /// How many of them are managers.
    managers: usize,
    switch: Switch,
    /// Ends after all that is in it.
    _estate: Arc<Estate>,
    _turn: Box<dyn Send>,
}

impl Lab {
    /// Builds a lab with a swarm of this number of managers and workers.
    pub(super) async fn build(managers: usize, workers: usize) -> Self {
        needed(OwnEngine::possible()).await;
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
            managers,
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
        lab
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

    /// Deploys `deploy/stack.yml` as it is, except that admin can be read from the node, and gives the gateway of each node
    /// once it is healthy.
    pub(super) async fn deploy(&self) -> Vec<Gateway> {
        let admin = "HIVEWAY_NETWORK: mesh\n      HIVEWAY_ADMIN: 0.0.0.0:9900";
        let variables = self.variables();
        stack::make_secret(&variables).await;
        let replacements = [("HIVEWAY_NETWORK: mesh", admin)];
        stack::deploy("hiveway", "stack.yml", &replacements, &variables).await;
        self.gateways().await
    }

    /// The gateway of each node that has an engine, once it is healthy.
    pub(super) async fn gateways(&self) -> Vec<Gateway> {
        let running = self.nodes.iter().enumerate();
        let running = running.filter(|(_, node)| node.engine.runs());
        join_all(running.map(|(index, _)| self.gateway(index))).await
    }

    /// The gateway of a node, once there is one and it is healthy.
    pub(super) async fn gateway(&self, index: usize) -> Gateway {
        let node = &self.nodes[index];
        let what = format!("a healthy gateway on {}", node.engine.name);
        self.eventually(&what, BOUND, async || node.gateway().await)
            .await
    }

    /// Creates a service of demo servers that is claimed for a `.local` host, and gives the gateways that serve it from so
    /// many containers: the name replaces those that were there.
    pub(super) async fn serve(&self, name: &str, host: &str, replicas: usize) -> Vec<Gateway> {
        let create = "service create --detach --no-resolve-image --quiet --network mesh --name";
        let label = format!("--label hiveway.routing.port_80={host}");
        let image = "hiveway-demo:dev server";
        self.manager()
            .docker(&format!(
                "{create} {name} {label} --replicas {replicas} {image}"
            ))
            .await;
        let gateways = self.named(host).await;
        for gateway in &gateways {
            self.in_rotation(gateway, name, replicas).await;
        }
        gateways
    }

    /// Waits until a `.local` host is an alias of every gateway, and gives the gateways, which were replaced for it.
    pub(super) async fn named(&self, host: &str) -> Vec<Gateway> {
        let what = format!("{host} is an alias");
        let quoted = format!("\"{host}\"");
        let look = async || match self.aliases().await? {
            aliases if aliases.contains(&quoted) => Ok(()),
            aliases => Err(aliases),
        };
        self.eventually(&what, BOUND, look).await;
        self.updated("hiveway_hiveway").await;
        self.gateways().await
    }

    /// The networks of Hiveway's own service with their aliases, as JSON.
    pub(super) async fn aliases(&self) -> Result<String, String> {
        let format = "{{json .Spec.TaskTemplate.Networks}}";
        let inspect = ["service", "inspect", "--format", format, "hiveway_hiveway"];
        self.manager().engine.ask(inspect).await
    }

    /// Waits until a gateway knows so many containers of a service to be in rotation; gives the nodes that they are on.
    pub(super) async fn in_rotation(
        &self,
        gateway: &Gateway,
        service: &str,
        replicas: usize,
    ) -> Vec<String> {
        let what = format!("{} knows {replicas} containers of {service}", gateway.node);
        let look = async || {
            let snapshot = gateway.snapshot().await?;
            let mut clusters = snapshot.clusters.values();
            let cluster = clusters.find(|cluster| &*cluster.service == service);
            let cluster = cluster.ok_or("it is not routed")?;
            let ready = cluster.in_rotation();
            let nodes: Vec<_> = ready.map(|(_, it)| it.node.to_string()).collect();
            match nodes.len() == replicas {
                true => Ok(nodes),
                false => Err(format!("{cluster:?}")),
            }
        };
        self.eventually(&what, BOUND, look).await
    }

    /// Gives a service another host beside the one that it has, and says when the API began to show it.
    pub(super) async fn add_host(&self, service: &str, hosts: &str) -> Instant {
        let label = format!("--label-add hiveway.routing.port_80={hosts}");
        let update = "service update --detach --no-resolve-image --quiet";
        let look = async || {
            self.manager()
                .ask(&format!("{update} {label} {service}"))
                .await
        };
        // A manager that has just lost its leader takes nothing.
        self.eventually("the swarm takes a new label", BOUND, look)
            .await;
        Instant::now()
    }

    /// How long each of these gateways took to serve a host since then.
    pub(super) async fn served_after(
        &self,
        gateways: &[&Gateway],
        host: &str,
        since: Instant,
    ) -> Vec<Duration> {
        let each = gateways.iter().map(async |gateway| {
            let what = format!("{} serves {host}", gateway.node);
            self.eventually(&what, BOUND, async || gateway.serves(host).await)
                .await;
            since.elapsed()
        });
        let took = join_all(each).await;
        eprintln!("{host} is served {took:.2?} after the API shows it");
        took
    }

    /// Waits until Swarm says that the latest update of a service is complete.
    pub(super) async fn updated(&self, service: &str) {
        let inspect = [
            "service",
            "inspect",
            "--format",
            "{{with .UpdateStatus}}{{.State}}: {{.Message}}{{end}}",
            service,
        ];
        let look = async || match self.manager().engine.ask(inspect).await? {
            state if state.starts_with("completed") => Ok(()),
            state => Err(state),
        };
        let what = format!("the update of {service} is complete");
        self.eventually(&what, 2 * BOUND, look).await;
    }

    /// Waits until the swarm thinks so of a node: `ready` or `down`.
    pub(super) async fn becomes(&self, index: usize, state: &str) {
        let began = Instant::now();
        let name = &self.nodes[index].engine.name;
        let inspect = format!("node inspect --format {{{{.Status.State}}}} {name}");
        let look = async || match self.manager().ask(&inspect).await? {
            found if found == state => Ok(()),
            found => Err(found),
        };
        let what = format!("{name} is {state}");
        self.eventually(&what, BOUND, look).await;
        eprintln!("{what} after {:.1?}", began.elapsed());
    }

    /// The variables by which Docker's own tools find the swarm.
    pub(super) fn variables(&self) -> [(&'static str, &str); 1] {
        [("DOCKER_HOST", &self.manager().engine.host)]
    }

    /// The manager whose engine is asked about the swarm.
    pub(super) fn manager(&self) -> &Node {
        let mut managers = self.nodes[..self.managers].iter();
        managers.find(|node| node.engine.runs()).expect("a manager")
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

    /// A node loses its power, and with it its engine and all of its containers.
    pub(super) async fn kill(&mut self, index: usize) {
        // Processes that die close their connections, which the others would hear.
        self.cut(index).await;
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

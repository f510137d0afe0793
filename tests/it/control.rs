//! The control channel over real sockets: controllers that publish, nodes that follow, and whoever else connects.

mod acme;
mod certificates;
mod controllers;
mod following;
mod hostile;
mod kept;
mod node;
mod orders;
mod relay;

use std::sync::Arc;

use hiveway::core::model::route::{HostPattern, PathPrefix};
use hiveway::core::model::snapshot::{Claim, Generation, RouteKey, Snapshot};
use hiveway::sync::transport::{Identity, Secret};

use crate::folder::Folder;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";

/// What whoever holds this secret is known by.
async fn identity(secret: &str) -> Identity {
    let folder = Folder::with("secret", &format!("  {secret}\n"));
    let secret = Secret::read(&folder.path().join("secret")).await;
    Identity::derive(&secret.expect("a good secret"))
}

/// A snapshot with routes of these hosts.
fn snapshot(epoch: u64, sequence: u64, hosts: &[&str]) -> Arc<Snapshot> {
    let route = |host: &&str| {
        let key = RouteKey {
            host: HostPattern::Exact((*host).into()),
            path: PathPrefix::root(),
        };
        let claims: Arc<[Claim]> = Arc::new([]);
        (key, claims)
    };
    Arc::new(Snapshot {
        generation: Generation { epoch, sequence },
        routes: hosts.iter().map(route).collect(),
        ..Snapshot::default()
    })
}

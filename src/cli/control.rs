//! The flags of the control channel: where controllers are, what proves that one is ours, and what is kept of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::ControlConfig;
use super::value::Listen;
use crate::core::model::NodeId;
use crate::sync::client::PeerAddress;
use crate::sync::transport;

#[derive(Args, Debug)]
pub(super) struct ControlArgs {
    /// Where controllers are, by commas: a name is looked up again and again, and what it resolves to may be any instances
    #[arg(
        long,
        env = "HIVEWAY_CONTROLLERS",
        value_name = "HOST[:PORT]",
        default_value = "tasks.hiveway",
        value_delimiter = ','
    )]
    controllers: Vec<PeerAddress>,

    /// A file with the secret that all instances share; without it this instance neither follows nor is followed
    #[arg(long, env = "HIVEWAY_CONTROL_SECRET_FILE", value_name = "FILE")]
    control_secret_file: Option<PathBuf>,

    /// Where a controller listens for those who follow it, or off; without a secret only a loopback address will do
    /// [default: 0.0.0.0:9901 with a secret, off without]
    #[arg(long, env = "HIVEWAY_LISTEN_CONTROL", value_name = "ADDRESS")]
    listen_control: Option<Listen>,

    /// A folder in which the last good snapshot is kept, to begin with when no controller can be reached, what was drained by
    /// hand, and on controllers what an ACME server issued
    #[arg(long, env = "HIVEWAY_STATE_DIR", value_name = "FOLDER")]
    state_dir: Option<PathBuf>,

    /// The node that this instance runs on, where it has no engine to tell: {{.Node.ID}} in a stack file
    #[arg(long, env = "HIVEWAY_NODE", value_name = "ID")]
    node: Option<String>,
}

impl ControlArgs {
    /// `needs_controller` where this instance cannot be one itself.
    pub(super) fn configure(self, needs_controller: bool) -> Result<ControlConfig, String> {
        let Self {
            controllers,
            control_secret_file,
            listen_control,
            state_dir,
            node,
        } = self;
        let secret = control_secret_file.is_some();
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), transport::PORT);
        let listen = match listen_control {
            Some(Listen(address)) => address,
            None => secret.then_some(everywhere),
        };
        if let Some(address) = listen.filter(|address| !secret && !address.ip().is_loopback()) {
            return Err(format!(
                "--listen-control {address} can be reached from other machines, which needs --control-secret-file"
            ));
        }
        let (near, far): (Vec<_>, Vec<_>) = controllers
            .into_iter()
            .partition(PeerAddress::is_on_loopback);
        let places = match secret {
            true => near.into_iter().chain(far).collect(),
            false if near.is_empty() && needs_controller => {
                return Err(
                    "with --edge routes come from controllers, which needs --control-secret-file"
                        .to_owned(),
                );
            }
            false => near,
        };
        Ok(ControlConfig {
            places,
            secret_file: control_secret_file,
            listen,
            state_dir,
            node: node
                .filter(|id| !id.is_empty())
                .map(|id| NodeId::from(&*id)),
        })
    }
}

//! The flags about TLS with clients.

use std::path::PathBuf;

use clap::Args;

use super::value::{Listen, folder};
use crate::gateway::{TlsConfig, TlsLimits};
use crate::tls::certificates;

#[derive(Args, Debug)]
pub(super) struct TlsArgs {
    /// Where the outside connects by TLS 1.2 or 1.3, or off; .local hosts do not exist there
    #[arg(
        long,
        env = "HIVEWAY_LISTEN_PUBLIC_TLS",
        value_name = "ADDRESS",
        default_value = "off"
    )]
    listen_public_tls: Listen,

    /// A folder with certificates as PEM, NAME.crt or NAME.pem with NAME.key or both in one, read again when they change;
    /// several by commas. A controller gives them to gateways that have none for a name
    #[arg(
        long,
        env = "HIVEWAY_CERTS",
        value_name = "FOLDER",
        value_delimiter = ',',
        value_parser = folder
    )]
    certs: Vec<PathBuf>,

    /// A file with authorities, as PEM, read again when it changes: clients by TLS have to show a certificate that one of them
    /// vouches for
    #[arg(long, env = "HIVEWAY_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// What the gateway serves, and where certificates are. `comes` where others may come than from folders.
    pub(super) fn configure(
        self,
        comes: bool,
    ) -> Result<(Option<TlsConfig>, certificates::Config), String> {
        let Self {
            listen_public_tls: Listen(address),
            certs: folders,
            client_ca,
        } = self;
        if client_ca.is_some() && address.is_none() {
            return Err(
                "--client-ca is about clients by TLS, which needs --listen-public-tls".to_owned(),
            );
        }
        if address.is_some() && folders.is_empty() && !comes {
            return Err(
                "--listen-public-tls needs certificates: give their folder with --certs, or have them issued with --acme-directory"
                    .to_owned(),
            );
        }
        let look_every = certificates::LOOK_EVERY;
        let tls = address.map(|address| TlsConfig {
            address,
            client_ca,
            look_every,
            limits: TlsLimits::default(),
        });
        Ok((
            tls,
            certificates::Config {
                folders,
                look_every,
            },
        ))
    }
}

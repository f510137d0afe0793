//! The flags about certificates from an ACME server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::controller::acme::Config;
use crate::core::certificates::acme::ChallengeKind;

#[derive(Args, Debug)]
pub(super) struct AcmeArgs {
    /// The directory of an ACME server that issues certificates for public hosts of https:// routes which have none from
    /// --certs, such as Let's Encrypt's; needs --state-dir [default: none is asked]
    #[arg(long, env = "HIVEWAY_ACME_DIRECTORY", value_name = "URL", value_parser = directory)]
    acme_directory: Option<Arc<str>>,

    /// Agree to the terms of the ACME server, without which it issues nothing
    #[arg(long, env = "HIVEWAY_ACME_AGREE", value_parser = BoolishValueParser::new(), requires = "acme_directory")]
    acme_agree: bool,

    /// Whom the ACME server may write to, such as admin@example.com; several by commas
    #[arg(
        long,
        env = "HIVEWAY_ACME_CONTACT",
        value_name = "EMAIL",
        value_delimiter = ',',
        value_parser = contact,
        requires = "acme_directory"
    )]
    acme_contact: Vec<String>,

    /// A file with the authorities that vouch for the ACME server itself, as PEM [default: those that browsers trust]
    #[arg(
        long,
        env = "HIVEWAY_ACME_ROOT",
        value_name = "FILE",
        requires = "acme_directory"
    )]
    acme_root: Option<PathBuf>,

    /// By what hosts prove to be ours: a file that is asked for on port 80, or a certificate on port 443
    #[arg(
        long,
        env = "HIVEWAY_ACME_CHALLENGE",
        value_name = "CHALLENGE",
        default_value = "http-01"
    )]
    acme_challenge: ChallengeArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChallengeArg {
    /// By --listen-public, which the server reaches on port 80
    #[value(name = "http-01")]
    Http01,
    /// By --listen-public-tls, which the server reaches on port 443
    #[value(name = "tls-alpn-01")]
    TlsAlpn01,
}

impl AcmeArgs {
    /// What is ordered, and from whom; none where nobody is asked.
    pub(super) fn configure(self, state_dir: Option<&Path>) -> Result<Option<Config>, String> {
        let Self {
            acme_directory,
            acme_agree,
            acme_contact: contacts,
            acme_root: root,
            acme_challenge,
        } = self;
        let Some(directory) = acme_directory else {
            return Ok(None);
        };
        if !acme_agree {
            return Err(format!(
                "--acme-directory {directory} issues certificates to those who agree to its terms, which --acme-agree says"
            ));
        }
        let Some(state_dir) = state_dir else {
            return Err(
                "--acme-directory needs --state-dir, where account and certificates are kept"
                    .to_owned(),
            );
        };
        Ok(Some(Config {
            directory,
            contacts,
            root,
            challenge: match acme_challenge {
                ChallengeArg::Http01 => ChallengeKind::Http01,
                ChallengeArg::TlsAlpn01 => ChallengeKind::TlsAlpn01,
            },
            state_dir: state_dir.to_owned(),
        }))
    }
}

fn directory(text: &str) -> Result<Arc<str>, String> {
    let refuse = || "give the URL of a directory, such as https://acme.example.com/directory";
    let url: http::Uri = text.trim().parse().map_err(|_| refuse())?;
    match url.scheme_str() == Some("https") && url.host().is_some_and(|it| !it.is_empty()) {
        true => Ok(text.trim().into()),
        false => Err(refuse().to_owned()),
    }
}

fn contact(text: &str) -> Result<String, String> {
    let text = text.trim();
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    match address.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') => {
            Ok(format!("mailto:{address}"))
        }
        _ => Err("give addresses such as admin@example.com, separated by commas".to_owned()),
    }
}

//! `hiveway drain` and `hiveway undrain`.

use serde::Deserialize;

use super::Write;
use super::client::{Client, Error, escape};
use super::table::printable;
use crate::tools::stdout;

#[derive(Deserialize)]
struct Written {
    service: String,
    container: String,
    says: String,
}

pub(super) async fn run(write: Write) -> Result<(), Error> {
    let client = Client::new(&write.admin_url)?;
    let token = tokio::fs::read_to_string(&write.token_file).await;
    let token = token.map_err(|reason| Error::Token {
        path: write.token_file.display().to_string(),
        reason,
    })?;
    let what = if write.drain { "drain" } else { "undrain" };
    let path = format!("/v1/endpoints/{}/{what}", escape(&write.endpoint));
    let written: Written = client.post(&path, token.trim()).await?;
    let container = written.container.get(..12).unwrap_or(&written.container);
    let line = format!(
        "{} container {container}: {}",
        written.service, written.says
    );
    stdout::write(&format!("{}\n", printable(&line)))?;
    Ok(())
}

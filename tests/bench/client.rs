//! One request on one connection, and the check of its answer. Every answer of every measurement passes through here.

use anyhow::{Context, bail, ensure};

use crate::backend::{BODY_LENGTH, head_end};

/// The host that every proxy routes by.
pub(crate) const HOST: &str = "restserver.local";

/// What is sent, the same for every proxy: the headers of a plain command-line client.
pub(crate) fn request(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

/// A right answer: status 200, the connection stays open, and all of the body is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The length of its body.
    pub(crate) body: usize,
    /// Who says that it answered; the servers of the example do.
    pub(crate) served_by: Option<String>,
}

/// The answer, once the bytes are all of it. An error where they can no longer become a right one.
pub(crate) fn answer(bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
    let Some((end, answer)) = announced(bytes)? else {
        return Ok(None);
    };
    let (received, body) = (bytes.len() - end, answer.body);
    ensure!(received <= body, "{received} bytes of a body of {body}");
    Ok((received == body).then_some(answer))
}

/// What a head announces, and where it ends, once it is in.
pub(crate) fn announced(bytes: &[u8]) -> anyhow::Result<Option<(usize, Answer)>> {
    let Some(end) = head_end(bytes) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the answer's head is no text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200 "), "answered {status:?}");
    let mut length = None;
    let mut served_by = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(
                value
                    .trim()
                    .parse()
                    .context("a content-length that is no number")?,
            );
        } else if name.eq_ignore_ascii_case("x-served-by") {
            served_by = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("connection") && value.trim() == "close" {
            bail!("the proxy closes the connection after an answer");
        }
    }
    let body: usize = length.context("an answer without a content-length")?;
    Ok(Some((end, Answer { body, served_by })))
}

/// Whether an answer is that of the backends.
pub(crate) fn check(answer: &Answer) -> anyhow::Result<()> {
    let body = answer.body;
    ensure!(
        body == BODY_LENGTH,
        "a body of {body} bytes, not {BODY_LENGTH}"
    );
    Ok(())
}

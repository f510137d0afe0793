//! Passwords: checked against the hashes in a service's labels, away from the threads that proxy.
//!
//! # Design notes
//!
//! Hashes are slow on purpose: tens of milliseconds of a whole processor. So few are worked out at once, few wait for it and
//! each client behind its own guesses ([`turns`]), and a password that was right is remembered for [`REMEMBERED`], as a digest under a key that only this process has and
//! together with the hash that it was right for: a changed label is in force at once. Unknown users cost as much as known
//! ones, so that nobody learns from the time it takes who exists.

mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argon2::{Argon2, PasswordVerifier as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use pingora::http::RequestHeader;
use prometheus::Histogram;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::time::Instant;

use crate::core::model::middleware::{Credential, PasswordHash};
use crate::core::request::origin::Origin;

use self::turns::{Full, Turns};

/// How long a password that was right need not be checked again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many of them are remembered.
const ROOM: usize = 4_096;

/// What comes of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The user is known and the password is right.
    Right(Arc<str>),
    /// Anything else.
    Wrong,
    /// Too many wait to be checked.
    Busy,
    /// Too many of this client do.
    TooManyGuesses,
}

/// Checks passwords; one for the whole gateway, so that all services together cannot take more than their part of it.
pub(super) struct Verifier {
    key: hmac::Key,
    /// Until when which password is right.
    right: Mutex<HashMap<[u8; 32], Instant>>,
    /// Whose password is worked out when.
    turns: Arc<Turns>,
    /// How long a password waits for its turn.
    waits: Histogram,
}

impl Verifier {
    /// For a gateway with so many threads; half as many passwords are worked out at once.
    pub(super) fn new(threads: usize, waits: Histogram) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the system has random numbers, or TLS would have failed before");
        Self {
            key,
            right: Mutex::default(),
            turns: Turns::new((threads / 2).max(1)),
            waits,
        }
    }

    /// Whether a request of a client comes from one of these users.
    pub(super) async fn check(
        &self,
        known: &[Credential],
        request: &RequestHeader,
        client: Origin,
    ) -> Verdict {
        let Some((user, password)) = sent(request) else {
            return Verdict::Wrong;
        };
        let credential = known.iter().find(|it| *it.user == *user);
        let Some(checked) = credential.or(known.first()) else {
            return Verdict::Wrong;
        };
        let digest = self.digest(&user, &checked.hash, &password);
        let verdict = |right: bool| match credential {
            Some(credential) if right => Verdict::Right(credential.user.clone()),
            _ => Verdict::Wrong,
        };
        if self.remembers(&digest) {
            return verdict(true);
        }
        let asked = Instant::now();
        let turn = match self.turns.take(client.subscriber()).await {
            Ok(turn) => turn,
            Err(Full::All) => return Verdict::Busy,
            Err(Full::Client) => return Verdict::TooManyGuesses,
        };
        self.waits.observe(asked.elapsed().as_secs_f64());
        // Others may have come with the same meanwhile.
        if self.remembers(&digest) {
            turn.was_right();
            return verdict(true);
        }
        let hash = checked.hash.clone();
        let is_known = credential.is_some();
        let checking = tokio::task::spawn_blocking(move || {
            let right = is_right(&hash, &password);
            if right && is_known {
                turn.was_right();
            }
            // Held by the work itself, which goes on when the request is given up.
            drop(turn);
            right
        });
        // A check that panicked proves nothing.
        let right = checking.await.unwrap_or(false);
        if right && is_known {
            self.remember(digest);
        }
        verdict(right)
    }

    fn digest(&self, user: &str, hash: &PasswordHash, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        // No user has a colon, and no hash a zero, so that nothing can be read in two ways.
        for part in [user.as_bytes(), b":", hash.0.as_bytes(), b"\0", password] {
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }

    fn remembers(&self, digest: &[u8; 32]) -> bool {
        let until = self.right().get(digest).copied();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn remember(&self, digest: [u8; 32]) {
        let now = Instant::now();
        let mut right = self.right();
        if right.len() >= ROOM {
            right.retain(|_, until| now < *until);
        }
        // As many users in a minute are checked again.
        if right.len() >= ROOM {
            right.clear();
        }
        right.insert(digest, now + REMEMBERED);
    }

    fn right(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.right
            .lock()
            .expect("nothing panics while it holds what is remembered")
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// The user and the password that a request was sent with.
fn sent(request: &RequestHeader) -> Option<(String, Vec<u8>)> {
    let said = request.headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = said.split_at(said.iter().position(|byte| *byte == b' ')?);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(&pair[..colon]).ok()?.to_owned();
    Some((user, pair[colon + 1..].to_vec()))
}

/// Works the hash out; tens of milliseconds.
fn is_right(hash: &PasswordHash, password: &[u8]) -> bool {
    match hash.0.starts_with("$argon2") {
        true => Argon2::default()
            .verify_password(password, &*hash.0)
            .is_ok(),
        false => bcrypt::verify(password, &hash.0).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::observe::event_log;
    use crate::observe::metrics::Metrics;

    /// Of `s3cret`, made by libxcrypt.
    const BCRYPT: &str = "$2b$04$LhRHyYb92TBsI3aIYbm2MOSl1HD09/qy8U8dBaQhwZ4egNNkmpBGq";
    /// Of `password`, from the tests of the reference implementation.
    const ARGON2: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn known() -> [Credential; 2] {
        [("alice", BCRYPT), ("bob", ARGON2)].map(|(user, hash)| Credential {
            user: user.into(),
            hash: PasswordHash(hash.into()),
        })
    }

    const CLIENT: Origin = Origin::Known(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));

    fn verifier() -> Verifier {
        let metrics = Metrics::new(event_log::channel().0.drop_counter());
        Verifier::new(1, metrics.password_waits())
    }

    fn request(authorization: &str) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        request
            .insert_header(AUTHORIZATION, authorization)
            .expect("a header");
        request
    }

    fn basic(pair: &str) -> RequestHeader {
        request(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }

    #[tokio::test]
    async fn the_right_password_of_a_known_user_is_right_and_nothing_else() {
        let verifier = verifier();
        let right = |user: &str| Verdict::Right(user.into());
        for (request, expected) in [
            (basic("alice:s3cret"), right("alice")),
            (basic("bob:password"), right("bob")),
            (basic("bob:s3cret"), Verdict::Wrong),
            (
                request(&format!(
                    "bASIC  {}",
                    BASE64_STANDARD.encode("bob:password")
                )),
                right("bob"),
            ),
            (basic("alice:s3cret "), Verdict::Wrong),
            (basic("alice:"), Verdict::Wrong),
            (basic("carol:s3cret"), Verdict::Wrong),
            (basic("alice"), Verdict::Wrong),
            (request("Bearer abc"), Verdict::Wrong),
            (request("Basic ???"), Verdict::Wrong),
            (request("Basic"), Verdict::Wrong),
        ] {
            // The second time it may be remembered.
            for _ in 0..2 {
                assert_eq!(
                    verifier.check(&known(), &request, CLIENT).await,
                    expected,
                    "{request:?}"
                );
            }
        }
        assert_eq!(
            verifier.right().len(),
            2,
            "only what was right is remembered"
        );
        assert_eq!(
            verifier.check(&[], &basic("alice:s3cret"), CLIENT).await,
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn what_was_right_for_another_hash_is_checked_again() {
        let verifier = verifier();
        let [alice, bob] = known();
        let changed = Credential {
            user: "alice".into(),
            hash: bob.hash,
        };
        let asked = basic("alice:s3cret");
        let right = Verdict::Right("alice".into());
        assert_eq!(verifier.check(&[alice], &asked, CLIENT).await, right);
        assert_eq!(
            verifier.check(&[changed], &asked, CLIENT).await,
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn when_too_many_wait_the_next_is_told_so() {
        let verifier = verifier();
        let under_way = verifier.turns.take(CLIENT).await;
        let waiting: Vec<_> = (0..turns::WAITING_OF_A_CLIENT)
            .map(|_| {
                let mut waits = Box::pin(verifier.turns.take(CLIENT));
                assert!(waits.as_mut().now_or_never().is_none());
                waits
            })
            .collect();
        let asked = basic("alice:s3cret");
        assert_eq!(
            verifier.check(&known(), &asked, CLIENT).await,
            Verdict::TooManyGuesses
        );
        drop((waiting, under_way));
        let right = Verdict::Right("alice".into());
        assert_eq!(verifier.check(&known(), &asked, CLIENT).await, right);
        assert_eq!(verifier.waits.get_sample_count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_forgotten_after_a_minute() {
        let verifier = verifier();
        verifier.remember([7; 32]);
        assert!(verifier.remembers(&[7; 32]));
        tokio::time::advance(REMEMBERED).await;
        assert!(!verifier.remembers(&[7; 32]));
        for index in 0..=ROOM {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&index.to_le_bytes());
            verifier.remember(digest);
        }
        assert!(verifier.right().len() <= ROOM);
    }
}

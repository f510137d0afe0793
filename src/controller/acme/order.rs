//! One order of a certificate, from the account to the chain, and what became of it.
//!
//! # Design notes
//!
//! Nothing is kept from one order to the next but the account, which is read from its file each time: an order is rare, and so
//! two instances that share the folder while one replaces the other share the account as well.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::{Client, Unanswered};
use super::folder::{self, Folder};
use super::{Config, SPREAD};
use crate::core::certificates::PrivatePem;
use crate::core::certificates::acme::{Challenge, ChallengeKind, Failure, IssuedCertificate};

/// How long a server may take to look at a host, and again to issue. Some look several times.
const DECISION: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// What the type of every problem begins with (RFC 8555, section 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// Why an order came to nothing.
#[derive(Clone, Debug)]
pub(super) struct OrderError {
    pub(super) failure: Failure,
    /// How long the server wants to be left alone, where it said so.
    pub(super) retry_after: Option<Duration>,
    /// With what the server said.
    pub(super) reason: Arc<str>,
}

impl OrderError {
    fn because(reason: impl Into<Arc<str>>) -> Self {
        Self {
            failure: Failure::Refused,
            retry_after: None,
            reason: reason.into(),
        }
    }
}

/// Orders. Cheap to clone.
#[derive(Clone)]
pub(super) struct Orderer {
    config: Arc<Config>,
    client: Client,
    folder: Folder,
    challenges: watch::Sender<Arc<[Challenge]>>,
}

/// Takes the challenge back when it is over, however it ends.
struct Expected<'a>(&'a watch::Sender<Arc<[Challenge]>>);

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.send_replace(Arc::default());
    }
}

impl Orderer {
    pub(super) fn new(
        config: Config,
        client: Client,
        folder: Folder,
        challenges: watch::Sender<Arc<[Challenge]>>,
    ) -> Self {
        Self {
            config: Arc::new(config),
            client,
            folder,
            challenges,
        }
    }

    /// Orders a certificate for a host, and proves that it is ours.
    pub(super) async fn order(&self, host: &Arc<str>) -> Result<IssuedCertificate, OrderError> {
        let account = self.account().await?;
        let pem = self.issue(&account, host).await?;
        folder::describe(host, &self.config.directory, pem).map_err(|reason| {
            OrderError::because(format!("what the server issued cannot be used: {reason}"))
        })
    }

    /// The account that was kept, or a new one.
    async fn account(&self) -> Result<Account, OrderError> {
        let keep = |error| OrderError::because(format!("the account cannot be kept: {error}"));
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(text) = self.folder.account().await.map_err(keep)?
            && let Ok(kept) = serde_json::from_slice::<AccountCredentials>(&text)
        {
            let account = builder.from_credentials(kept).await;
            return account.map_err(|error| self.refuse(&error));
        }
        let contacts: Vec<&str> = self.config.contacts.iter().map(|it| &**it).collect();
        let wanted = NewAccount {
            contact: &contacts,
            // Without this agreement the command line is refused.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.config.directory.to_string();
        let made = builder.create(&wanted, directory, None).await;
        let (account, credentials) = made.map_err(|error| self.refuse(&error))?;
        let text = serde_json::to_vec(&credentials).expect("credentials are plain data");
        self.folder.keep_account(&text).await.map_err(keep)?;
        Ok(account)
    }

    async fn issue(&self, account: &Account, host: &Arc<str>) -> Result<PrivatePem, OrderError> {
        let refuse = |error: Error| self.refuse(&error);
        let identifiers = [Identifier::Dns(host.to_string())];
        let order = account.new_order(&NewOrder::new(&identifiers)).await;
        let mut order = match order {
            Ok(order) => order,
            Err(error) => {
                if is_about(&error, "accountDoesNotExist") {
                    self.folder.forget_account().await;
                }
                return Err(refuse(error));
            }
        };
        let expected = Expected(&self.challenges);
        self.open(&mut order, host).await?;
        match order.poll_ready(&DECISION).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(self.explain(&mut order, None).await),
            Err(error) => return Err(self.explain(&mut order, Some(error)).await),
        }
        drop(expected);
        let key = order.finalize().await.map_err(refuse)?;
        let chain = order.poll_certificate(&DECISION).await.map_err(refuse)?;
        Ok(PrivatePem::new(&format!("{}\n{key}", chain.trim_end())))
    }

    /// Tells all gateways what is asked, and then the server that it may ask.
    async fn open(&self, order: &mut Order, host: &Arc<str>) -> Result<(), OrderError> {
        let refuse = |error: Error| self.refuse(&error);
        let (kind, name) = match self.config.challenge {
            ChallengeKind::Http01 => (ChallengeType::Http01, "HTTP-01"),
            ChallengeKind::TlsAlpn01 => (ChallengeType::TlsAlpn01, "TLS-ALPN-01"),
        };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(refuse)?;
            // The server remembers a host for a while.
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(kind.clone());
            let mut challenge = challenge.ok_or_else(|| {
                OrderError::because(format!(
                    "the server does not offer {name} for it; choose the other with --acme-challenge"
                ))
            })?;
            let open = Challenge {
                kind: self.config.challenge,
                host: host.clone(),
                token: challenge.token.as_str().into(),
                answer: challenge.key_authorization().as_str().into(),
            };
            self.challenges.send_replace(Arc::new([open]));
            sleep(SPREAD).await;
            challenge.set_ready().await.map_err(refuse)?;
        }
        Ok(())
    }

    /// Why a host was not believed: what the server says of its challenge, or else what went wrong.
    async fn explain(&self, order: &mut Order, error: Option<Error>) -> OrderError {
        // Before anything else is asked of the server, whose next answer says something else of the
        // time.
        let refused = error.as_ref().map(|error| self.refuse(error));
        let told = refused.is_none() || matches!(error, Some(Error::Api(_)));
        if let Some(refused) = &refused
            && (!told || refused.failure != Failure::Refused)
        {
            return refused.clone();
        }
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if let Ok(state) = authorization.refresh().await
                && let Some(problem) = state.challenges.iter().find_map(|it| it.error.as_ref())
            {
                let problem = describe(problem);
                return OrderError::because(format!("{problem}; {}", self.remedy()));
            }
        }
        match refused {
            Some(refused) => refused,
            None => OrderError::because("the server gave the order up, and does not say why"),
        }
    }

    /// What has to be so for a host to be believed. Nobody here can see which ports lead to the gateways from outside.
    fn remedy(&self) -> &'static str {
        match self.config.challenge {
            ChallengeKind::Http01 => {
                "it asks on port 80 of this name's addresses, which has to lead to --listen-public of a gateway"
            }
            ChallengeKind::TlsAlpn01 => {
                "it asks on port 443 of this name's addresses, which has to lead to --listen-public-tls of a gateway"
            }
        }
    }

    fn refuse(&self, error: &Error) -> OrderError {
        let retry_after = self.client.retry_after();
        let (failure, reason) = match error {
            Error::Api(problem)
                if is_about(error, "rateLimited") || problem.status == Some(429) =>
            {
                (Failure::Limited, describe(problem))
            }
            Error::Api(problem)
                if is_about(error, "serverInternal")
                    || problem.status.is_some_and(|status| status >= 500) =>
            {
                (Failure::Away, describe(problem))
            }
            Error::Api(problem) => (Failure::Refused, describe(problem)),
            Error::Json(error) => (
                Failure::Away,
                format!("the server does not speak ACME: {error}; check --acme-directory"),
            ),
            Error::Timeout(_) => (
                Failure::Refused,
                "the server has not decided within two minutes".to_owned(),
            ),
            Error::Other(inner) if inner.is::<Unanswered>() => {
                let limited = inner.downcast_ref().is_some_and(Unanswered::is_limit);
                let failure = if limited {
                    Failure::Limited
                } else {
                    Failure::Away
                };
                (failure, inner.to_string())
            }
            other => (Failure::Refused, other.to_string()),
        };
        OrderError {
            failure,
            retry_after,
            reason: reason.into(),
        }
    }
}

/// Whether it is a problem of this type.
fn is_about(error: &Error, kind: &str) -> bool {
    let Error::Api(problem) = error else {
        return false;
    };
    let named = problem
        .r#type
        .as_deref()
        .and_then(|it| it.strip_prefix(PROBLEM));
    named == Some(kind)
}

/// What the server says is wrong.
fn describe(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix(PROBLEM).unwrap_or(kind);
    let detail = problem.detail.as_deref().unwrap_or("no reason given");
    let further = problem
        .subproblems
        .iter()
        .filter_map(|it| it.detail.as_deref());
    let all: Vec<_> = std::iter::once(detail).chain(further).collect();
    // It ends up in a line.
    let all = all.join("; ").replace(char::is_control, " ");
    format!("the server says: {all} ({kind})")
}

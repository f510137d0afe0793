//! Labels: what services say to Hiveway, and all that they can say.
//!
//! This page is the reference of every label, of which [`mod@reference`] makes `hiveway labels` and
//! `deploy/reference/labels.md`. [`parse`] turns the labels of one service into a [`ServiceSpec`] and a list of
//! [`Diagnostic`]s; it never fails.
//!
//! ```yaml
//! deploy:
//!   labels:
//!     hiveway.routing.port_80: "shop.example.com; shop.example.com/api"
//!     hiveway.probe.url: "http://container:80/health"
//! ```
//!
//! # Where labels stand
//!
//! Labels stand on the service, which is `deploy.labels` in a stack file. Those of the container (`labels` beside
//! `deploy`) are read as well, with a notice.
//!
//! Every key below exists under two prefixes: `hiveway.` and, for compose files of Alibaba Cloud's Swarm clusters,
//! `aliyun.`. Where a key is given more than once, the first in this order that can be read decides, and the others get a
//! notice:
//!
//! 1. `hiveway.` on the service
//! 2. `aliyun.` on the service
//! 3. `hiveway.` on the container
//! 4. `aliyun.` on the container
//!
//! # Routes: `routing.port_N`
//!
//! N is a port that the container listens on, from 1 to 65535, without leading zeros. It need not be published. A service
//! may carry this label for several ports. The value is a list of items, separated by semicolons; blanks around an item
//! and empty items do not count. An item is `[scheme://]host[/path]`.
//!
//! | scheme, in any case | what it means |
//! |---|---|
//! | none | plain HTTP, and HTTPS where there is a certificate for the host |
//! | `http`, `ws` | plain HTTP only |
//! | `https`, `wss` | HTTPS only; a plain request is redirected to it (308), or gets a 404 where nothing terminates TLS |
//! | `grpc` | as without a scheme, but by HTTP/2, to the task as well: with prior knowledge, and without TLS |
//! | `tcp` | a connection by TLS that asks for the host (SNI) is passed on to the task undecrypted |
//!
//! WebSockets work on every route of HTTP, whatever its scheme. TCP routes have rules of their own, [below](#tcp-routes).
//!
//! | host | what it matches |
//! |---|---|
//! | `shop.example.com` | this name, in any case |
//! | `restserver.local` | this name, for clients inside the cluster only, as with every name under `.local` |
//! | `*.example.com` | all names under `example.com`, at any depth, but not that name itself |
//! | `shop` | `shop.` and the value of `--domain-suffix`; an error where there is none |
//!
//! An internationalised name is written in its `xn--` form. The path is a prefix that ends at a segment's border: `/api`
//! matches `/api` and `/api/x` but not `/apix`, and so does `/api/`. Without a path all paths match.
//!
//! A path in another spelling is matched by its normal form, so that guards and policies hold for it: `/%61pi`, `//api`,
//! `/./api`, `/x/../api` and `/api;a=1` are `/api`. An encoded slash (`%2F`) stays what it is. The task gets the bytes as they
//! came, without dot segments. What servers read in different ways is answered 400: `..;`, dots beside `%2F`, `%3B` or `%5C`,
//! a backslash, `%00`, overlong encodings, and a `%` without two hexadecimal digits.
//!
//! An exact host wins over a wildcard and a longer wildcard over a shorter; then the longest path wins. Services that
//! claim the same host and path share it by weight. Where one service claims it for several ports, the lowest serves it.
//! On one port, `http://` and `https://` for the same host and path together mean both.
//!
//! # TCP routes
//!
//! `hiveway.routing.port_5432: "tcp://db.example.com"` passes connections on to port 5432 of the service's tasks that come to
//! `--listen-public-tls` and ask for `db.example.com` in the first message of TLS. The task has the certificate and sees the
//! client's own TLS; Hiveway reads the name and nothing else, and so needs no certificate for it. Clients have to speak TLS
//! from the first byte and to send a name: PostgreSQL's do with `sslmode=require sslnegotiation=direct`, as do those of Redis,
//! MQTT, AMQP, LDAPS and HTTPS. Those that begin in clear and change to TLS later cannot be told apart, nor can SSH.
//!
//! * Such an item has no path and no port, and no host under `.local`, since the internal listener speaks no TLS.
//! * It goes before what Hiveway would serve by TLS for the same host itself: without a scheme, a host that has a TCP route as
//!   well is served plain only. `https://` and `tcp://` for one host contradict each other: the `tcp://` item then has no
//!   effect, and an error says so, whichever service it belongs to. As everywhere, an exact host wins over a wildcard, whether
//!   it is a TCP route or not.
//! * Services that claim the same host share it by `routing.weight`. `routing.balance` chooses the endpoint; where it needs a
//!   header or a cookie, each gets its turn. A connection counts as one request from its beginning to its end:
//!   for `least_request` and `max_in_flight`, and for `hold_seconds`.
//! * `routing.retries` further endpoints are tried while none takes the connection within `connect_timeout_seconds`; none after that.
//! * A connection ends when both sides have ended it, or after `idle_timeout_seconds` without a byte in either direction. When
//!   its endpoint leaves rotation it goes on; a gateway that stops gives it `--grace`.
//! * `routing.allow_cidrs` and `routing.rate_limit` hold for connections: those too many are closed without a word. What
//!   else is done to requests and answers cannot be done here, `basic_auth` included.
//!
//! # Steering: `routing.*`
//!
//! | key | values | default | meaning |
//! |---|---|---|---|
//! | `routing.session_sticky` | boolean | `true` | Clients stay with their container by the cookie `CONTAINERID`, as long as it is in rotation. |
//! | `routing.balance` | see below | `round_robin` | Which endpoint a client without a valid cookie gets. |
//! | `routing.weight` | 0 to 100 | `100` | The share of this service where several claim one host and path. At 0 it gets no requests. |
//! | `routing.network` | name | the first that both sides share | The network on which tasks are reached. |
//! | `routing.strip_prefix` | boolean | `false` | Whether the route's path is cut off before the request reaches the task, which is told of it by `X-Forwarded-Prefix`. |
//! | `routing.retries` | 0 to 5 | `2` | How many further endpoints are tried when a request can safely be sent again. |
//! | `routing.connect_timeout_seconds` | seconds > 0 | `1` | Time to connect to a task. |
//! | `routing.response_timeout_seconds` | seconds > 0 | `60` | Time to the first byte of the answer, and for now between its bytes as well. |
//! | `routing.idle_timeout_seconds` | seconds > 0 | `600` | Time between two bytes on a WebSocket, or from the task on a call of a `grpc://` route and on an answer to a request that accepts `text/event-stream`. |
//! | `routing.max_in_flight` | from 1 | no limit | Requests that one endpoint works on at once, WebSockets included. |
//! | `routing.hold_seconds` | seconds | `0` | How long a request waits for an endpoint to come into rotation, or to have room, before it gets a 503. |
//! | `routing.slow_start_seconds` | seconds | `0` | Time in which the share of a new endpoint grows from a tenth to all. |
//! | `routing.hsts_seconds` | 0 to 63072000 | not said | For so long browsers come by TLS only: `Strict-Transport-Security: max-age=N` on answers by TLS. 0 takes it back. |
//!
//! `routing.balance` is one of these. A valid cookie comes before all of them.
//!
//! | value | which endpoint |
//! |---|---|
//! | `round_robin` | each in turn |
//! | `least_request` | of two drawn by chance, the one that works on fewer requests |
//! | `peak_ewma` | of two drawn by chance, the one that answers sooner, given what it works on |
//! | `random` | any |
//! | `hash:source` | always the same for a client's address, as `--trusted-proxies` tell it |
//! | `hash:header:NAME`, `hash:cookie:NAME` | always the same for the value of a header or cookie; in turn where a request has none |
//!
//! When an endpoint leaves, only its own keys move. One that works on sixteen requests or more, and on a quarter more than
//! its share, is passed over for the next of the key. Services that share a route share its keys by weight; where they hash
//! by different things, the first by its id decides.
//!
//! A request that finds its endpoint full (`max_in_flight`) goes to the next that has room, also when its client is bound to
//! the full one, whose cookie it keeps. When all are full, or none is in rotation, it waits for `hold_seconds` behind those
//! that came before, and is then answered 503 with `Retry-After`. At most 1024 requests wait for a service; more are refused
//! at once. Every gateway counts for itself: an endpoint may get `max_in_flight` requests from each. With
//! `hold_seconds` above the time that a start takes, a service of one replica loses no request by its update.
//!
//! Retries of requests that were sent have a budget: at most a fifth more requests for a service, and one a second beyond that
//! for rare ones. What is over it fails as it would without `routing.retries`. Those that met no connection cost no task
//! anything, and are bounded by `routing.retries` alone.
//!
//! # On the way: more of `routing.*`
//!
//! All of these are off unless they are written, and are applied in the order of this table.
//!
//! | key | values | meaning |
//! |---|---|---|
//! | `routing.redirect` | URL, or status and URL | Every request is sent there, path and query kept, whether or not a task runs. The status is 308, or 301, 302 or 307 where it is written before the URL: `302 https://other.example.com`. With `strip_prefix` the route's path is left out. One that leads back to the same route is an error, since its clients are sent in a circle. |
//! | `routing.allow_cidrs` | networks and addresses, by commas or semicolons | Other clients get a 403. |
//! | `routing.rate_limit` | 1 to 1000000 | So many requests a second of one client, and as many at once; others get a 429. Each gateway counts for itself, and for an IPv6 client by its /64. |
//! | `routing.basic_auth` | `user:hash` and `secret:NAME` items, by semicolons | Who comes without a known name and password gets a 401. |
//! | `routing.max_body_bytes` | number | A larger request gets a 413, at once where it says its length, or else when it has sent more. |
//! | `routing.headers.request.NAME` | value | Sets this header of requests to the service; an empty value removes it. |
//! | `routing.headers.response.NAME` | value | The same for the service's answers, not for those that Hiveway gives itself. |
//! | `routing.compress` | boolean, or some of `gzip`, `br`, `zstd` | Compresses answers of text, JSON, XML, scripts and the like from 1 KiB on, as the client likes it, or else in the order of the list. `true` is `zstd, br, gzip`. |
//!
//! The client's address is that of the connection, or, behind `--trusted-proxies`, what those report by `X-Forwarded-For` or
//! `Forwarded`, with or without a port. A client that a trusted proxy does not name (`unknown`, `_hidden`), names in a form that
//! cannot be read, or differently in the two headers has no address: no network contains it, not even `0.0.0.0/0`, and all of
//! them behind one proxy share one rate. A network of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) is the one of IPv4. A list of
//! networks or users of which nothing can be read lets **no client** in, because to leave a guarded service open is the worse
//! mistake.
//!
//! A hash is one of bcrypt (`$2y$…`, at most cost 14) or Argon2 (`$argon2id$…`, at most 256 MiB), as `htpasswd -nB user`
//! prints it with its user. In a stack file every `$` is written twice, or `docker stack deploy` puts a variable there.
//! Whoever can read the swarm's services can read the hashes; Hiveway shows them neither in diagnostics nor under
//! `/snapshot`, but sends them to its gateways and keeps them in `--state-dir`. A password that was right is remembered for
//! a minute as a keyed digest, so that it is not hashed for every request. The service gets the user's name in
//! `X-Forwarded-User`, and no `Authorization`.
//!
//! `secret:NAME` stands for the users in a Docker secret, whose lines are those of `htpasswd -nB`, with every `$` once. The
//! secret is given to Hiveway's own service, which mounts it as `/run/secrets/NAME` (`--secrets`), where the managers'
//! instances read it, and again when it changes. While it cannot be read, none of its users is let in. A user may be called
//! `secret` as well: what follows the colon then is a hash, which begins with `$`, as no name does.
//!
//! A header's name may be written in any case. The headers of which HTTP itself is made, such as `Host` and
//! `Content-Length`, cannot be set.
//!
//! Not compressed: what is encoded already, says `no-transform` or carries a digest of itself, parts (206), streams of
//! events, and whatever comes by a `grpc://` route. An answer that does not say its length is sent on as it comes, compressed
//! piece by piece. A request with `Cache-Control: no-transform` gets its answer as it is.
//!
//! A compressed answer has a tag of its own, and the task is asked about the one that it gave:
//!
//! | `ETag` of the task | of the answer compressed by gzip | `If-None-Match`, `If-Match` of the client | of the request to the task |
//! |---|---|---|---|
//! | `"x"` | `W/"x-hw-gzip"` | `W/"x-hw-gzip"` | `"x"` |
//! | `W/"x"` | `W/"x-hw-w-gzip"` | `W/"x-hw-w-gzip"` | `W/"x"` |
//!
//! So a client that has the compressed form gets its 304, one that cannot read this form does not, and a HEAD says what a GET would.
//!
//! # Health: `probe.*`
//!
//! | key | values | default | meaning |
//! |---|---|---|---|
//! | `probe.url` | see below | TCP connect to the lowest routed port | What every task is asked. |
//! | `probe.cmd` | shell command | none | A command in the container; status 0 passes. Not together with `probe.url`, which wins. |
//! | `probe.initial_delay_seconds` | seconds | `0` | Time from the start of a task to its first probe. |
//! | `probe.timeout_seconds` | seconds > 0 | `2` | A probe without an answer after this time has failed. |
//! | `probe.interval_seconds` | seconds from 0.1 | `2` | Time between two probes of a task. |
//! | `probe.rise` | 1 to 10 | `1` | So many passes in a row bring a task into rotation. |
//! | `probe.fall` | 1 to 10 | `2` | So many failures in a row take it out. |
//!
//! `probe.url` is `http://container[:PORT][/path]` (a GET that is answered 2xx or 3xx passes; port 80 unless written; a
//! query is allowed), `tcp://container:PORT` (a connection passes), or `none` (every running task is in rotation). The
//! word `container` stands for the address of each task; no other host can be probed.
//!
//! `probe.cmd` is run as `/bin/sh -c COMMAND` in the container, as its user, by the Hiveway on the container's node: where
//! none runs there, or where the image has no shell, the task never comes into rotation. A command that outlasts its
//! time-out has failed the probe and cannot be ended from outside; no other is begun before it ends.
//!
//! # Replicas: `scale`
//!
//! | key | values | default | meaning |
//! |---|---|---|---|
//! | `scale` | 0 to 10000 | as deployed | The number of replicas that Hiveway keeps, also against `docker service scale`. Only on a replicated service. |
//!
//! # Values
//!
//! A boolean is `true` or `false` in any case. Numbers are plain digits; seconds may have a decimal point, and a day is the
//! most. Blanks around a value do not count. YAML wants all of them in quotes.
//!
//! # What is not built yet
//!
//! Some of these are read and checked, but change nothing so far; each use says so in a warning. The list is
//! `PENDING` in `labels/pending.rs`.
//!
//! # Mistakes
//!
//! A value that cannot be read is dropped with a diagnostic, and so is a single item of a list: everything else stands,
//! of this service and all others. An unknown key under either prefix is an error that suggests the nearest known one.
//! A name from another product suggests the key that means the same here. What follows from a refused route is not reported.
//! Keys that only the old product knew get a notice of what Swarm has in their place. `hiveway check` shows all of it in a
//! stack file, before that is deployed.
//!
//! A key that seems to be meant for a guard and is not one (`basicauth` for `basic_auth`, `allow_cidr` for `allow_cidrs`, or
//! `forward_auth`, which this version does not have) shuts the service: it answers 503 `guard-unreadable` until the label is
//! corrected or removed, because to serve without the guard is the worse mistake.
//!
//! # Design notes
//!
//! A label that cannot be read does not hide one of lower precedence. Otherwise a mistake in one label would undo
//! another that is right, and no label may harm another.

use std::collections::BTreeSet;
use std::sync::Arc;

use self::key::Key;
use self::pending::Feature;
pub(crate) use self::redirect::Target;
pub(crate) use self::report::shown;
use self::report::{LabelFault, Report};
use self::setting::Setting;
pub use self::users::Secrets;
use super::model::Service;
use super::model::route::{Diagnostic, ServiceSpec};

mod balance;
mod boolean;
mod credential;
mod encoding;
mod guard;
mod header;
mod host;
mod key;
mod label;
mod list;
mod meaning;
mod middleware;
mod network;
mod number;
mod path;
mod pending;
mod probe_url;
#[cfg(test)]
mod properties;
mod quotes;
mod redirect;
pub mod reference;
mod report;
mod retired;
mod route_item;
mod routes;
mod seconds;
mod secret;
mod secret_name;
mod setting;
mod tcp_item;
#[cfg(test)]
mod tests;
mod users;

/// What the parser must know besides the labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelOptions {
    /// What completes a host of one label: `--domain-suffix`, in lower case and without a leading dot.
    pub domain_suffix: Option<Arc<str>>,
    /// What the secrets that labels name hold; none where nobody can look for them.
    pub secrets: Option<Secrets>,
}

/// Whether a label of this key is read: what is wrong with another is its key.
pub(crate) fn knows(key: &str) -> bool {
    matches!(key::parse(key), Ok(Some(_)))
}

/// Reads the labels of a service. Never fails, and the same labels always give the same.
///
/// The diagnostics are sorted, and none is there twice.
#[must_use]
pub fn parse(service: &Service, options: &LabelOptions) -> (ServiceSpec, Vec<Diagnostic>) {
    let mut report = Report::on(&service.name);
    let mut spec = ServiceSpec::default();
    let mut items = Vec::new();
    let mut steering = Vec::new();
    let mut redirect = None;
    let mut misread = BTreeSet::new();
    let labels = label::by_key(service, &mut misread, &mut report);
    let declares_routes =
        report.refuses_a_port() || labels.keys().any(|key| matches!(key, Key::Port(_)));
    for (key, labels) in labels {
        match key {
            Key::Port(port) => {
                label::decide(&labels, &mut report, |label, report| {
                    let read = routes::read(label, port, service.mode, options, report);
                    let accepted = !read.is_empty();
                    items.extend(read);
                    accepted
                });
            }
            Key::Setting(setting) => {
                let decisive = label::decide(&labels, &mut report, |label, report| {
                    let policy = &mut spec.policy;
                    if let Some(any) =
                        middleware::read_list(setting, label, policy, options, report)
                    {
                        return any;
                    }
                    let applied = setting.apply(label.value, service.mode, &mut spec);
                    let accepted = applied.is_ok();
                    let pending = Feature::of_setting(setting).and_then(Feature::missing);
                    if let Some(fault) = applied.err().or(pending) {
                        report.add(label.key, label.value, fault);
                    }
                    accepted
                });
                if decisive.is_none() {
                    middleware::shut(setting, &mut spec.policy);
                }
                if setting == Setting::Redirect {
                    redirect = decisive;
                }
                if setting != Setting::Scale {
                    steering.extend(decisive);
                }
            }
            Key::Header(header) => {
                let decisive = label::decide(&labels, &mut report, |label, report| {
                    let set = middleware::set_header(&header, label.value, &mut spec.policy);
                    let accepted = set.is_ok();
                    if let Err(fault) = set {
                        report.add(label.key, label.value, fault);
                    }
                    accepted
                });
                steering.extend(decisive);
            }
        }
    }
    if !misread.is_empty() {
        spec.policy.middleware_mut().unreadable_guards = misread;
    }
    middleware::settle(&mut spec.policy);
    spec.routes = routes::settle(items, &mut report);
    if let Some((label, fault)) = redirect.zip(redirect::circle(&spec)) {
        report.add(label.key, label.value, fault);
    }
    // A refused route label is reported itself; that nothing is routed follows from it.
    if spec.routes.is_empty() && !declares_routes {
        for label in steering {
            let notice = LabelFault::notice(
                "has no effect, since the service has no route",
                "declare one by hiveway.routing.port_N, or remove the label",
            );
            report.add(label.key, label.value, notice);
        }
    }
    (spec, report.into_diagnostics())
}

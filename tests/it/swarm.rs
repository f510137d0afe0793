//! Hiveway on a real Docker engine in swarm mode, as its users run it: the images of `deploy/Dockerfile`, the stack of
//! `deploy/stack.yml`, services that know nothing of it, and clients on the overlay network that know nothing but a name.
//!
//! They need a Docker engine, so they are ignored; `make test` runs them.
//!
//! One set of images, one swarm and one Hiveway serve all tests, which take turns. Everything has a name of this process's
//! own and is removed by the last test to end, also by one that panics; a swarm that was there before is left as it is.

mod agents;
mod deploy;
mod example;
mod health;
mod labels;
mod load;
mod plan;
mod restart;
mod scale;
mod service;
pub(crate) mod stage;
mod updates;

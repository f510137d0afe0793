//! Hiveway on a swarm of several nodes: engines in network namespaces of their own on this one machine, which can be cut
//! off, killed and started again.
//!
//! They need root and Docker's programs, but no running engine, so they are ignored; `make test` runs them. `make lab` runs
//! them alone and prints their figures.
//!
//! A lab is a [`Switch`](switch::Switch) and some [`Node`](node::Node)s on it, with a swarm that they make up. All of it ends
//! and is removed with the test, also where the test process is killed; nothing of it can be seen in the machine's own
//! network. The tests take turns, also with those of `swarm`.

mod changes;
mod gateway;
mod load;
mod managers;
mod node;
mod nodes;
mod stage;
mod switch;

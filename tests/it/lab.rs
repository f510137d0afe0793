//! Hiveway on a swarm of several nodes: engines in network namespaces of their own on this one machine, which can be cut
//! off, killed and started again.
//!
//! `HIVEWAY_TEST_LAB` says whether these tests run: `required` (a test that cannot run fails), `off`, or `auto`, the
//! default (they run where they can, and say so where they cannot). They need root, and Docker's programs, but no engine
//! that runs. `make lab` runs them alone and prints their figures.
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

#!/usr/bin/env bash
# lab.sh [ARGUMENT…]: the tests on a swarm of several nodes, one after the other; `make lab` and `make test` call it.
#
# They print what they measured. As root: they start engines of their own, and remove them. The arguments go to the tests'
# binary, such as the name of the only test to run.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec cargo test --locked --test it -- --ignored "${@:-lab::}" --nocapture --test-threads 1

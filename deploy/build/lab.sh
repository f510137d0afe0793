#!/usr/bin/env bash
# The tests on a swarm of several nodes, alone, since they measure; `make lab` and `make test` call it.
#
# They print what they measured. As root: they start engines of their own, and remove them.
set -euo pipefail
cd "$(dirname "$0")/../.."
export HIVEWAY_TEST_LAB=required
exec cargo test --locked --test it -- lab:: --nocapture --test-threads 1

#!/usr/bin/env bash
# Everything that is tested, in the order of what fails fastest; `make test` calls it.
#
# HIVEWAY_TEST_SWARM says whether the tests on a real swarm run: `required` or `off`. By default they are required where a
# Docker engine can be reached and off elsewhere. With CI=true nothing may be skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() { printf '\n== %s\n' "$*"; }
skipped=

swarm=${HIVEWAY_TEST_SWARM:-}
if [ "$swarm" = off ]; then
    skipped="the tests on a real swarm, because HIVEWAY_TEST_SWARM=off"
elif ! answer=$(timeout 30 docker version --format '{{.Server.Version}}' 2>&1); then
    skipped="the tests on a real swarm, because no Docker engine can be reached: ${answer##*$'\n'}"
fi
if [ -z "$skipped" ]; then
    swarm=required
elif [ "${CI:-}" = true ] || [ "$swarm" = required ]; then
    echo "make test would skip $skipped; CI=true and HIVEWAY_TEST_SWARM=required do not allow that" >&2
    exit 1
else
    swarm=off
fi

step "format"
cargo fmt --check
step "clippy"
cargo clippy --locked --all-targets -- -D warnings
step "unit, property and integration tests; on a real swarm: $swarm"
HIVEWAY_TEST_SWARM=$swarm cargo test --locked

if [ -n "$skipped" ]; then
    step "passed; skipped: $skipped"
else
    step "passed; nothing was skipped"
fi

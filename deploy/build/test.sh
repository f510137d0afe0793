#!/usr/bin/env bash
# Everything that is tested, in the order of what fails fastest; `make test` calls it.
#
# HIVEWAY_TEST_SWARM says whether the tests on a real swarm run, HIVEWAY_TEST_LAB whether those on a swarm of several nodes
# do: `required` or `off`. By default the first are required where a Docker engine can be reached, the second where root can
# start engines, and both are off elsewhere. HIVEWAY_TEST_BROWSER says so of the dashboard's tests, which need a Chromium, and
# HIVEWAY_TEST_PROMTOOL of the alerts' tests, which need Prometheus' promtool, HIVEWAY_TEST_ACME of those that order
# certificates, which need the server Pebble. With CI=true nothing may be skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() { printf '\n== %s\n' "$*"; }
skipped=()

# decide VARIABLE WHAT WHY-IT-CANNOT-RUN: sets the variable to required or off.
decide() {
    local variable=$1 what=$2 why=$3 wish=${!1:-}
    if [ "$wish" = off ]; then why="$variable=off"; fi
    if [ -z "$why" ]; then
        export "$variable=required"
        return
    fi
    if [ "${CI:-}" = true ] || [ "$wish" = required ]; then
        echo "make test would skip $what, because $why; CI=true and $variable=required do not allow that" >&2
        exit 1
    fi
    export "$variable=off"
    skipped+=("$what, because $why")
}

without_engine() {
    local answer
    answer=$(timeout 30 docker version --format '{{.Server.Version}}' 2>&1) ||
        echo "no Docker engine can be reached: ${answer##*$'\n'}"
}

without_lab() {
    if [ "$(id -u)" != 0 ]; then
        echo "only root can start engines"
        return
    fi
    for program in docker dockerd ip nsenter unshare; do
        command -v "$program" >/dev/null || { echo "the program $program is missing" && return; }
    done
}

without_browser() {
    for program in chromium-headless-shell chromium chromium-browser google-chrome; do
        if command -v "$program" >/dev/null; then return; fi
    done
    echo "no Chromium is installed (apt-get install chromium-headless-shell)"
}

without_promtool() {
    command -v promtool >/dev/null || echo "promtool is missing (apt-get install prometheus)"
}

without_pebble() {
    for program in pebble pebble-challtestsrv; do
        command -v "$program" >/dev/null || { echo "$program is missing (apt-get install pebble)" && return; }
    done
}

decide HIVEWAY_TEST_SWARM "the tests on a real swarm" "$(without_engine)"
decide HIVEWAY_TEST_LAB "the tests on a swarm of several nodes" "$(without_lab)"
decide HIVEWAY_TEST_BROWSER "the dashboard's tests in a browser" "$(without_browser)"
decide HIVEWAY_TEST_PROMTOOL "the tests of the alerts" "$(without_promtool)"
decide HIVEWAY_TEST_ACME "the tests that order certificates" "$(without_pebble)"

step "format"
cargo fmt --check
step "clippy"
cargo clippy --locked --all-targets -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --lib
step "unit, property and integration tests"
HIVEWAY_TEST_SWARM=off HIVEWAY_TEST_LAB=off cargo test --locked

# Both spend most of their time on waiting for engines, so they run side by side; the lab's story is shown at its end. One
# scenario of the lab takes all processors for a while, which would starve the others: it is alone.
lab=
if [ "$HIVEWAY_TEST_LAB" = required ]; then
    busy=lab::changes::fifty_services
    step "on a swarm of several nodes: a burst of services"
    deploy/build/lab.sh "$busy"
    story=$(mktemp)
    trap 'rm -f "$story"' EXIT
    deploy/build/lab.sh lab:: --skip "$busy" >"$story" 2>&1 &
    lab=$!
fi
outcome=0
step "on a real swarm: $HIVEWAY_TEST_SWARM"
HIVEWAY_TEST_LAB=off cargo test --locked --test it -- swarm:: || outcome=$?
if [ -n "$lab" ]; then
    step "on a swarm of several nodes"
    # Waited for whatever came of the others: it removes what it made.
    wait "$lab" || outcome=$?
    cat "$story"
fi
[ "$outcome" = 0 ] || exit "$outcome"

if [ ${#skipped[@]} -gt 0 ]; then
    step "passed; skipped: $(printf '%s; ' "${skipped[@]}")"
else
    step "passed; nothing was skipped"
fi

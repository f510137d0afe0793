#!/usr/bin/env bash
# Everything that is tested, in the order of what fails fastest; `make test` calls it.
#
# Tests that need more of the machine than a compiler are ignored, with what they need as the reason. Here they run wherever
# the need is met; elsewhere they are skipped, and the last line lists them. A variable for each need overrides that:
# `required` fails where the need is not met, `off` skips its tests. With CI=true every need must be met.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() { printf '\n== %s\n' "$*"; }
run=()
skipped=()

# decide VARIABLE FILTER WHAT WHY-IT-CANNOT-RUN: adds the filter that selects the ignored tests to `run`, or WHAT to `skipped`.
decide() {
    local variable=$1 filter=$2 what=$3 why=$4 wanted=${!1:-}
    case $wanted in
    off) why="$variable=off" ;;
    required | auto | "") ;;
    *)
        echo "$variable is '$wanted'; it takes required, off or auto" >&2
        exit 1
        ;;
    esac
    if [ -z "$why" ]; then
        run+=("$filter")
    elif [ "${CI:-}" = true ] || [ "$wanted" = required ]; then
        echo "make test would skip $what, because $why; CI=true and $variable=required do not allow that" >&2
        exit 1
    else
        skipped+=("$what, because $why")
    fi
}

runs() { [[ " ${run[*]} " == *" $1 "* ]]; }

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

without_namespace() {
    if [ "$(id -u)" != 0 ]; then
        echo "only root can make a network namespace"
        return
    fi
    for program in ip nsenter unshare; do
        command -v "$program" >/dev/null || { echo "the program $program is missing" && return; }
    done
    unshare --net true 2>/dev/null || echo "no network namespace can be made here"
}

without_audit() {
    command -v cargo-deny >/dev/null || echo "cargo-deny is missing (cargo install --locked cargo-deny)"
}

# tests/it/needs.rs holds these filters against the reasons in the sources.
decide HIVEWAY_TEST_SWARM swarm:: "the tests on a real swarm" "$(without_engine)"
decide HIVEWAY_TEST_LAB lab:: "the tests on a swarm of several nodes" "$(without_lab)"
decide HIVEWAY_TEST_BROWSER command_line::dashboard:: "the dashboard's tests in a browser" "$(without_browser)"
decide HIVEWAY_TEST_PROMTOOL command_line::observability:: "the tests of the alerts" "$(without_promtool)"
decide HIVEWAY_TEST_ACME command_line::acme:: "the tests that order certificates" "$(without_pebble)"
decide HIVEWAY_TEST_NAMESPACE data_plane::dead_ "the tests with an unplugged network" "$(without_namespace)"

audit=$(without_audit)
if [ -n "$audit" ]; then
    if [ "${CI:-}" = true ]; then
        echo "make test would skip the audit of the dependencies, because $audit; CI=true does not allow that" >&2
        exit 1
    fi
    skipped+=("the audit of the dependencies, because $audit")
fi

step "format"
cargo fmt --check
if [ -z "$audit" ]; then
    step "dependencies"
    deploy/build/audit.sh --offline
fi
step "clippy"
cargo clippy --locked --all-targets -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --lib
step "unit, property and integration tests"
cargo test --locked

# What needs programs or rights, but no engine.
small=()
for filter in "${run[@]}"; do
    case $filter in
    swarm:: | lab::) ;;
    *) small+=("$filter") ;;
    esac
done
if [ ${#small[@]} -gt 0 ]; then
    step "with other programs: ${small[*]}"
    cargo test --locked --test it -- --ignored "${small[@]}" --skip dashboard::pictures::
fi

# Both spend most of their time on waiting for engines, so they run side by side; the lab's story is shown at its end. One
# scenario of the lab takes all processors for a while, which would starve the others: it is alone.
lab=
if runs lab::; then
    busy=lab::changes::fifty_services
    step "on a swarm of several nodes: a burst of services"
    deploy/build/lab.sh "$busy"
    story=$(mktemp)
    trap 'rm -f "$story"' EXIT
    deploy/build/lab.sh lab:: --skip "$busy" >"$story" 2>&1 &
    lab=$!
fi
outcome=0
if runs swarm::; then
    step "on a real swarm"
    cargo test --locked --test it -- --ignored swarm:: || outcome=$?
fi
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

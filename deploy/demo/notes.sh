# What up.sh and down.sh share; sourced by both from the top of the repository.
# shellcheck shell=bash

# Where make demo notes what it made, so that make demo-down removes that and nothing else.
notes=${CARGO_TARGET_DIR:-target}/demo
made=$notes/made

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }

note() {
    mkdir -p "$notes"
    is_noted "$@" || printf '%s\n' "$*" >>"$made"
}
is_noted() { grep -qxF -- "$*" "$made" 2>/dev/null; }

# wait_for SECONDS COMMAND…: runs the command twice a second until it succeeds; fails when the time is up.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}

# Succeeds where a Docker engine answers; its answer, or its complaint, is then in $engine.
engine_answers() {
    command -v docker >/dev/null || { engine="docker is not installed"; return 1; }
    engine=$(timeout 30 docker version --format '{{.Server.Version}}' 2>&1) || { engine=${engine##*$'\n'}; return 1; }
}

stack_services() { docker service ls --quiet --filter "label=com.docker.stack.namespace=$1"; }

#!/usr/bin/env bash
# Removes what make demo made, by its notes: the stacks with their network, the images, and the swarm if it made that.
# Does nothing where there is nothing left to remove.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/demo/notes.sh
. deploy/demo/notes.sh

if [ ! -e "$made" ]; then
    say "Nothing to remove: make demo left no notes in $notes."
    exit 0
fi
fail() {
    printf 'make demo-down: %s; then make demo-down again\n' "$*" >&2
    exit 1
}
engine_answers || fail "no Docker engine can be reached ($engine); start the one that make demo used"

kept=
stack_is_gone() {
    local label=label=com.docker.stack.namespace=$1
    [ -z "$(stack_services "$1")" ] &&
        [ -z "$(docker ps --all --quiet --filter "$label")" ] &&
        [ -z "$(docker network ls --quiet --filter "$label")" ]
}
if [ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ]; then
    # The example first: the network belongs to the other stack.
    for stack in example hiveway; do
        if ! is_noted stack $stack || stack_is_gone $stack; then
            continue
        fi
        docker stack rm "$stack"
        wait_for 60 stack_is_gone "$stack" ||
            fail "containers or networks of the stack $stack are still there after 60 s; see docker ps and docker network inspect mesh"
    done
    if is_noted secret hiveway_control && docker secret inspect hiveway_control >/dev/null 2>&1; then
        docker secret rm hiveway_control
    fi
    if is_noted stack hiveway && docker volume inspect hiveway_state >/dev/null 2>&1; then
        docker volume rm hiveway_state
    fi
    if is_noted swarm "$(docker info --format '{{.Swarm.Cluster.ID}}')"; then
        if [ -n "$(docker service ls --quiet)" ]; then
            kept="the swarm, because other services run in it now (docker service ls)"
        else
            docker swarm leave --force
            if is_noted network docker_gwbridge; then
                docker network rm docker_gwbridge >/dev/null || true
            fi
        fi
    fi
fi

# Each run of make demo noted the names that it gave. An image that has another name stays under that.
while read -r image; do
    docker image inspect "$image" >/dev/null 2>&1 || continue
    docker image rm "$image" >/dev/null ||
        fail "the image $image is still in use; see docker ps --all"
    say "Removed the image $image"
done < <(sed -n 's/^image //p' "$made")
if [ -n "$kept" ]; then
    say "What make demo made is gone but for $kept; make demo-down again once they are gone."
    exit 0
fi
rm -rf "$notes"
say "Everything that make demo made is gone."

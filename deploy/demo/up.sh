#!/usr/bin/env bash
# The example on a real swarm, from nothing: a container is lost under the eyes of a client, and comes back.
# usage: up.sh DIRECTORY-OF-THE-BINARIES   (make demo)
set -euo pipefail
binaries=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/demo/notes.sh
. deploy/demo/notes.sh

if ! engine_answers; then
    say "No Docker engine can be reached ($engine)."
    say "So this is \`hiveway demo\`: the same story with servers on loopback and an inventory file."
    say ""
    exec "$binaries/hiveway" demo
fi

fail() {
    printf '\nmake demo: %s\n' "$*" >&2
    if [ -e "$made" ]; then
        printf 'What it made is still there, to be looked at; make demo-down removes it:\n' >&2
        sed 's/^/  /' "$made" >&2
    fi
    exit 1
}

# Whenever it is interrupted, it says what is left.
trap 'fail "interrupted"' INT TERM

# What a reader needs to see why a service does not do what it should.
explain() {
    printf '\n-- tasks of %s\n' "$1" >&2
    docker service ps --no-trunc --format '{{.Name}}  {{.CurrentState}}  {{.Error}}' "$1" >&2 || true
    printf -- '-- the end of its log\n' >&2
    timeout 10 docker service logs --raw --tail 20 "$1" >&2 2>&1 || true
}

step "The story runs on the Docker engine $engine"
read -r state manages nodes < <(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}}')
case "$state $manages" in
"inactive "*)
    docker network inspect docker_gwbridge >/dev/null 2>&1 || note network docker_gwbridge
    # What the engine itself opens is bound to loopback; the kernel's VXLAN port (4789/udp) cannot be.
    docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 --data-path-addr 127.0.0.1 >/dev/null ||
        fail "the engine cannot make a swarm; its complaint stands above"
    note swarm "$(docker info --format '{{.Swarm.Cluster.ID}}')"
    say "It was in no swarm, so a swarm of this one node was made, bound to loopback."
    ;;
"active true")
    [ "$nodes" = 1 ] ||
        fail "the engine's swarm has $nodes nodes, and the images built here exist on this one only; push them to a" \
            "registry and deploy deploy/stack.yml and deploy/example.yml with HIVEWAY_IMAGE and HIVEWAY_DEMO_IMAGE set," \
            "or point DOCKER_HOST at another engine"
    if is_noted swarm "$(docker info --format '{{.Swarm.Cluster.ID}}')"; then
        say "It is in the swarm that make demo made before."
    else
        say "It is in a swarm of one node already, which is used and left as it is."
    fi
    ;;
"active false")
    fail "the engine is a worker of a swarm, and only managers take services; point DOCKER_HOST at a manager"
    ;;
*) fail "the engine's swarm is in the state \"$state\"; see docker info" ;;
esac
for stack in hiveway example; do
    if [ -n "$(stack_services $stack)" ] && ! is_noted stack $stack; then
        fail "a stack named $stack runs here already, and it is not the demo's; remove it first, or use another engine"
    fi
done

step "Images"
# Names of the demo's own, so that removing them leaves what make image made. A new build has a new name, so that it replaces
# the old.
tagged() {
    local id
    id=$(docker image inspect --format '{{.Id}}' "$1:demo")
    id=${id#sha256:}
    docker tag "$id" "$1:demo-${id:0:12}"
    note image "$1:demo-${id:0:12}"
    printf '%s' "$1:demo-${id:0:12}"
}
note image hiveway:demo
note image hiveway-demo:demo
deploy/build/image.sh "$binaries" demo
HIVEWAY_IMAGE=$(tagged hiveway)
HIVEWAY_DEMO_IMAGE=$(tagged hiveway-demo)
export HIVEWAY_IMAGE HIVEWAY_DEMO_IMAGE

# Newer clients ask to be told whether to wait; older ones do not know the flag, and never wait.
detach=()
if docker stack deploy --help | grep -q -- --detach; then
    detach=(--detach=true)
fi
deploy() {
    note stack "$2"
    docker stack deploy "${detach[@]}" --resolve-image never -c "$1" "$2" || fail "docker stack deploy -c $1 $2 failed"
}
# No update of the service is under way, and as many tasks run as are wanted: $2, where that is given.
is_up() {
    local update replicas
    update=$(docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' "$1") || return 1
    replicas=$(docker service ls --filter "name=$1" --format '{{.Replicas}}' | cut -d ' ' -f 1)
    case "$update" in "" | completed) ;; *) return 1 ;; esac
    [ "${replicas%/*}" = "${replicas#*/}" ] && [ "$replicas" != 0/0 ] && [ "${replicas#*/}" = "${2:-${replicas#*/}}" ]
}
# The containers of a service that are meant to run, as they name themselves: the first twelve characters of their ids.
containers() {
    local tasks
    tasks=$(docker service ps --quiet --filter desired-state=running "$1")
    # Unquoted: one id a word.
    # shellcheck disable=SC2086
    docker inspect --format '{{with .Status.ContainerStatus}}{{printf "%.12s" .ContainerID}}{{end}}' $tasks | sed '/^$/d'
}
# A task that was just made has no container yet.
servers_are_known() {
    servers=$(containers example_restserver) && [ "$(grep -c . <<<"$servers")" = 2 ]
}

# Not noted where it was there before.
[ -z "$(deploy/build/secret.sh)" ] || note secret hiveway_control

step "The stacks: hiveway (deploy/stack.yml) and example (deploy/example.yml)"
deploy deploy/stack.yml hiveway
wait_for 120 is_up hiveway_hiveway || {
    explain hiveway_hiveway
    fail "hiveway was not up within 120 s"
}
deploy deploy/example.yml example
say "The stack file asks for one server; the label aliyun.scale asks Hiveway for two."
wait_for 120 is_up example_restserver 2 || {
    explain example_restserver
    explain hiveway_hiveway
    fail "two servers were not up within 120 s"
}
wait_for 60 servers_are_known || {
    explain example_restserver
    fail "the two servers had no containers within 60 s"
}
begun=$(date -u +%Y-%m-%dT%H:%M:%SZ)

step "The client's log: one request a second to restserver.local"
say "The name resolves a few seconds after the service came, when Hiveway has added it to its own network aliases."
log=$notes/client.log
: >"$log"
docker service logs --follow --raw --since "$begun" example_restclient >"$log" 2>&1 &
follower=$!
trap 'kill $follower 2>/dev/null || true' EXIT

# Prints the client's lines that have come since the last call.
shown=0
show_client() {
    local lines
    lines=$(wc -l <"$log")
    [ "$lines" -le "$shown" ] || sed -n "$((shown + 1)),${lines}s/^/  client | /p" "$log"
    shown=$lines
}
# Who answered with 200, one a line, in the client's lines after number $1.
answers() { tail -n "+$(($1 + 1))" "$log" | sed -n 's/.* 200  served by \([^ ]*\).*/\1/p'; }
both_answer() {
    show_client
    [ -z "$(comm -23 <(sort <<<"$servers") <(answers 0 | sort -u))" ]
}
only_others_answer() {
    show_client
    [ "$(answers "$1" | tail -n 5 | grep -cv "^$victim$")" = 5 ]
}

wait_for 120 both_answer || {
    explain example_restserver
    explain hiveway_hiveway
    fail "the client did not hear from both containers within 120 s; its lines stand above"
}

victim=${servers%%$'\n'*}
step "The server in container $victim is taken away for 10 s: docker kill -s USR1 $victim"
lost=$(wc -l <"$log")
since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
docker kill --signal USR1 "$victim" >/dev/null || fail "the signal could not be sent"
wait_for 30 only_others_answer "$lost" || {
    explain hiveway_hiveway
    fail "the container that serves nothing did not leave the answers within 30 s; the client's lines stand above"
}
victim_answers() {
    show_client
    answers "$back" | grep -q "^$victim$"
}
step "It has left the answers; now it comes back by itself"
back=$(wc -l <"$log")
wait_for 60 victim_answers || {
    explain hiveway_hiveway
    fail "the container did not come back into the answers within 60 s; the client's lines stand above"
}
failed=$(tail -n "+$((lost + 1))" "$log" | grep -vc ' 200  served by ' || true)
say ""
say "Since it was taken away the client made $(($(wc -l <"$log") - lost)) requests; $failed of them failed."

step "What Hiveway says of that time (docker service logs hiveway_hiveway)"
timeout 10 docker service logs --raw --since "$since" hiveway_hiveway 2>&1 | tail -n 15 | sed 's/^/  hiveway | /' || true

step "Done, on a real swarm. It is still up, for you to try things: deploy/example.yml names some"
say "  docker service logs -f example_restclient     the client"
say "  docker service logs -f hiveway_hiveway        Hiveway"
say "  make demo-down                                removes everything that make demo made"

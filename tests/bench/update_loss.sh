#!/usr/bin/env bash
# Requests lost while a service of three replicas is updated, with Hiveway and with Traefik's Swarm provider in front of
# the same tasks, under the same load at the same time.
# usage: make demo && tests/bench/peers.sh target/bench-peers && tests/bench/update_loss.sh   (then make demo-down)
#
# Both get 300 requests a second over kept connections from a client on the same network. Traefik runs as its
# documentation says, with its provider's default of looking every 15 s. Prints a table in Markdown.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${CARGO_TARGET_DIR:-target}/bench-peers
context=${CARGO_TARGET_DIR:-target}/update-loss
name=hiveway-bench-loss
host=loss.local

fail() {
    printf 'update_loss: %s\n' "$*" >&2
    exit 1
}
clean() {
    docker rm --force "$name-load-hiveway" "$name-load-traefik" >/dev/null 2>&1 || true
    docker service rm "$name-web" "$name-traefik" >/dev/null 2>&1 || true
    # The image is in use until Swarm has stopped the task.
    for _ in $(seq 30); do
        docker image inspect "$name-traefik" >/dev/null 2>&1 || return 0
        docker image rm "$name-traefik" >/dev/null 2>&1 || sleep 1
    done
}

[ -x "$peers/traefik" ] || fail "there is no $peers/traefik; run tests/bench/peers.sh $peers"
docker service inspect hiveway_hiveway >/dev/null 2>&1 || fail "the stack hiveway does not run; run make demo"
demo=$(docker image inspect --format '{{.Id}}' hiveway-demo:demo) || fail "there is no image hiveway-demo:demo; run make demo"
trap clean EXIT
clean

mkdir -p "$context"
cp "$peers/traefik" "$context/traefik"
printf 'FROM scratch\nCOPY traefik /traefik\nENTRYPOINT ["/traefik"]\n' |
    docker build --quiet --tag "$name-traefik" --file - "$context" >/dev/null
traefik=$(docker image inspect --format '{{.Id}}' "$name-traefik")

quietly=(--detach --no-resolve-image --quiet)
docker service create "${quietly[@]}" --name "$name-web" --network mesh --replicas 3 \
    --label hiveway.routing.port_80=$host --label "hiveway.probe.url=http://container/health" \
    --label hiveway.routing.session_sticky=false \
    --label traefik.enable=true --label "traefik.http.routers.web.rule=Host(\`$host\`)" \
    --label traefik.http.services.web.loadbalancer.server.port=80 "$demo" server >/dev/null
docker service create "${quietly[@]}" --name "$name-traefik" --network mesh --endpoint-mode dnsrr \
    --mount type=bind,source=/var/run/docker.sock,target=/var/run/docker.sock "$traefik" \
    --providers.swarm.endpoint=unix:///var/run/docker.sock --providers.swarm.network=mesh \
    --providers.swarm.exposedbydefault=false --entrypoints.web.address=:80 --log.level=ERROR >/dev/null

wait_for() { # SECONDS COMMAND…
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "this did not happen in time: $*"
        sleep 1
    done
}
running() { [ "$(docker service ls --filter "name=$1" --format '{{.Replicas}}' | cut -d ' ' -f 1)" = "$2/$2" ]; }
updated() { [ "$(docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' "$name-web")" = completed ]; }
address() { # of a service's task on the network mesh
    docker service ps --quiet --filter desired-state=running "$1" | head -n 1 | xargs docker inspect --format \
        '{{range .NetworksAttachments}}{{if eq .Network.Spec.Name "mesh"}}{{index .Addresses 0}}{{end}}{{end}}' | cut -d / -f 1
}
load() { # NAME ADDRESS
    docker run --detach --name "$name-load-$1" --network mesh "$demo" load "http://$host/" --through "$2:80" \
        --rate 300 --connections 8 >/dev/null
}
told() { docker logs "$name-load-$1" 2>/dev/null | tail -n 1; }
field() { sed -n "s/.*\"$2\":\([0-9]*\)[,}].*/\1/p" <<<"$1"; }
answers() { # ADDRESS: ten requests in a row are answered with 200
    docker run --rm --network mesh "$demo" load "http://$host/" --through "$1:80" --requests 10 2>/dev/null |
        tail -n 1 | grep -q '"failed":0,'
}

wait_for 60 running "$name-web" 3
wait_for 60 running "$name-traefik" 1
hiveway_at=$(address hiveway_hiveway)
traefik_at=$(address "$name-traefik")
wait_for 60 answers "$hiveway_at"
wait_for 60 answers "$traefik_at"

measure() { # WHAT COMMAND…
    local what=$1 told_hiveway told_traefik
    shift
    load hiveway "$hiveway_at"
    load traefik "$traefik_at"
    sleep 5
    "$@"
    # Longer than Traefik's look, so that what it missed has been noticed.
    sleep 20
    told_hiveway=$(told hiveway)
    told_traefik=$(told traefik)
    docker rm --force "$name-load-hiveway" "$name-load-traefik" >/dev/null
    printf '| %s | %s of %s | %s of %s |\n' "$what" \
        "$(field "$told_hiveway" failed)" "$(field "$told_hiveway" requests)" \
        "$(field "$told_traefik" failed)" "$(field "$told_traefik" requests)"
}
update() {
    docker service update --detach --no-resolve-image --force --update-order "$1" "$name-web" >/dev/null
    sleep 2
    wait_for 120 updated
}
rescale() {
    docker service scale --detach "$name-web=1" >/dev/null
    wait_for 60 running "$name-web" 1
    sleep 15
    docker service scale --detach "$name-web=3" >/dev/null
    wait_for 60 running "$name-web" 3
}

printf '| what | Hiveway lost | Traefik lost |\n|---|---|---|\n'
measure "update, start-first" update start-first
measure "update, stop-first" update stop-first
measure "scale 3 → 1 → 3" rescale

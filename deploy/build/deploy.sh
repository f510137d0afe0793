#!/usr/bin/env bash
# Deploys a stack file of Hiveway, waits until all of its tasks run, and reports the version.
# usage: deploy.sh FILE STACK SERVICE   (make deploy, make deploy-edge)
set -euo pipefail
file=$1 stack=$2 service=$2_$3
cd "$(dirname "$0")/../.."
# Seconds until the tasks have to run; images are pulled in that time.
bound=${HIVEWAY_DEPLOY_SECONDS:-180}

fail() {
    printf 'make deploy: %s\n' "$*" >&2
    exit 1
}

command -v docker >/dev/null || fail "docker is not installed"
manages=$(docker info --format '{{.Swarm.ControlAvailable}} {{.Swarm.Nodes}}' 2>&1) ||
    fail "no Docker engine can be reached (${manages##*$'\n'}); start one, or set DOCKER_HOST"
[ "${manages% *}" = true ] ||
    fail "the engine is not a manager of a swarm; docker swarm init makes it one, or set DOCKER_HOST to a manager"

# Swarm takes an image that it cannot find for a fault that passes, and tries forever. So look first.
if [ -n "${HIVEWAY_IMAGE:-}" ]; then
    flags=(--with-registry-auth)
    docker image inspect "$HIVEWAY_IMAGE" >/dev/null 2>&1 || docker pull --quiet "$HIVEWAY_IMAGE" >/dev/null ||
        fail "the image $HIVEWAY_IMAGE is neither on this node nor in its registry; push it, or correct HIVEWAY_IMAGE"
else
    flags=(--resolve-image never)
    id=$(docker image inspect --format '{{.Id}}' hiveway:dev 2>/dev/null) ||
        fail "there is no image hiveway:dev; make image builds it, or set HIVEWAY_IMAGE to one of a registry"
    # A new build has a new tag, so Swarm sees that it differs.
    id=${id#sha256:}
    HIVEWAY_IMAGE=hiveway:dev-${id:0:12}
    docker tag "$id" "$HIVEWAY_IMAGE"
    [ "${manages#* }" = 1 ] ||
        printf 'The image exists on this node only, and the swarm has %s: push it to a registry for the others.\n' "${manages#* }"
fi
export HIVEWAY_IMAGE

deploy/build/secret.sh
# Newer clients ask whether to wait; older ones do not know the flag, and never wait.
if docker stack deploy --help | grep -q -- --detach; then
    flags+=(--detach=true)
fi
# Tasks that Swarm remembers from before.
before=" $(docker service ps --quiet --no-trunc "$service" 2>/dev/null | tr '\n' ' ' || true)"
docker stack deploy "${flags[@]}" -c "$file" "$stack"
# As Docker writes it: with a tag, and a digest where a registry knows one.
image=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "$service")

# What Swarm reports of the tasks, the newest of each node first.
tasks() {
    docker service ps --no-trunc --format '{{.Image}}|{{.DesiredState}}|{{.CurrentState}}|{{.Name}}|{{.ID}}|{{.Error}}' "$service"
}
give_up() {
    printf -- '-- tasks of %s\n' "$service" >&2
    tasks | awk -F '|' 'NR <= 20 { print $4 "  " $3 "  " $6 }' >&2 || true
    fail "$1; docker service logs $service may say more"
}
update_state() { docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' "$service"; }
# As many tasks run as are wanted, all of this image, and no update is under way.
is_up() {
    local replicas wanted running
    case "$(update_state)" in "" | completed) ;; *) return 1 ;; esac
    replicas=$(docker service ls --filter "name=$service" --format '{{.Name}} {{.Replicas}}' | sed -n "s/^$service \([0-9/]*\).*/\1/p")
    wanted=${replicas#*/}
    running=$(tasks | awk -F '|' -v image="$image" \
        '$2 == "Running" && $3 ~ /^Running/ && $1 == image { n++ } END { print n + 0 }')
    [ "$running" = "$wanted" ]
}

deadline=$((SECONDS + bound))
seen=0
# Twice, since the first look may come before Swarm has begun.
while [ "$seen" -lt 2 ]; do
    case "$(update_state)" in
    rollback_* | paused) give_up "the new version did not stay up, and Swarm went back or stopped" ;;
    esac
    tasks | awk -F '|' -v before="$before" '$3 ~ /^Rejected/ && !index(before, " " $5 " ") { found = 1 } END { exit !found }' &&
        give_up "a node rejected a task"
    if is_up; then seen=$((seen + 1)); else seen=0; fi
    [ "$SECONDS" -lt "$deadline" ] || give_up "not all tasks run after $bound s"
    sleep 1
done

count=$(tasks | awk -F '|' '$2 == "Running" { n++ } END { print n + 0 }')
if [ "$count" = 0 ]; then
    printf '%s is deployed, and no node has what its placement asks for; see %s\n' "$service" "$file"
    exit 0
fi
newest="docker ps -lq -f name=$service -f status=running"
container=$($newest)
version=$([ -z "$container" ] || docker exec "$container" hiveway version 2>/dev/null || true)
printf '%s runs on %s of %s tasks, as %s\n' "${version:-Hiveway}" "$count" "$count" "$HIVEWAY_IMAGE"
# shellcheck disable=SC2016
printf 'next: docker exec $(%s) hiveway status\n' "$newest"

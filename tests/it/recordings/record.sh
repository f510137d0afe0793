#!/bin/sh
# Records, into *.json beside this script, what a real engine answers: the fake engine of the tests serves it.
#
#   DOCKER_HOST=unix:///path/to/docker.sock ./record.sh ADVERTISE_ADDRESS
#
# The engine must be in no swarm: the script makes one, and leaves it at the end. Needs curl, jq and a C compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
address=$1
work=$(mktemp -d)
socket=${DOCKER_HOST#unix://}
trap 'kill $events 2>/dev/null || true; docker swarm leave --force >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
events=

version=$(curl -s --unix-socket "$socket" http://engine/version | jq -r .ApiVersion)
get() { curl -sG --unix-socket "$socket" "http://engine/v$version$1" ${2:+--data-urlencode "filters=$2"}; }
answer() { curl -s -w '\n{"status":%{http_code}}\n' --unix-socket "$socket" "$@" | jq -s '{status: .[1].status, body: .[0]}'; }
listed='{"desired-state":["running","ready"]}'
look() {
    jq -n --argjson version "$(curl -s --unix-socket "$socket" http://engine/version)" --argjson info "$(get /info)" \
        --argjson services "$(get /services)" --argjson tasks "$(get /tasks "${1:-$listed}")" \
        --argjson nodes "$(get /nodes)" '$ARGS.named'
}
until_true() { for _ in $(seq 300); do if "$@"; then return; fi; sleep 0.1; done; echo "never: $*" >&2; exit 1; }

jq -n --argjson version "$(curl -s --unix-socket "$socket" http://engine/version)" --argjson info "$(get /info)" \
    --argjson services "$(answer "http://engine/v$version/services")" '$ARGS.named' >"$here/no_swarm.json"

cat >"$work/main.c" <<'C'
#include <signal.h>
#include <string.h>
#include <unistd.h>
static void quit(int signal) { _exit(signal == SIGTERM ? 0 : 1); }
int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "crash")) return 3;
    signal(SIGTERM, count > 1 && !strcmp(words[1], "stubborn") ? SIG_IGN : quit);
    for (;;) pause();
}
C
cc -static -O1 -o "$work/main" "$work/main.c"
printf 'FROM scratch\nCOPY main /main\nENTRYPOINT ["/main"]\n' >"$work/Dockerfile"
docker build -q -t hiveway-recording "$work" >/dev/null 2>&1
docker swarm init --advertise-addr "$address" --listen-addr "$address" >/dev/null
docker network create -d overlay --attachable mesh >/dev/null
curl -sN --unix-socket "$socket" "http://engine/v$version/events" >"$work/events" &
events=$!
create() { docker service create -d --network mesh --stop-grace-period 3s "$@" >/dev/null; }
create --name shop_web --replicas 2 --update-monitor 1s --label hiveway.routing.port_80=shop.local \
    --label hiveway.scale=2 --container-label team=shop hiveway-recording stubborn
create --name shop_agent --mode global hiveway-recording
running() { test "$(get /tasks '{"desired-state":["running"]}' | jq '[.[]|select(.Status.State=="running")]|length')" = "$1"; }
until_true running 3
create --name shop_import --mode replicated-job --restart-condition none hiveway-recording crash
look >"$here/rest.json"

web=$(docker service ls -q --filter name=shop_web)
index=$(get "/services/$web" | jq .Version.Index)
docker service update -d --force shop_web >/dev/null
replacing() { get /tasks '{"desired-state":["ready"]}' | jq -e 'length > 0' >/dev/null; }
until_true replacing
look >"$work/update"
gone=$(jq -c --slurpfile rest "$here/rest.json" '{id: ([$rest[0].tasks[].ID] - [.tasks[].ID])}' "$work/update")
jq --argjson departing "$(get /tasks "$gone")" '. + {departing: $departing}' "$work/update" >"$here/update.json"
settled() { get "/services/$web" | jq -e '.UpdateStatus.State == "completed"' >/dev/null; }
until_true settled

failed() { get /tasks '{"service":["shop_import"]}' | jq -e 'any(.[]; .Status.State == "failed")' >/dev/null; }
until_true failed
spec=$(get "/services/$web" | jq .Spec)
jq -n --argjson ended "$(get /tasks "$gone")" --argjson crashed "$(get /tasks '{"service":["shop_import"]}')" \
    --argjson service "$(get "/services/$web")" \
    --argjson conflict "$(answer -X POST -H 'Content-Type: application/json' -d "$spec" \
        "http://engine/v$version/services/$web/update?version=$index")" \
    --argjson missing "$(answer "http://engine/v$version/services/nowhere")" \
    '$ARGS.named' >"$here/after.json"
docker service scale -d shop_web=1 >/dev/null
until_true running 2
docker service rm shop_web shop_agent shop_import >/dev/null
until_true running 0
sleep 1
kill "$events"
jq -s . "$work/events" >"$here/events.json"
docker image rm -f hiveway-recording >/dev/null 2>&1 || true

#!/bin/sh
# Records, into exec.json beside this script, what a real engine answers about commands in containers, and the events of
# signals: the fake engine of the tests serves it.
#
#   DOCKER_HOST=unix:///path/to/docker.sock ./record_exec.sh ADVERTISE_ADDRESS
#
# The engine must be in no swarm: the script makes one, and leaves it at the end. Needs curl, jq, od and a C compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
address=$1
work=$(mktemp -d)
socket=${DOCKER_HOST#unix://}
trap 'kill $events 2>/dev/null || true; docker swarm leave --force >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
events=

version=$(curl -s --unix-socket "$socket" http://engine/version | jq -r .ApiVersion)
answer() { curl -s -w '\n{"status":%{http_code}}\n' --unix-socket "$socket" "$@" | jq -s '{status: .[-1].status, body: .[0]}'; }
at() { answer "http://engine/v$version$1"; }
post() { answer -H 'Content-Type: application/json' -d "$2" "http://engine/v$version$1"; }
until_true() { for _ in $(seq 300); do if "$@"; then return; fi; sleep 0.1; done; echo "never: $*" >&2; exit 1; }

# A shell and its programs are the host's, which are mounted into an image of links; main alone has none.
cat >"$work/main.c" <<'C'
#include <signal.h>
#include <unistd.h>
static void quit(int signal) { _exit(0); }
int main(void) {
    signal(SIGTERM, quit);
    signal(SIGHUP, SIG_IGN);
    for (;;) pause();
}
C
cc -static -O1 -o "$work/main" "$work/main.c"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/$link"; done
printf 'FROM scratch\nCOPY . /\nENTRYPOINT ["/main"]\n' >"$work/Dockerfile"
docker build -q -t hiveway-recording "$work" >/dev/null 2>&1
docker swarm init --advertise-addr "$address" --listen-addr "$address" >/dev/null
curl -sN --unix-socket "$socket" -G "http://engine/v$version/events" \
    --data-urlencode 'filters={"type":["container"],"event":["start","kill","die","health_status"],"label":["com.docker.swarm.task.id"]}' \
    >"$work/events" &
events=$!
create() { docker service create -d --restart-condition none "$@" >/dev/null; }
create --name with_shell --mount type=bind,src=/usr,dst=/usr,readonly hiveway-recording
create --name without_shell hiveway-recording
container() { docker ps -q --no-trunc --filter "label=com.docker.swarm.service.name=$1"; }
runs() { test -n "$(container "$1")"; }
until_true runs with_shell
until_true runs without_shell
with=$(container with_shell)
without=$(container without_shell)

exec_in() { post "/containers/$1/exec" "$(jq -n --arg command "$2" \
    '{AttachStdout: true, AttachStderr: true, Cmd: ["/bin/sh", "-c", $command]}')"; }
# The head of the answer as text, what follows in hexadecimal digits.
start() {
    curl -si --max-time "${2:-10}" --unix-socket "$socket" -H 'Content-Type: application/json' -H 'Connection: Upgrade' \
        -H 'Upgrade: tcp' -d '{"Detach":false,"Tty":false}' "http://engine/v$version/exec/$1/start" >"$work/start" || true
    jq -n --arg head "$(sed '/^\r$/q' "$work/start")" \
        --arg body "$(sed '1,/^\r$/d' "$work/start" | od -An -v -tx1 | tr -d ' \n')" '$ARGS.named'
}
executed() {
    created=$(exec_in "$1" "$2")
    id=$(echo "$created" | jq -r .body.Id)
    jq -n --argjson created "$created" --argjson before "$(at "/exec/$id/json")" --argjson started "$(start "$id")" \
        --argjson after "$(at "/exec/$id/json")" '$ARGS.named'
}

passed=$(executed "$with" 'echo fine')
failed=$(executed "$with" 'echo one; echo two >&2; exit 3')
shell=$(executed "$without" 'true')
created=$(exec_in "$with" 'sleep 5')
id=$(echo "$created" | jq -r .body.Id)
start "$id" 1 >/dev/null
running=$(at "/exec/$id/json")
container_with=$(at "/containers/$with/json")
ended() { at "/exec/$id/json" | jq -e '.body.Running == false' >/dev/null; }
until_true ended
container_after=$(at "/containers/$with/json")
docker kill --signal HUP "$with" >/dev/null
docker kill --signal TERM "$with" >/dev/null
gone() { ! runs with_shell; }
until_true gone
stopped=$(exec_in "$with" 'true')
docker service rm with_shell without_shell >/dev/null
missing=$(exec_in "$with-nowhere" 'true')
removed() { test "$(at "/exec/$id/json" | jq .status)" = 404; }
until_true removed
forgotten=$(at "/exec/$id/json")
sleep 1
kill "$events"
jq -n --argjson passed "$passed" --argjson failed "$failed" --argjson shell "$shell" --argjson running "$running" \
    --argjson container_with "$container_with" --argjson container_after "$container_after" \
    --argjson stopped "$stopped" --argjson missing "$missing" --argjson forgotten "$forgotten" \
    --argjson events "$(jq -s . "$work/events")" '$ARGS.named' >"$here/exec.json"
docker image rm -f hiveway-recording >/dev/null 2>&1 || true

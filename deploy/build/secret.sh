#!/usr/bin/env bash
# Makes the secret that all instances of Hiveway share, where the swarm has none yet; says so on standard output.
set -euo pipefail

name=${HIVEWAY_CONTROL_SECRET:-hiveway_control}
# Inspecting shows that it is there, never what it is.
if docker secret inspect "$name" >/dev/null 2>&1; then
    exit 0
fi
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | docker secret create "$name" - >/dev/null
echo "made the secret $name"

#!/usr/bin/env bash
# audit.sh [--offline]: checks the dependencies by the rules of .deny.toml; `make audit` and `make test` call it.
#
# Known vulnerabilities come from RustSec's database, which cargo-deny fetches from GitHub. With --offline they are checked
# only where the database can be fetched, and a line reports whether they were.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v cargo-deny >/dev/null || {
    echo "cargo-deny is missing. Install it with: cargo install --locked cargo-deny" >&2
    exit 1
}

# An exception that nothing needs any more is removed.
cargo deny --locked check --deny unmatched-skip bans licenses sources

if [ "${1:-}" = --offline ] && ! timeout 60 cargo deny --locked fetch db >/dev/null 2>&1; then
    echo "advisories not checked: RustSec's database cannot be fetched from here"
    exit 0
fi
cargo deny --locked check advisories

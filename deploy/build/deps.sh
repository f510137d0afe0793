#!/usr/bin/env bash
# What the build needs beyond this repository: Rust, a C compiler, and cmake (for the zlib-ng inside Pingora).
# Installs the last two where it may, that is on Debian and Ubuntu as root or with a sudo that asks for no password;
# elsewhere it prints the exact command and fails. Quick and silent where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo "Rust is missing. Install it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 1
fi
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    echo "Rust $found is too old, $needed is needed. Update it with: rustup update stable" >&2
    exit 1
fi

missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v cc >/dev/null || missing+=(cc)
[ ${#missing[@]} -gt 0 ] || exit 0

if command -v apt-get >/dev/null; then
    packages=("${missing[@]/#cc/gcc libc6-dev}")
    # Unquoted: one word may stand for two packages.
    # shellcheck disable=SC2206
    packages=(${packages[@]})
    install="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" = 0 ]; then
        as_root=(env DEBIAN_FRONTEND=noninteractive sh -c)
    elif sudo -n true 2>/dev/null; then
        as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive sh -c)
    else
        echo "The build needs ${missing[*]}. Install with: sudo sh -c '$install'" >&2
        exit 1
    fi
    echo "The build needs ${missing[*]}; installing: $install"
    "${as_root[@]}" "$install"
    exit 0
fi

hint="install ${missing[*]} with your system's package manager"
for manager in "dnf:sudo dnf install -y cmake gcc" "pacman:sudo pacman -S --needed cmake gcc" \
    "zypper:sudo zypper install -y cmake gcc" "apk:sudo apk add cmake gcc musl-dev" "brew:brew install cmake"; do
    if command -v "${manager%%:*}" >/dev/null; then
        hint=${manager#*:}
        break
    fi
done
echo "The build needs ${missing[*]}. Install with: $hint" >&2
exit 1

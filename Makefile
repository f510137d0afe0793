# `make` alone lists the targets. PROFILE=dev uses unoptimised binaries, which build several times faster.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PROFILE ?= release

# .cargo/config.toml names an explicit target, so cargo puts the binaries into a directory of that name.
TARGET := $(or $(CARGO_TARGET_DIR),target)
HOST := $(or $(CARGO_BUILD_TARGET),$(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p'))
KIND := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
BUILT := $(TARGET)/$(HOST)/$(KIND)
BINARIES := $(TARGET)/$(KIND)
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: help deps fmt lint test lab build image demo demo-down deploy deploy-edge bench bench-scale docs audit msrv clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## see it work: the example on a swarm of one node, or on loopback where there is no Docker engine
	@deploy/demo/up.sh $(BINARIES)

demo-down: ## remove everything that `make demo` made
	@deploy/demo/down.sh

test: deps ## format check, clippy, documentation, unit, property and integration tests, and those on real swarms
	@deploy/build/test.sh

lab: deps ## the tests on a swarm of several nodes, alone, with their figures (as root)
	@deploy/build/lab.sh

build: deps ## build target/release/hiveway (PROFILE=dev: target/debug/hiveway), a static binary
	cargo build --locked --profile $(PROFILE) --bins
	@mkdir -p $(BINARIES)
	@ln -f $(BUILT)/hiveway $(BUILT)/hiveway-demo $(BINARIES)/
	@echo "built $(BINARIES)/hiveway and $(BINARIES)/hiveway-demo"

image: build ## put hiveway:dev and hiveway-demo:dev into the local engine
	@deploy/build/image.sh $(BINARIES)

deploy: ## deploy deploy/stack.yml into the engine's swarm (HIVEWAY_IMAGE=… for an image of a registry)
	@deploy/build/deploy.sh deploy/stack.yml hiveway hiveway

deploy-edge: ## the same for deploy/edge.yml, the gateways that face the internet
	@deploy/build/deploy.sh deploy/edge.yml hiveway_edge edge

bench: deps ## measure Hiveway beside other proxies, into tests/bench/RESULTS.md
	tests/bench/peers.sh $(TARGET)/bench-peers
	cargo bench --locked --bench proxies
	cargo bench --locked --bench proxies -- --traffic --rounds 3 --seconds 2

bench-scale: deps ## measure the control plane of a swarm of 10 000 tasks, into tests/bench/RESULTS.md (as root)
	cargo bench --locked --bench proxies -- --scale

deps: ## install what the build needs beyond Rust, or say how
	@deploy/build/deps.sh

fmt: ## format the sources
	cargo fmt

lint: deps ## format check, clippy, and the shell scripts
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@for script in .ci/run $$(git ls-files '*.sh'); do bash -n "$$script" || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run $$(git ls-files '*.sh'); \
	else echo "skipped: shellcheck is not installed (apt-get install shellcheck)"; fi

docs: deps ## deploy/reference anew from the code, the manual page, completions, and the source's documentation
	HIVEWAY_REFERENCE=write cargo test --locked --test it -- what_the_code_says
	@mkdir -p $(TARGET)/manual
	@cargo run --locked --quiet --bin hiveway -- man >$(TARGET)/manual/hiveway.1
	@for shell in bash zsh fish; do \
		cargo run --locked --quiet --bin hiveway -- completions $$shell >$(TARGET)/manual/hiveway.$$shell || exit 1; done
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --lib
	@echo "read deploy/reference, man -l $(TARGET)/manual/hiveway.1, and $(TARGET)/$(HOST)/doc/hiveway/index.html"

audit: ## known vulnerabilities, licences, sources and duplicates of the dependencies (.deny.toml)
	@deploy/build/audit.sh

msrv: deps ## check that the sources compile with the oldest Rust that Cargo.toml allows (rustup installs it)
	cargo +$(MSRV) check --locked --all-targets --target-dir $(TARGET)/msrv

clean: ## remove what was built
	@if [ -e $(TARGET)/demo/made ]; then echo "the demo is up, and its notes are in $(TARGET)/demo: make demo-down first"; exit 1; fi
	cargo clean

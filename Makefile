# What people and CI call; CI calls nothing else, so it cannot differ from your machine.
# Every target does its own set-up: Rust and make are all that a machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# A static build names its target, so that the flag for it does not reach proc macros.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# What to compile for: make static TARGET=aarch64-unknown-linux-gnu
TARGET ?= $(HOST)
# The same source makes the same binary, wherever it and cargo's files lie.
STATIC_FLAGS := -C target-feature=+crt-static \
  --remap-path-prefix=$(CURDIR)=/source \
  --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src=/crates
# Relocations in their short form are 200 KiB less of the binary; the linker has it for these.
ifneq (,$(filter x86_64-% aarch64-%,$(TARGET)))
STATIC_FLAGS += -C link-arg=-Wl,-z,pack-relative-relocs
endif
# For another machine the linker is Debian's for it (gcc-aarch64-linux-gnu and the like).
CROSS_aarch64-unknown-linux-gnu := aarch64-linux-gnu
CROSS_armv7-unknown-linux-gnueabihf := arm-linux-gnueabihf
ifneq ($(TARGET),$(HOST))
STATIC_FLAGS += -C linker=$(CROSS_$(TARGET))-gcc
endif
STATIC = $(TARGET_DIR)/$(TARGET)/release/logcaster
# Debian's word for the machine, in the names of what `make dist` makes.
ARCHITECTURE ?= $(or $(shell dpkg --print-architecture 2>/dev/null),$(shell uname --machine))
# What is compiled for another machine cannot write its manual here; this machine's build does.
RUNNABLE := $(if $(filter-out $(HOST),$(TARGET)),release)
IMAGE ?= logcaster
# A static binary that is there already, in place of one to be built for the image.
BINARY ?=
FUZZ_SECONDS ?= 10
# Cases of the bench that are over in a minute and say whether something is badly off.
BENCH_SMOKE := ingest-1 ingest-persist count-rtt http-jsonline start

.PHONY: run test sim canary lint lint-tools msrv fmt debug release static image dist reproducible \
  deploy-test bench bench-smoke fuzz e2e browser security-scan profile sanitize clean help

run: ## Build and start it: lines on 127.0.0.1:9999, questions on 9998, kept in ./logs
	cargo run --release -- -P -d ./logs

test: ## Run every test: units, the real server, crashes, the gates of tests/it/tidy.rs
	cargo test

sim: ## Replay a simulation of sessions, segment and disk: make sim SEED=7342 (without: 3,000)
	LOGCASTER_SEED='$(SEED)' LOGCASTER_SEEDS='$(if $(SEED),,3000)' cargo test --test it simulation::

canary: ## Leave the salt out of every checksum: the power-cut tests must fail
	if cargo test --features canary-no-salt --lib segment::tests::power >$(TARGET_DIR)/canary.log 2>&1; \
	then echo 'the power-cut tests pass without the salt: they prove nothing'; exit 1; \
	elif grep --quiet '^test result: FAILED' $(TARGET_DIR)/canary.log; then echo 'canary: caught'; \
	else cat $(TARGET_DIR)/canary.log; exit 1; fi

lint: ## Check format, clippy, documentation, licences, scripts and deploy/; warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	scripts/licences
	scripts/lint-deploy

lint-tools: ## Fetch the linters of what is not Rust into target/lint (Python, Node.js)
	scripts/lint-tools

msrv: ## Check with the oldest Rust that Cargo.toml promises (rustup fetches it)
	scripts/msrv

fmt: ## Format the code
	cargo fmt

debug: ## Build without optimising and start it in test mode: memory only, own log at debug
	cargo run -- -t

release: ## Build the optimised binary, target/release/logcaster
	cargo build --release

static: ## Build a fully static binary and check that it needs nothing: no loader, no library
	$(if $(filter-out $(HOST),$(TARGET)),rustup target add $(TARGET))
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --release --target $(TARGET)
	scripts/check-static $(STATIC)

image: $(if $(BINARY),,static) ## Build the container image IMAGE (logcaster) from the static binary, or BINARY
	scripts/image $(or $(BINARY),$(STATIC)) $(IMAGE) $(PLATFORM)

dist: static $(RUNNABLE) ## Pack it into dist/: archive, Debian package, SBOM, checksums
	scripts/dist $(STATIC) $(TARGET) $(ARCHITECTURE) $(if $(RUNNABLE),$(TARGET_DIR)/release/logcaster)

reproducible: ## Build and pack it twice in two folders: the bytes must be the same
	scripts/reproducible

deploy-test: static ## Try what operators deploy: image, packages, Compose, Kubernetes, Ansible (as root)
	scripts/deploy-test

bench: static release ## Measure it here: a table, a JSON and the latency curve (25 minutes)
	$(if $(filter 0,$(shell id -u)),bench/slow-disk.sh) $(TARGET_DIR)/release/logcaster bench all \
	  --json $(TARGET_DIR)/bench.json

bench-smoke: static ## Measure the cases that tell soon whether something is badly off
	rm -f $(TARGET_DIR)/bench.json
# A shared machine misses figures: that all were measured is what counts there.
	$(STATIC) bench --quick --json $(TARGET_DIR)/bench.json $(BENCH_SMOKE) || \
	  [[ -s $(TARGET_DIR)/bench.json ]]

fuzz: ## Run every fuzz target FUZZ_SECONDS (10) seconds
	scripts/fuzz $(FUZZ_SECONDS)

e2e: release ## Run real senders, shells, a systemd and a failing disk against it
	scripts/e2e

browser: release ## Run the page in a headless Chromium (Node.js, Debian's chromium)
	scripts/browser

security-scan: ## Look for known vulnerabilities, licences, sources and unsafe code
	scripts/security-scan

profile: ## Draw where the time goes while lines come in: target/profile.svg (perf, as root)
	scripts/profile

sanitize: ## Run the unit tests under AddressSanitizer, and what Miri can run under Miri
	scripts/sanitize

clean: ## Remove what was built (./logs stays)
	cargo clean

help: ## Show the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

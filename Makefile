# What people and CI call; CI calls nothing else, so it cannot differ from your machine.
# Every target does its own set-up: Rust and make are all that a machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# A static build names its target, so that the flag for it does not reach proc macros.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# Relocations in their short form are 200 KiB less of the binary.
STATIC_FLAGS := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
FUZZ_SECONDS ?= 10

.PHONY: run test canary lint fmt debug release static bench fuzz e2e browser clean help

run: ## Build and start it: lines on 127.0.0.1:9999, questions on 9998, kept in ./logs
	cargo run --release -- -P -d ./logs

test: ## Run every test: units, the real server, crashes, the gates of tests/it/tidy.rs
	cargo test

canary: ## Leave the salt out of every checksum: the power-cut tests must fail
	if cargo test --features canary-no-salt --lib segment::tests::power >$(TARGET_DIR)/canary.log 2>&1; \
	then echo 'the power-cut tests pass without the salt: they prove nothing'; exit 1; \
	elif grep --quiet '^test result: FAILED' $(TARGET_DIR)/canary.log; then echo 'canary: caught'; \
	else cat $(TARGET_DIR)/canary.log; exit 1; fi

lint: ## Check format, clippy, documentation, scripts and licences; warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	scripts/licences
	if command -v shellcheck >/dev/null; then shellcheck --external-sources --check-sourced \
	  $$(grep --files-with-matches 'env bash' scripts/* tests/e2e/*.sh) .ci/run; \
	else echo 'shellcheck is not installed: scripts not checked'; fi

fmt: ## Format the code
	cargo fmt

debug: ## Build without optimising and start it in test mode: memory only, own log at debug
	cargo run -- -t

release: ## Build the optimised binary, target/release/logcaster
	cargo build --release

static: ## Build a fully static binary and check that it needs nothing: no loader, no library
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --release --target $(HOST)
	scripts/check-static $(TARGET_DIR)/$(HOST)/release/logcaster

bench: static release ## Measure it here: a table, a JSON and the latency curve (25 minutes)
	$(if $(filter 0,$(shell id -u)),bench/slow-disk.sh) $(TARGET_DIR)/release/logcaster bench all \
	  --json $(TARGET_DIR)/bench.json

fuzz: ## Run every fuzz target FUZZ_SECONDS (10) seconds
	scripts/fuzz $(FUZZ_SECONDS)

e2e: release ## Run real senders against it: logger, busybox, Python, rsyslog, syslog-ng, Docker
	scripts/e2e

browser: release ## Run the page in a headless Chromium (Node.js, Debian's chromium)
	scripts/browser

clean: ## Remove what was built (./logs stays)
	cargo clean

help: ## Show the targets
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

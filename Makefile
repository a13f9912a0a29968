# The commands of the README. Everything else is `cargo` and `target/release/concordat --help`.

SHELL := bash
.DELETE_ON_ERROR:
.PHONY: help setup build demo test lint bench chaos soak fuzz clean-demo

# One target folder for tests, demo and bench, kept between runs and clones.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/concordat/target
export CARGO_TERM_COLOR ?= never
# Rust may have been installed a moment ago, by `setup`.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
CONCORDAT = $(CARGO_TARGET_DIR)/release/concordat

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install what building and testing need and is missing (Debian and Ubuntu)
	@scripts/setup

build: setup ## Build the program
	cargo build --release --locked -p concordat-cli

demo: build ## Four banks' validators on this machine, step by step; ONCE=1 ends after the story
	@ONCE=$(ONCE) scripts/demo $(CONCORDAT)

bench: build ## Throughput, latency and costs of four validators; QUICK=1 takes three minutes
	$(CONCORDAT) bench $(if $(QUICK),--quick)

test: setup ## Every test
	@scripts/test

chaos: setup ## Kill processes at random under load, KILLS=200 times; SEED=... repeats a run's faults
	cargo build --release --locked --workspace --bins
	@CONCORDAT=$(CONCORDAT) KILLS=$(KILLS) SEED=$(SEED) $(CARGO_TARGET_DIR)/release/chaos

soak: setup ## 1,000,000 random interleavings of governance against its model
	GOVERNANCE_CASES=1000000 cargo nextest run --release --locked -p concordat-governance interleavings

fuzz: setup ## Each decoder that faces strangers, fuzzed for SECONDS=60 each
	@scripts/fuzz $(SECONDS)

lint: setup ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- --deny warnings

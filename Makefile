# What people run. Every target says what it does: `make help`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help run build release release-parts ui ui-if-node test ci check fmt gen bench soak deps test-rust test-postgres test-clients

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ui-if-node ## Build and start a complete Keystore on this machine
	cargo run --release --locked --package ks -- dev

build: ui-if-node ## Build the release binary, target/release/ks
	cargo build --release --locked --package ks

release: release-parts ## Build the binary as it is released, target/laid-out/ks: its code laid out by a load (scripts/lay-out)
	./scripts/lay-out

release-parts: ui-if-node ## Build what `make release` lays out
	KS_KEEP_RELOCATIONS=1 cargo build --release --locked --package ks --package keystore-testkit --package keystore-bench \
		--bin ks --bin fake-upstream --bin pg-cluster --bin compare --bin floor

ui: ui/dist/index.html ## Build the dashboard; the next build of ks embeds it

ui-if-node:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory ui; \
	elif [ ! -f ui/dist/index.html ]; then echo 'npm is not here: ks is built without the dashboard' >&2; fi

ui/dist/index.html: ui/node_modules/.package-lock.json $(shell find ui sdk/typescript/src -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -print)
	cd ui && npm run --silent build

# Written by npm; no script of a package is run.
ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
	touch $@

deps: ## Install what the tests need: PostgreSQL, Chromium, the Python and Node clients, cargo-nextest
	./scripts/test-deps

test: deps ui test-rust ## Run every test
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-postgres test-clients

test-rust: ## Run the Rust tests, but for those on PostgreSQL
	cargo nextest run --workspace --locked -E 'not (binary(conformance) and test(/\bpostgres::/))'

# Everything is built as one workspace: for one package alone the dependencies would be built again, with other features.
# One process for each binary, so that its tests share a cluster. Tests whose database is no matter, or always the same, are skipped.
test-postgres: ## Run the store's and the server's tests on PostgreSQL; test-rust runs them on SQLite
	cargo test --quiet --locked --workspace --test conformance postgres::
	KEYSTORE_TEST_STORE=postgres cargo test --quiet --locked --workspace --test server -- \
		$(foreach tests,architecture audit::changed backup dev faults::disk openapi sandbox,--skip $(tests)::)

test-clients: ## Run the official Python and Node clients through the proxy
	./e2e/run

ci: check test ## What continuous integration runs

check: ## Formatting and lints; that generated files are up to date is a test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the code
	cargo fmt --all

gen: deps ## Write the generated files (openapi.json, pages of the docs, and what the clients take from the API)
	KEYSTORE_WRITE_GENERATED=1 cargo nextest run --workspace --locked -E 'test(the_committed_description_is_the_served_one) or test(the_page_of_errors) or test(the_page_of_commands)'
	python3 sdk/python/generate
	node sdk/typescript/scripts/generate.mjs

bench: ## Instruction counts of the request path, and the load comparison
	./bench/run

soak: ## The full counts of the property and crash tests; takes long
	./scripts/soak

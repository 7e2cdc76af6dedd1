# Apportion: two commands do all the set-up on a fresh machine, `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO ?= cargo
# Demo and tests share a profile, so that dependencies compile once.
BIN := target/debug/apportion
DEMO := target/demo-month
PERIOD := 2026-09
# Everything, with the clients of AWS and Trino that the build for one machine leaves out.
ALL := --locked --workspace --all-features

.PHONY: help
help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN): build
.PHONY: build
build: ## The command line, target/debug/apportion
	$(CARGO) build --locked -p apportion

.PHONY: demo
demo: build ## Closes a month and runs a day of sample bills; prints the reconciliation, the day's figures and where all of it is
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	$(BIN) sample --period $(PERIOD) --out $(DEMO)/sample
	cp -r config $(DEMO)/config
	cp -r $(DEMO)/sample/drivers $(DEMO)/config/
	APPORTION_KEY_DIR=$(DEMO)/keys $(BIN) close --period $(PERIOD) --bill $(DEMO)/sample/bill --config $(DEMO)/config \
	  --org $(DEMO)/sample/organization.json --invoices $(DEMO)/sample/invoices.json --out $(DEMO)/out
	APPORTION_KEY_DIR=$(DEMO)/keys $(BIN) verify $(DEMO)/out/closes/$(PERIOD)/$$(cat $(DEMO)/out/closes/$(PERIOD)/CURRENT) \
	  --key $(DEMO)/keys/signing-key.pub.pem
	$(BIN) sample --period $(PERIOD) --months 3 --rows 30000 --out $(DEMO)/days
	$(BIN) daily --date $(PERIOD)-09 --bill $(DEMO)/days/bill --config $(DEMO)/config --org $(DEMO)/days/organization.json \
	  --out $(DEMO)/daily

.PHONY: test
test: tools check ## Everything: format, lints, then unit, property, conformance, page and end-to-end tests
	$(CARGO) build $(ALL)
	$(CARGO) test $(ALL)

.PHONY: test-trino
test-trino: ## Embedded engine against a real Trino, over every bill here: needs Java 24 or newer and Maven, downloads 821 MB once
	scripts/test-trino

.PHONY: test-deployed
test-deployed: ## The functions deployed by Terraform to stand-ins for AWS: the same bytes as in process, whatever is killed
	scripts/test-deployed

.PHONY: check
check: ## Lints, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(CARGO) clippy --locked -p apportion -- -D warnings

.PHONY: tools
tools: ## What the tests use beside Rust: poppler's pdftotext
	scripts/install-tools

.PHONY: infra-check
infra-check: ## infra/ and the state machines by Terraform and by linters, with no account; skipped where the checker is not beside the clone
	scripts/infra-check

.PHONY: deploy-local
deploy-local: ## The functions on stand-ins for AWS, deployed by Terraform: scripts/deploy-local says how to look at them and stop them
	scripts/deploy-local up

.PHONY: watch
watch: ## The functions on this machine by `cargo lambda watch`, over stand-ins for AWS: README, "The functions on this machine"
	scripts/watch run

.PHONY: test-watch
test-watch: ## A month through the functions as `cargo lambda watch` serves them equals the month of one process: two minutes and a half
	scripts/test-watch

.PHONY: package
package: ## The functions as zips for AWS Lambda, target/lambda/: about half an hour for each architecture the first time
	scripts/package
	scripts/check-package arm64 x86_64

.PHONY: bench
bench: ## Seconds, memory and ratios on 20 million rows: see docs/benchmarks.md
	$(CARGO) build $(ALL) --release --bins --examples
	bench/run

.PHONY: clean
clean: ## Removes what was built and the demo
	$(CARGO) clean

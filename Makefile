# Everything starts here. Nothing is needed but Python 3.11 or later and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
PACKAGES := radosgw ceph-mon ceph-osd ceph-common postgresql chromium \
	golang-go golang-golang-x-mod-dev softhsm2 pgcopydb
# Three on two cores: each waits for servers a third of its time. Who is done takes over half of
# what another has still to do.
SPREAD := -n 3 --dist worksteal
LONG := tests/story/test_kills.py tests/story/test_archive_kills.py tests/story/test_sealed.py \
	tests/story/test_store_faults.py tests/story/test_large.py tests/story/test_cluster.py \
	tests/strangers tests/demo tests/ledger/test_kill.py tests/ledger/test_power_loss.py
COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/pip-compile --quiet --upgrade \
	--generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options

.PHONY: help demo test test-long check format bench docs coverage services debian-services requirements clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: .venv/run.stamp ## the whole story on this machine, in under two minutes
	$(BIN)/domicile demo

test: .venv/dev.stamp ## all tests that this machine has the services for
	$(BIN)/python -m pytest $(SPREAD)

test-long: .venv/dev.stamp ## the same, killed at many more instants
	DOMICILE_LONG_TESTS=1 $(BIN)/python -m pytest $(SPREAD) $(LONG)

check: .venv/dev.stamp ## style, types, the direction of imports
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp ## let ruff format and sort
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format --quiet

bench: .venv/dev.stamp ## measure, and write docs/benchmarks.md
	$(BIN)/python -m bench

docs: .venv/dev.stamp ## write the reference pages that are made from the code
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python scripts/seal_page.py

coverage: .venv/dev.stamp ## write docs/coverage.md: what the tests see found, moved, verified, erased
	$(BIN)/python scripts/make_coverage.py

services: debian-services .venv/services.stamp ## what the full tests need: Debian's packages (as root), key servers, a log-in server
	@[ -z "$${SUDO_UID:-}" ] || chown -R "$$SUDO_UID:$${SUDO_GID:-0}" .venv tests/services/oidc

debian-services:
	@command -v apt-get >/dev/null || { echo "make services: this is no Debian;" \
		"install what brings radosgw, ceph-mon, ceph-osd, PostgreSQL, chromium, SoftHSM," \
		"Go and its golang.org/x/mod" >&2; exit 1; }
	@missing=""; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
			|| missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || { echo "make services: all of Debian's packages are installed"; exit 0; }; \
	[ "$$(id -u)" = 0 ] || { echo "make services: needs root to install$$missing;" \
		"run it as root" >&2; exit 1; }; \
	echo "make services: installing$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); \
	{ apt-get -q update && apt-get -q -y install --no-install-recommends $$missing; } \
		>"$$log" 2>&1 </dev/null || { tail -n 40 "$$log" >&2; exit 1; }; rm -f "$$log"

requirements: .venv/dev.stamp ## pin the newest of everything, with hashes
	$(COMPILE) --extra demo --all-build-deps --output-file requirements/run.txt pyproject.toml
	$(COMPILE) --output-file requirements/dev.txt requirements/dev.in
	$(COMPILE) --extra oci --constraint requirements/run.txt --constraint requirements/dev.txt \
		--output-file requirements/oci.txt pyproject.toml
	$(COMPILE) --output-file requirements/services.txt requirements/services.in
	$(BIN)/python scripts/clean_requirements.py requirements/*.txt

clean: ## remove what was made, the virtual environment too
	rm -rf .venv build dist demo-workspace tests/services/oidc/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "domicile needs Python 3.11 or later; $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1 || true). Try: make PYTHON=python3.11" >&2; exit 1; }
	@echo "making .venv (once)"
	@$(PYTHON) -m venv .venv || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Oracle's SDK, OpenBao, and Node with an OpenID provider: too much to download to be everybody's.
.venv/services.stamp: requirements/oci.txt requirements/services.txt \
		tests/services/oidc/package-lock.json .venv/dev.stamp
	@$(PIP) install --require-hashes -r requirements/oci.txt
	@$(PIP) install --require-hashes -r requirements/services.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix tests/services/oidc --ignore-scripts --no-audit \
		--no-fund --loglevel error >/dev/null
	@touch $@

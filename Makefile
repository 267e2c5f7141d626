# Two commands matter: `make demo` runs a whole coalition, `make test` passes the tests. Each installs what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

help:        ## what there is
	@sed -n 's/^\([a-z-]*\): .*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/run.done   ## run a whole coalition on this machine; ARGS="--seconds 10 --json"
	@$(BIN)/comity demo $(ARGS)

setup: .venv/run.done  ## only make the environment

test: .venv/dev.done   ## install what tests need, then pass the tests; ARGS="tests/adapters -x"
	@sh tests/install.sh
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/dev.done  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/dev.done  ## every benchmark, ratios in one run; ARGS="relay"
	@$(BIN)/python -m tests.bench $(ARGS)

lock:        ## write the two lock files anew from pyproject.toml
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--extra build pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--extra build --extra dev pyproject.toml -o requirements-dev.lock

clean:       ## remove the environment and everything that was generated
	@rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/run.done: requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) sh deploy/environment.sh requirements.lock
	@touch $@

.venv/dev.done: requirements-dev.lock pyproject.toml
	@PYTHON=$(PYTHON) sh deploy/environment.sh requirements-dev.lock
	@touch $@ .venv/run.done

.PHONY: help demo setup test check bench lock clean

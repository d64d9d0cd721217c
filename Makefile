# Everything a newcomer needs. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup dev demo test check bench asterisk-lab lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.app web ## Install into .venv what running needs

dev: .venv/.dev web ## Install what tests and checks need too

demo: setup ## Watch calls come in, customers pop and notes land, all on this machine
	@$(BIN)/trunkline demo

test: dev ## Install what tests need (system packages included, as root on Debian) and run them all
	@tools/system-packages
	@$(BIN)/python -m pytest -n 3 --dist loadfile

check: dev ## Format, lint, types, architecture and lock files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@tools/check-locks

bench: dev ## Measure against the bars in bench/ and write bench/results.json
	@$(BIN)/python -m bench

asterisk-lab: dev ## Set up a real Asterisk in .lab/ (as root on Debian) and play real SIP calls through it
	@tools/system-packages
	@tools/asterisk-lab setup
	@$(BIN)/python -m pytest -m pbx

lock: .venv/.dev ## Resolve the lock files anew
	@tools/lock

web: src/trunkline/web/static/vendor/.done ## Fetch the pinned browser libraries

clean: ## Remove what was installed and built
	rm -rf .venv .venv-tap node_modules src/trunkline/web/static/vendor

.venv/bin/python:
	@tools/make-venv $(PYTHON)

.venv/.app: requirements/app.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@$(BIN)/pip install -q --require-hashes -r requirements/app.txt -r requirements/build.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.app
	@$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

src/trunkline/web/static/vendor/.done: package-lock.json tools/vendor-web | .venv/.app
	@tools/vendor-web
	@touch $@

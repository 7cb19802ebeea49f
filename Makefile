# Folkmoot. Only Python 3.11-3.13 and make are needed; everything else is built into .venv from hash-locked files.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PYTHON
BIN := .venv/bin
WORKERS ?= 2
SIZE ?= ci

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: ## build .venv from requirements-dev.txt (the others do it by themselves)
	@scripts/install.sh requirements-dev.txt

.PHONY: install-server
install-server: ## build .venv from requirements.txt: what a server needs, without the tools
	@scripts/install.sh requirements.txt

.PHONY: demo
demo: install-server ## councils publish, an aggregator finds, in your browser (CHECK=1: verify and stop)
	@$(BIN)/folkmoot demo $(if $(CHECK),--check)

.PHONY: test
test: install ## the whole test suite, on SQLite and PostgreSQL (ARGS= for pytest)
	@$(BIN)/python -m pytest -q -n $(WORKERS) $(ARGS)

.PHONY: cover
cover: install ## how much of the code the tests walk: fails below the promise
	@$(BIN)/python -m pytest -q -n $(WORKERS) --cov --cov-report= -m "not prove and not no_cover" tests/unit tests/integration
	@$(BIN)/python -m scripts.covered

.PHONY: check
check: install ## format, lint, types, imports, dependencies
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@scripts/quiet.sh $(BIN)/mypy
	@scripts/quiet.sh $(BIN)/basedpyright
	@scripts/quiet.sh $(BIN)/lint-imports --no-logo
	@scripts/quiet.sh $(BIN)/deptry .
	@echo "Format, lint, types, imports and dependencies are in order."

.PHONY: format
format: install ## format the code and mend what the linter can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: openapi
openapi: install ## write openapi/ anew from the code
	@$(BIN)/folkmoot openapi --write openapi

.PHONY: docs
docs: install ## write the reference pages of docs/ anew from the code
	@$(BIN)/python -m scripts.schemas
	@$(BIN)/python -m scripts.reference

.PHONY: bench
bench: install ## measure speed against peers (SIZE=100k, 1m or ci; ARGS=; WRITE=1: into docs/performance.md)
	@$(BIN)/python -m benchmarks --size $(if $(filter file,$(origin SIZE)),100k,$(SIZE)) $(if $(WRITE),--write) $(ARGS)

.PHONY: prove
prove: install ## the proofs at full size (SIZE=ci or release; ARGS="-k t14" for one; AGAIN=1: those that passed too)
	@FOLKMOOT_PROVE_SIZE=$(if $(filter file,$(origin SIZE)),release,$(SIZE)) $(if $(AGAIN),FOLKMOOT_PROVE_AGAIN=1) \
	  $(BIN)/python -m pytest -q -s -m "prove or proof" $(ARGS)

.PHONY: proofs
proofs: install ## write docs/proofs.md from what make prove has measured
	@$(BIN)/python -m scripts.proofs

.PHONY: mutants
mutants: install ## change the core in one place after the other: do the tests notice? (ARGS="federation.merge*")
	@$(BIN)/python -m scripts.mutants $(ARGS)

.PHONY: sbom
sbom: install ## what a server is made of: build/sbom.cdx.json (CycloneDX) and build/licences.csv
	@$(BIN)/python -m scripts.supply

.PHONY: audit
audit: ## ask an advisory database about every locked package (3: no route to one; docs/dependencies.md)
	@$$(scripts/python.sh) -m scripts.audit $(ARGS)

.PHONY: lock
lock: ## write the hash-locked requirement files anew (needs uv)
	@scripts/lock.sh

.PHONY: clean
clean: ## remove what the other targets made
	@rm -rf .venv build dist *.egg-info .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf tests/contract/rpde/node_modules tests/e2e/axe/node_modules

# `make run` and `make test` work on any machine that has Python 3.11 and make. `make help` lists all targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-integration test-long check check-format check-lint check-types \
	check-imports check-pins check-docs check-contract dev format bench demo openapi docs lock clean

BIN := .venv/bin
# Lists the slowest tests, and every skipped test with its reason.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --durations=15 --durations-min=0.1 -rsxX
# Unit tests keep two cores busy. The others often wait, so three workers finish sooner. If WAGGLE_TEST_POSTGRES_URL names
# a role that may not create databases, only one worker can use it: WORKERS=1.
SPREAD := -n $(or $(WORKERS),2) --dist worksteal
SPREAD_WAITING := -n $(or $(WORKERS),3) --dist worksteal
URL ?= http://127.0.0.1:$(or $(PORT),8000)
CODE := src clients tests demo bench scripts

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve on http://127.0.0.1:8000, from the folder data (settings: docs/settings.md)
	@scripts/bootstrap
	@exec $(BIN)/waggle serve

test: test-unit test-integration ## Run all tests: unit tests first, then tests against real servers

test-unit: dev ## Run the unit tests: no server, no network, seconds
	@echo "== Unit tests"
	@$(PYTEST) $(SPREAD) tests/unit

test-integration: dev ## Run the tests against PostgreSQL, Redis and S3, and the black-box tests in every shape
	@echo "== Integration and black-box tests"
	@$(PYTEST) $(SPREAD_WAITING) tests/integration tests/blackbox

test-long: dev ## Run the long form: more examples, longer faults
	@WAGGLE_TEST_LONG=1 $(PYTEST) $(SPREAD_WAITING) tests

check: check-format check-lint check-types check-imports check-pins check-docs ## Check format, lint, types, layers, pins and docs

check-format check-lint check-types check-imports check-pins check-docs: dev

check-format:
	$(BIN)/ruff format --check $(CODE)

check-lint:
	$(BIN)/ruff check $(CODE)

check-types:
	$(BIN)/mypy $(CODE)

check-imports:
	$(BIN)/lint-imports

check-pins:
	$(BIN)/python -m pip check
	scripts/lock --check

check-docs:
	$(BIN)/python scripts/generate.py --check

check-contract: dev check-docs ## Check the API documents with the tools that client developers use
	$(BIN)/python scripts/check_contract.py

dev:
	@scripts/bootstrap dev

format: dev ## Format the code and apply the fixes of ruff
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

# Each line is a benchmark in a small form. Every one has more: python -m bench.hot --help
BENCHES := "hot --rounds 3 --seconds 0.5" "posts --rows 20000 --shapes embedded --rounds 2 --seconds 1" \
	"peers --rounds 2 --seconds 0.5" "stream --sockets 100 --shapes embedded --rounds 5" "logins --samples 20 --crowd 40" \
	"media --mb 20 --rounds 2" "footprint --starts 2"

bench: dev ## Run the benchmarks in a small form, some minutes; every figure is a ratio within one run
	@for bench in $(BENCHES); do echo "== bench.$$bench"; $(BIN)/python -m bench.$$bench 2> /dev/null || exit 1; done

demo: dev ## Fill the server at URL with a small community; start a server if none answers
	@scripts/demo $(URL) $(ARGS)

openapi docs: dev ## Write the generated documents: docs/openapi.json, docs/asyncapi.json, docs/settings.md, docs/errors.md
	@$(BIN)/python scripts/generate.py

lock: dev ## Pin the dependencies again after a change in pyproject.toml
	scripts/lock

clean: ## Remove .venv and all caches; the folder data stays
	rm -rf .venv .contract .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src clients tests demo bench -name __pycache__ -type d -prune -exec rm -rf {} +

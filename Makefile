PYTHON ?= python3
TORCH ?=
JOBS ?= 2
BIN := .venv/bin
JITTOR := .venv-jittor

# TORCH=cpu: torch without CUDA, a tenth of the size, by uv (https://docs.astral.sh/uv); any backend that uv knows.
ifneq ($(TORCH),)
ifeq ($(shell command -v uv),)
$(error TORCH=$(TORCH) is chosen by uv, which is not installed: https://docs.astral.sh/uv, or leave TORCH out)
endif
INSTALL = uv pip install -q --python $(BIN)/python --torch-backend $(TORCH) -c constraints.txt
else
INSTALL = $(BIN)/python -m pip install -q -c constraints.txt
endif

.PHONY: help demo test test-jittor fuzz lint bench docs models clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: .venv/.demo  ## explain two real photos offline and say where the pictures are
	$(BIN)/python examples/demo.py

test: .venv/.ready  ## everything that must hold
	$(BIN)/python -m pytest -q -n $(JOBS)

test-jittor: $(JITTOR)/.ready  ## Jittor beside torch, in an environment with numpy 1.26; the first run compiles Jittor
	use_mkl=0 nvcc_path= $(JITTOR)/bin/python -m pytest -q tests/jittor

fuzz: .venv/.ready  ## 2,000 damaged files of every kind; COUNT=… for another number
	PYTHONPATH=tests $(BIN)/python -W ignore -m safety.mutations $(or $(COUNT),2000)

lint: .venv/.ready  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.ready  ## heatlens and its peers side by side
	$(INSTALL) -e ".[peers]"
	$(BIN)/python -m benchmarks

docs: .venv/.ready  ## the pages and pictures that are made from the code
	$(BIN)/python docs/make.py

models: .venv/.ready  ## docs/models.md, by a walk over the architectures; it takes minutes
	PYTHONPATH=tests $(BIN)/python -W ignore -m walk.page

clean:  ## remove what was installed and made here
	rm -rf .venv $(JITTOR) heatlens-out demo-out .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[demo]"
	touch $@

.venv/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[test,lint,demo]"
	touch .venv/.demo $@

$(JITTOR)/.ready: pyproject.toml
	@command -v g++ >/dev/null || { echo "Jittor compiles itself: test-jittor needs g++ and the headers of Python" >&2; exit 2; }
	$(PYTHON) -m venv $(JITTOR)
	$(JITTOR)/bin/python -m pip install -q -e ".[jittor]" "torchvision>=0.21" "pytest>=8"
	touch $@

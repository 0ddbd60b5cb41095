PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 2

.PHONY: demo test lint bench docs clean

demo: $(READY)  ## explain two real photos offline and say where the pictures are
	$(BIN)/python examples/demo.py

test: $(READY)  ## everything that must hold
	$(BIN)/python -m pytest -q -n $(JOBS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## heatlens and its peers side by side
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[peers]"
	$(BIN)/python -m benchmarks

docs: $(READY)  ## the pages and pictures that are made from the code
	$(BIN)/python docs/make.py

clean:
	rm -rf .venv heatlens-out demo-out .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,lint,demo]"
	touch $@

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JITTOR := .venv-jittor
JOBS ?= 2

.PHONY: demo test test-jittor fuzz lint bench docs models clean

demo: $(READY)  ## explain two real photos offline and say where the pictures are
	$(BIN)/python examples/demo.py

test: $(READY)  ## everything that must hold
	$(BIN)/python -m pytest -q -n $(JOBS)

test-jittor: $(JITTOR)/.ready  ## Jittor beside torch, in an environment with numpy 1.26; the first run compiles Jittor
	use_mkl=0 nvcc_path= $(JITTOR)/bin/python -m pytest -q tests/jittor

fuzz: $(READY)  ## 2,000 damaged files of every kind; COUNT=… for another number
	PYTHONPATH=tests $(BIN)/python -W ignore -m safety.mutations $(or $(COUNT),2000)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## heatlens and its peers side by side
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[peers]"
	$(BIN)/python -m benchmarks

docs: $(READY)  ## the pages and pictures that are made from the code
	$(BIN)/python docs/make.py

models: $(READY)  ## docs/models.md, by a walk over the architectures; it takes minutes
	PYTHONPATH=tests $(BIN)/python -W ignore -m walk.page

clean:
	rm -rf .venv $(JITTOR) heatlens-out demo-out .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,lint,demo]"
	touch $@

$(JITTOR)/.ready: pyproject.toml
	@command -v g++ >/dev/null || { echo "Jittor compiles itself: test-jittor needs g++ and the headers of Python" >&2; exit 2; }
	$(PYTHON) -m venv $(JITTOR)
	$(JITTOR)/bin/python -m pip install -q -e ".[jittor]" "torchvision>=0.21" "pytest>=8"
	touch $@

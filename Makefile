# Two commands do everything: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3.11
# People outside may take PyTorch's CPU wheels:  make setup TORCH_INDEX=<address of the CPU index>
TORCH_INDEX ?=
BIN := .venv/bin

.PHONY: setup demo test check bench clean

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/camembias demo

# Two processes of one thread each: a tiny model gains nothing from a second thread. Long files come first.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What a benchmark compares with but cannot be installed here becomes a row that says so.
bench: setup
	-$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	test -e demo/models/demo/onnx/model.onnx || $(BIN)/camembias demo  # two benchmarks run its model
	for b in tests/benchmarks/[a-z]*.py; do $(BIN)/python $$b || exit 1; done

clean:
	rm -rf .venv build *.egg-info

# Two commands do all the set-up on a machine with Python 3.11, 3.12 or 3.13 and make:
#   make demo   installs into .venv and runs the demonstration
#   make test   installs into .venv and runs the tests
# The first Python of these that runs; another one by `make PYTHON=...`.
PYTHON ?= $(shell for one in python3.11 python3.12 python3.13; do \
	$$one --version >/dev/null 2>&1 && echo $$one && break; done)
BIN = .venv/bin

.PHONY: install demo test test-all test-backends test-converters test-site matrix lint types format mutants mutation bench docs notebooks dist clean

install: .venv/installed

# Without compiling all of TensorFlow's Python to bytecode beforehand, which takes half of
# the installation: Python compiles what is imported, once.
.venv/installed: setup.cfg constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "keras_mixup needs Python 3.11, 3.12 or 3.13, and none of" \
		"them is here. Install one, or say where it is: make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e ".[experiments,serving,test]"
	touch $@

# Without the lines that TensorFlow writes when it starts, whatever its log level is.
demo: SHELL = bash
demo: install
	set -o pipefail; PYTHONUNBUFFERED=1 $(BIN)/python examples/quickstart.py 2>&1 | \
		grep --line-buffered -vE '^(WARNING: All log messages before absl|[IWE]0000 00:00)'

# Two processes: TensorFlow is traced more than it computes here. By files, so that what
# a file sets up once is not set up in both; in the order of tests/conftest.py, not by how
# many tests a file has.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: install
	$(PYTEST)

test-all: install
	$(PYTEST) -m "not backends and not converters" --hypothesis-profile=full

# Keras on JAX and on PyTorch, which are installed for it.
test-backends: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[backends]"
	$(BIN)/python -m pytest -m backends tests/backends

# What is exported as LiteRT, ONNX and OpenVINO, in an environment of its own.
CONVERTERS = .venv/converters/bin/python

test-converters:
	test -x $(CONVERTERS) || $(PYTHON) -m venv .venv/converters
	$(CONVERTERS) -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e ".[litert,onnx,openvino,serving,test]"
	$(CONVERTERS) -m pytest -m converters tests/converters

# The site in Chromium, at 360 and 1,200 pixels. CHROMIUM=/path/to/it takes one that is here.
test-site: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs,site]"
	test -n "$(CHROMIUM)" || $(BIN)/python -m playwright install chromium
	$(BIN)/python -m pytest -m slow tests/test_site.py

# Programs of users: tasks by structures by backends by exports. Prints what becomes of each.
matrix: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[backends,litert,onnx,openvino]" "keras-hub>=0.20"
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.matrix

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt "mypy>=2,<3"
	$(BIN)/python -m mypy

# Breaks the library on purpose, one way at a time, and counts the tests that see it.
mutants: install
	$(BIN)/python -m tests.mutants

# Breaks the pure modules in every small way there is; takes hours. See the survivors by
# `.venv/bin/mutmut results` and one of them by `.venv/bin/mutmut show NAME`.
mutation: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[mutation]"
	$(BIN)/mutmut run

# With the peers, which need PyTorch: a table without them is no comparison.
bench: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[bench]"
	for name in pipeline limit growth train_step whole_training neighbors similar_targets start disk gan scale_out peers; do \
		$(BIN)/python -m benchmarks.$$name || exit 1; done

# The documentation as a site in site/, which opens from disk.
docs: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/python -m mkdocs build --strict

# The notebooks, from the scripts beside them.
notebooks: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/python -m jupytext --sync docs/notebooks/*.py

# Wheel and source distribution, each installed alone and tried, with the newest and with
# the oldest dependencies that setup.cfg allows.
dist: install
	$(BIN)/python -m tests.distributions

clean:
	rm -rf .venv runs build dist site mutants *.egg-info

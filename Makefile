# Two commands for a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
CORE := CMakeLists.txt $(wildcard recon/raster/cpp/*)
DEMO := demo/house
PROMPT := a red brick house with three pine trees and a small blue car

.PHONY: demo test lint setup web bench clean

setup: $(STAMP)

# The install builds the C++ core, so its sources are prerequisites.
$(STAMP): pyproject.toml constraints.txt $(CORE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "splatreel needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { echo "splatreel needs a C++17 compiler: sudo apt install g++ (Debian, Ubuntu) or xcode-select --install (macOS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt $(TORCH_INDEX) --editable '.[dev]'
	@touch $@

# A prompt becomes a video, the video a scene; then how to look at it.
demo: $(STAMP)
	$(BIN)/splatreel make "$(PROMPT)" --out $(DEMO)

# Files side by side: most tests wait for a process of their own with one thread.
test: $(STAMP)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# Only needed after a change in viewer/web; the built page is committed.
web:
	cd viewer/web && npm ci && npm run build

bench: $(STAMP)
	$(BIN)/python scripts/bench/raster.py
	$(BIN)/python scripts/bench/growth.py
	$(BIN)/python scripts/bench/train.py

clean:
	rm -rf .venv build demo

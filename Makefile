# make demo, make test: each works on a fresh machine with Python 3.11 to 3.13.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-all lint docs clean

help:
	@echo "make demo      train on the embedded digits, evaluate, draw the curve, export (3 minutes)"
	@echo "make test      the fast tests"
	@echo "make test-all  the slow tests too"
	@echo "make lint      ruff and mypy"
	@echo "make docs      the documentation as a site, in build/site"

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"this program needs Python 3.11 to 3.13. Received: {v[0]}.{v[1]}. Select another one with make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: $(INSTALLED)
	$(BIN)/python train.py --recipe demo --arch resnet20 --name demo --export-dir runs/demo/export --resume never
	$(BIN)/python evaluate.py runs/demo/export/demo --confusion runs/demo/confusion.png
	@echo "The curve is runs/demo/curve.png, the SavedModel is in runs/demo/export/demo"

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not landing and not slow and not tf_serving"

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not tf_serving"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .mypy_cache build

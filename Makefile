# make demo, make test: each works on a fresh machine with Python 3.11 to 3.13.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-all lint clean

help:
	@echo "make demo      train on the embedded digits, evaluate, draw the curve, export (under 5 minutes)"
	@echo "make test      the fast tests"
	@echo "make test-all  the slow ones too"
	@echo "make lint      ruff check and ruff format --check"

$(INSTALLED): requirements.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
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

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache

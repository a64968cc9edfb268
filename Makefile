# Every target does its own set-up: `make compare` works in a fresh clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: compare test test-all soak several install check audit fuzz fix golden bench build build-check clean

compare: install  ## train and judge base, few-shot, full, LoRA and prompt tuning on the embedded model and data
	$(BIN)/tunesmith compare

test: install  ## tests, offline; a process a core, each with one thread
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not long"

test-all: install  ## the same, with those of tests/long.txt
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

several: install  ## methods and objectives on several processes beside one, two machines, SIGTERM; twenty minutes
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.training.matrix

KILLS ?= 100
soak: install  ## kill commands at random moments, give them again, compare with ones nobody killed; KILLS=100 SEED=drawn
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak --kills $(KILLS) $(if $(SEED),--seed $(SEED))

install: .venv/installed

# torch first: the registry's newest build would bring gigabytes of CUDA along.
.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	touch $@

check: install  ## formatting, lint, types, and known faults of packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.audit

audit: install  ## known faults of the packages that are installed; skipped, with a word, without a network
	$(BIN)/python -m tests.audit

fuzz: install  ## recipes, overrides, folders of models at random, 10,000 of each (TUNESMITH_FUZZ=...); rows and wordings, ten minutes
	TUNESMITH_FUZZ=$${TUNESMITH_FUZZ:-10000} HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/bad_input -n auto
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bad_input.fuzzing --seconds 600

fix: install  ## mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: install  ## rewrite the golden curves, on purpose; review them as a diff
	$(BIN)/python -m pytest tests/golden --rewrite-golden

bench: install  ## speed against peers, an hour; writes benchmarks/results/*.json and the table of docs/benchmarks.md
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	for script in benchmarks/*_speed.py benchmarks/*_training.py; do $(BIN)/python $$script; done
	$(BIN)/python benchmarks/table.py --write

build: install  ## wheel and source archive with all assets, into dist
	$(BIN)/python -m pip install --quiet 'setuptools>=77'
	$(BIN)/python tests/build_check.py --only-build

build-check: install  ## the same, then the wheel in an environment of its own: version, tasks, two steps of training
	$(BIN)/python -m pip install --quiet 'setuptools>=77'
	$(BIN)/python tests/build_check.py

clean:
	rm -rf .venv build dist *.egg-info

# Everything here is short for a command that can be typed by hand on any system: see README.md.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help live test check bench evaluate train judge bench-ear clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

# The stamps are renewed when pyproject.toml changes; the code itself is used from the clone.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[dev]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-train: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[train]"
	@touch $@ $(VENV)/installed

live: $(VENV)/installed ## start the show: make live ARGS="--input default"; without ARGS the demo
	$(BIN)/python run_live.py $(or $(ARGS),--demo)

test: $(VENV)/installed-dev ## set up and run the tests; what this machine lacks is listed at the end
	$(BIN)/python -m pytest -q $(ARGS)

check: $(VENV)/installed-dev ## the quick look before a commit: style and the arrows between packages
	$(BIN)/python -m ruff check .
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: $(VENV)/installed-dev ## measure; one JSON line per figure, also appended to docs/bench.jsonl
	$(BIN)/python -m tests.bench $(ARGS)

bench-ear: $(VENV)/installed-dev ## the ear beside other trackers on CORYBANT_DATA/music; ARGS="--peers all" installs those
	$(BIN)/python -m tests.bench.ear $(ARGS)

evaluate: $(VENV)/installed-dev ## score our dances (docs/evaluation.md), or others': MOTION=folder AUDIO=folder FPS=30
	$(BIN)/python -m realtime_models.training.judge.evaluate $(if $(MOTION),--motion $(MOTION)) \
		$(if $(AUDIO),--audio $(AUDIO)) $(if $(FPS),--fps $(FPS)) $(ARGS)

train: $(VENV)/installed-train ## a dancer of your own: make train CONFIG=studio.toml PROCESSES=2 (docs/training.md)
	$(BIN)/python $(if $(PROCESSES),-m torch.distributed.run --standalone --nproc-per-node $(PROCESSES)) \
		-m realtime_models.training.own.train $(CONFIG)

judge: $(VENV)/installed-dev ## serve blind pairs of dances to people; ARGS="--report" prints who wins
	$(BIN)/python -m realtime_models.training.judge.people $(ARGS)

clean: ## remove the virtual environment and build folders
	rm -rf $(VENV) build dist *.egg-info

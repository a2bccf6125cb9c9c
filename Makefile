# Everything starts from here. `make help` lists the targets.
# Each target sets up what it needs: a virtual environment in .venv with the pinned packages of requirements.txt.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
# A process for each core, unless you say how many: make test WORKERS=1
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
# GitHub sets this variable in workflows and in Codespaces
REPOSITORY ?= $(GITHUB_REPOSITORY)
PYTEST := $(RUN) -m pytest -n $(WORKERS) --maxprocesses 8
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=900 --nbval-kernel-startup-timeout=300 notebooks
RUFF := $(RUN) -m ruff check . && $(RUN) -m ruff format --check .
# Tests with mypy beside them: it takes half a minute the first time, on one core
WITH_TYPES = $(RUN) -m mypy & types=$$!; $(1); tests=$$?; wait $$types && exit $$tests
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help lab quick test slow unsolved train pretrain figures notebooks site badges oracles mutation lint clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

lab: $(READY)  ## open the course in JupyterLab, on notebook 00
	$(RUN) -m jupyter lab $(ROOT) --LabApp.default_url=/lab/tree/notebooks/00_everything_is_a_masked_loss.ipynb

quick: $(READY)  ## lint, types and the tests that are not slow: what catches most slips (under a minute on 2 cores)
	$(RUFF)
	$(call WITH_TYPES,$(PYTEST) -q -m "not slow and not browser" tests)

test: $(READY)  ## run everything: unit tests, oracles, and every notebook with nbval (about twenty minutes on 2 cores)
	$(RUFF)
	$(call WITH_TYPES,$(PYTEST) $(NBVAL) tests)

slow: $(READY)  ## the tests that quick leaves out
	$(PYTEST) -m "slow or browser" tests

unsolved: $(READY)  ## every notebook with nbval, as a learner gets it
	$(PYTEST) $(NBVAL)

train: $(READY)  ## train the small model with GRPO, end to end (about 2 minutes on 2 cores)
	$(RUN) -m reference train grpo

pretrain: $(READY)  ## rebuild the base model from nothing into runs/base (about 10 minutes on 2 cores)
	$(RUN) -m reference pretrain --out runs/base

figures: $(READY)  ## redraw the pictures of the README from the recorded runs
	$(RUN) -m reference figures

notebooks: $(READY)  ## execute the notebooks in place, as they are committed (NB=02 or NB=file for one)
	$(RUN) tests/notebooks/execute.py $(NB)

site: $(READY)  ## build the course as a static site in site/, from what is committed (seconds)
	$(RUN) -m website

badges: $(READY)  ## write the address of the repository on GitHub into badges and first cells (REPOSITORY=owner/name)
	$(RUN) -m website.badges $(REPOSITORY)

oracles: $(READY)  ## record other frameworks again, each in an environment of its own, and say what changed (ARGS="skyrl --version 0.4.0")
	cd tests && ../$(RUN) -m oracles.again $(ARGS)

mutation: $(READY)  ## change every objective in small ways and see that the tests notice (ARGS="--files kl.py" for some)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r tests/mutation/requirements.txt
	$(RUN) tests/mutation/run.py $(ARGS)

lint: $(READY)  ## format, lint and check types, as pre-commit does
	$(RUN) -m ruff check --fix . && $(RUN) -m ruff format . && $(RUN) -m mypy

clean:  ## remove the virtual environment and caches (runs/ stays)
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info

$(READY): requirements.txt pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "This course needs Python 3.11 or newer, and none was found. Install one, or say make PYTHON=/path/to/python3"; exit 2; }
	@echo "Setting up $(VENV), once. It takes minutes and, on Linux, a download of a few GB."
	@echo "1 of 2: a virtual environment of $$($(PYTHON) --version)"
	$(PYTHON) -m venv $(VENV)
	@echo "2 of 2: the packages of requirements.txt; after the downloads pip unpacks them, silently for a minute or two"
	$(RUN) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@
	@echo "$(VENV) is ready."

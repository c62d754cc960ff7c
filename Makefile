# Two commands are the whole set-up:
#   make repro [RECORDINGS="folder …"] [TRUTH="folder …"]   makes data, model and report
#   make test                                               runs the tests
#   make ui                                                 opens the review page
# Needed: Python 3.11, pip, gcc and make. Everything goes into .venv.

PYTHON ?= python3
RECORDINGS ?=
TRUTH ?=
# The rival's weights are measured beside ours on hand-labelled speech, where they are found.
RIVAL ?= $(wildcard ../shared/peers/cherry/model.pt)
# `make repro ENGINES=embedded` leaves out the engines that happen to be installed.
ENGINES ?= found

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: repro test ui bench lint coqui clean

repro: .venv/installed
	$(BIN)/visemill inputs --recordings $(RECORDINGS) --truth $(TRUTH) --rival "$(RIVAL)" --engines $(ENGINES)
	$(BIN)/dvc repro

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest $(PYTEST)

ui: .venv/installed-review
	$(BIN)/visemill review

bench: .venv/installed-test
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lint: .venv/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) setuptools wheel
	$(PIP) -e .
	touch $@

.venv/installed-review: .venv/installed
	$(PIP) -e ".[review]"
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) -e ".[test]"
	touch $@

# The speech engine coqui in an environment of its own (5.5 GB, see docs/engines-coqui.md).
coqui: .venv-coqui/installed

.venv-coqui/installed: constraints-coqui.txt
	test -x .venv-coqui/bin/python || $(PYTHON) -m venv .venv-coqui
	.venv-coqui/bin/python -m pip --disable-pip-version-check install --quiet \
	    -c constraints-coqui.txt torch torchaudio "coqui-tts[codec]" six espeakng-loader
	touch $@

# Partitions in progress; DVC's outputs stay.
clean:
	rm -rf .work

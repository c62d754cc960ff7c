# Two commands are the whole set-up:
#   make repro [RECORDINGS="folder …"] [TRUTH="folder …"]   makes data, model and report
#              [RECIPE=recipes/people.yaml]                 with other parameters
#   make test                                               runs the tests
#   make ui                                                 opens the review page
# HASHES=1 before or after any of them: what is installed must have the hashes of
# constraints-hashed.txt (docs/supply.md).
# Needed: Python 3.11, pip, gcc and make. Everything goes into .venv.

PYTHON ?= python3
RECORDINGS ?=
RECIPE ?=
TRUTH ?=
# The rival's weights are measured beside ours on hand-labelled speech, where they are found.
RIVAL ?= $(wildcard ../shared/peers/cherry/model.pt)
# `make repro ENGINES=embedded` leaves out the engines that happen to be installed.
ENGINES ?= found

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# $(call install,EXTRAS): the package, its dependencies and those of the extras, as pinned.
ifdef HASHES
define install
	sed -n '/^pip==/,/[^\\]$$/p' constraints-hashed.txt > .venv/requirements.txt
	$(PIP) --require-hashes -r .venv/requirements.txt
	sed -n 's/^# torch/torch/p' constraints-hashed.txt > .venv/requirements.txt
	test "$$(uname -sm)" != "Linux x86_64" || $(PIP) --require-hashes --no-deps -r .venv/requirements.txt
	$(PIP) --require-hashes -c constraints-hashed.txt setuptools wheel Cython numpy
	$(BIN)/python docs/requirements_of.py $(1) > .venv/requirements.txt
	$(PIP) --require-hashes --no-build-isolation -c constraints-hashed.txt -r .venv/requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
endef
else
define install
	$(PIP) -c constraints.txt setuptools wheel
	$(PIP) -c constraints.txt -e ".$(if $(1),[$(1)])"
endef
endif

# No tool reports home; DVC and Streamlit are told in .dvc/config and .streamlit/config.toml.
export HF_HUB_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0
export ITERATIVE_DO_NOT_TRACK := 1

.PHONY: repro test ui bench lint coqui sbom hashes licences clean

repro: .venv/installed
	$(BIN)/visemill inputs $(if $(RECIPE),--recipe "$(RECIPE)") --recordings $(RECORDINGS) --truth $(TRUTH) --rival "$(RIVAL)" --engines $(ENGINES)
	$(BIN)/dvc repro
	$(BIN)/visemill report

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

# What is in the environment, in CycloneDX's form.
sbom: .venv/installed-test
	$(BIN)/python docs/make_sbom.py

# After a change of constraints.txt, or of what is installed.
hashes:
	test -x .work/uv/bin/uv || ($(PYTHON) -m venv .work/uv && .work/uv/bin/pip install --quiet uv)
	.work/uv/bin/python docs/make_hashes.py

licences: .venv/installed-test
	$(BIN)/python docs/make_licences.py

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(call install)
	touch $@

.venv/installed-review: .venv/installed
	$(call install,review)
	touch $@

.venv/installed-test: .venv/installed
	$(call install,test)
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

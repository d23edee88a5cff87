# `make demo` and `make test` are all you need; both set up `.venv` first.
# PYTHON=...     another interpreter (>= 3.11)
# PIP_ARGS=...   passed to pip, e.g. an index with another build of torch
# CMAKE_ARGS=... how llama.cpp is built, e.g. -DGGML_CUDA=on

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
# GCC 12 compiles the engine's AMX kernels wrongly: on processors that have AMX, quantized models would crash
NO_AMX := $(if $(filter x86_64,$(shell uname -m)),-DCMAKE_C_FLAGS=-mno-amx-int8 -DCMAKE_CXX_FLAGS=-mno-amx-int8)
CMAKE_ARGS ?= $(NO_AMX) -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF
CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)
export CMAKE_ARGS CMAKE_BUILD_PARALLEL_LEVEL

.PHONY: help setup demo recipes test lint typecheck unit browser interop kill mixed benchmarks engine clean

help:                ## this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(STAMP)      ## install everything into .venv, once

$(STAMP): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh tools/check-prerequisites
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt \
		--editable '.[llama,hub,hf,servers,train,articles,dev]'
	@touch $(STAMP)

demo: setup          ## train two small models, sweep 8 arms, report
	$(BIN)/bench demo

recipes: setup       ## the small form of every training recipe, with its evaluation table; about 26 minutes
	$(BIN)/python -m benchmarks.recipes

test: setup lint typecheck unit  ## everything that must be green

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

typecheck: setup
	$(BIN)/mypy

# a test that takes its process down ends the run and is named: pytest-xdist waits for ever after several of them
unit: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart=0

browser:             ## Debian's chromium for the test of the page (as root); without it that test is skipped
	apt-get update -q && apt-get install -y -q chromium

interop:             ## inspect_ai in a venv of its own, for the test that opens an exported log; without it that test is skipped
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install --quiet $(PIP_ARGS) inspect_ai==0.3.285

kill: setup          ## 50 kill -9 at random moments, resumed each time
	$(BIN)/python benchmarks/kill.py --kills 50

benchmarks: setup    ## what the README claims, measured here
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/serving.py

mixed: setup         ## one run over five kinds of arms on all bundled articles, and a server killed in mid-run
	$(BIN)/python -m benchmarks.mixed_run

engine: setup        ## answers per second against every other way, and memory over 10,000 samples; about 30 minutes
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.engine_memory

clean:               ## remove .venv and caches; models, runs and reports stay
	rm -rf .venv .venv-interop .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

# `make serve` and `make test` are all that a reader needs; `make check` is what done means.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
ALLOW_HOST ?=
SITE_URL ?=
BIN := .venv/bin

.PHONY: help serve docs test py314 check servers peers conform faults rooms mutants lab bench format clean

help:
	@echo "make serve   build the documentation and serve it, every example live (HOST=, PORT=, ALLOW_HOST=)"
	@echo "make docs    build the documentation for any host of static files, into build/docs (SITE_URL=https://...)"
	@echo "make test    run everything that proves behaviour, the documents included"
	@echo "make py314   run on CPython 3.14, in Node, what needs no socket and no process (needs npm)"
	@echo "make check   ruff, types, parity of the languages, layout, strict site build"
	@echo "make servers play every transcript on uvicorn, hypercorn, granian and daphne"
	@echo "make peers   run what the pages say of the five other systems, each as released (LATEST=1: the newest, what has changed)"
	@echo "make conform play the suite of the page conform on other systems, and write docs/conform.toml (LATEST=1: the newest releases)"
	@echo "make faults  let clients vanish, handlers be cancelled and servers stop, thousands of times; prints the numbers"
	@echo "make rooms   100,000 messages to 300 members while Redis and processes are killed; prints what was lost (needs redis-server)"
	@echo "make mutants change the library in 300 places, one at a time, and see what notices (MUTANTS='--only guards --count 50')"
	@echo "make lab     in a real Chromium: every example of every page in every language, and all that the lab does"
	@echo "make bench   measure this library beside its peers (QUICK=1: under two minutes; NOTE=: a remark for the result)"
	@echo "make format  let ruff put the code in order"
	@echo "make clean   remove what these commands have made"

serve: .venv/serve
	@$(BIN)/reference-ws serve --host $(HOST) --port $(PORT) $(addprefix --allow-host ,$(ALLOW_HOST))

docs: .venv/serve
	@SITE_URL="$(SITE_URL)" $(BIN)/python -m reference_ws.guide.site build/docs

# Whatever the environment says: else each run rewrites the asserts of all tests, and each process compiles the package.
test servers faults lab: export PYTHONDONTWRITEBYTECODE :=

test: .venv/dev
	# A page is one run from top to bottom: its file stays with one worker.
	$(BIN)/python -m pytest -q -n auto --dist loadfile

py314: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m py314

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_catalogs.py
	PYTHONPATH=tests $(BIN)/python -m checks.parity
	PYTHONPATH=tests $(BIN)/python -m checks.coverage
	PYTHONPATH=tests $(BIN)/python -m checks.peers
	$(BIN)/python -m reference_ws.guide.site

bench: .cache/bench/ready
	@.cache/bench/env/bin/python -m benchmarks $(if $(QUICK),--quick) $(if $(NOTE),--note "$(NOTE)")

servers: .venv/servers
	$(BIN)/python -m pytest tests/servers --tb=short

peers: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m peers $(if $(LATEST),--latest)

conform: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m peers.conform $(if $(LATEST),--latest)

faults: .venv/servers
	# And by other inputs each time: `make test` takes the same ones.
	$(BIN)/python -m pytest --hypothesis-profile=default --full tests/faults tests/servers/test_nothing_is_lost.py \
		tests/test_codec.py tests/test_finding.py tests/test_fuzz.py tests/test_properties.py tests/transcript

rooms: .venv/dev
	@$(BIN)/python tests/faults/rooms_soak.py

mutants: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m mutants $(MUTANTS)

lab: .venv/dev
	$(BIN)/python -m reference_ws.guide.site # once, before two workers want it
	$(BIN)/python -m pytest tests/guide/test_lab_in_browser.py tests/guide/test_predict_in_browser.py docs --full -m needs -q -n 2

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "Python can't make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

# A stamp for each set of packages; they are installed once, and again when the versions change.
.venv/serve: .venv/python pyproject.toml constraints.txt
	@echo "Step 1 of 2: installing what serves the documentation into .venv (once, about a minute)."
	@echo "Step 2 of 2 builds the documentation (once for each version, about half a minute)."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[serve]"
	@touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	@echo "Installing what the tests and checks need into .venv (once, about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt pip # older ones know no groups
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[serve]" --group dev
	@touch $@ .venv/serve

.cache/bench/ready: benchmarks/constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The peers need Python 3.11 or later; name one with: make bench PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing the peers into .cache/bench (once, about a minute) ..."
	@$(PYTHON) -m venv .cache/bench/env
	@.cache/bench/env/bin/python -m pip install -q --disable-pip-version-check -c benchmarks/constraints.txt -e ".[rooms]" \
		fastapi lilya kui lihil litestar uvicorn websockets uvloop httptools click rich \
		channels channels_redis python-socketio broadcaster
	@touch $@

.venv/servers: .venv/dev
	@echo "Installing the servers into .venv (once, about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --group servers
	@touch $@

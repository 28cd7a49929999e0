# Two commands are all a fresh Debian machine needs: `make run` and `make test`. Each does its own set-up.
.DEFAULT_GOAL := help
.PHONY: help run test lint soak demo-call screenshots lock clean

help:
	@echo 'make run        start the server with demo data on http://127.0.0.1:8080'
	@echo 'make test       install what the tests need, check style and types, run every test'
	@echo 'make demo-call  a real call between Chromium and a SIP phone, measured'
	@echo 'make screenshots  pictures of every page, in var/screenshots'
	@echo 'make lint       style, types and imports only'
	@echo 'make soak       long runs and deep fuzzing, by hand'
	@echo 'make lock       resolve the locked requirements again'
	@echo 'make clean      remove everything that was installed or written here'

run:
	@deploy/setup.sh run
	@.venv/bin/python deploy/foreground.py .venv/bin/centralita serve --demo --workers 0 --drain 0

test: lint
	@.venv/bin/python -m pytest -n 2 --dist loadfile tests/unit
	@.venv/bin/python -m pytest -n 3 --dist loadfile tests/loopback
	@.venv/bin/python -m pytest tests/sip
	@.venv/bin/python -m pytest -n 2 --dist loadgroup tests/system

lint:
	@deploy/setup.sh test
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy --no-error-summary
	@said="$$(.venv/bin/lint-imports --no-logo 2>&1)" || { echo "$$said"; exit 1; }
	@echo 'Style, types and imports are in order.'

soak:
	@deploy/setup.sh test
	@.venv/bin/python -m pytest --soak

demo-call:
	@deploy/setup.sh test
	@.venv/bin/centralita demo-call

screenshots:
	@deploy/setup.sh test
	@PYTHONPATH=. .venv/bin/python deploy/screenshots.py

# Hashes for every file of every release, and no address of any package index, so that each machine asks its own.
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock'
lock:
	@deploy/setup.sh run
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCK) pyproject.toml -o requirements/run.txt
	@$(LOCK) pyproject.toml --extra demo --extra pjsua2 --group test -c requirements/run.txt -o requirements/test.txt
	@echo 'setuptools>=77' | $(LOCK) - -o requirements/build.txt

clean:
	@rm -rf .venv build dist *.egg-info var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

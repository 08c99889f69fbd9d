# Set-up, tests and the demo. `make help` lists what there is.
PYTHON ?= python3
PYTEST = .venv/bin/python -m pytest -n $(TESTERS) --dist loadscope --no-loadscope-reorder
TESTERS = 2
UV = $(PYTHON) scripts/get_uv.py
export PROFILE

.DEFAULT_GOAL := help
.PHONY: help install demo test fast docs bench peers lock audit dist release clean

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*##/\1:/p' $(MAKEFILE_LIST) | awk -F: '{printf "  make %-9s%s\n", $$1, $$2}'
	@echo "  PROFILE=py311|py312|py313 picks the lock, ARGS='...' is passed on to x3d demo, pytest and the benches;"
	@echo "  TESTERS=N is how many processes share the tests (2; 0: one, which shows more of a failure)"

install:  ## make .venv from the lock that fits this machine
	@$(PYTHON) scripts/install.py

demo: install  ## make the demo's videos, search, and print what was found
	.venv/bin/x3d demo $(ARGS)

test: install  ## all tests, the end-to-end run too
	$(PYTEST) -m "slow or not slow" $(ARGS)

fast: install  ## the fast tests only
	$(PYTEST) $(ARGS)

docs: install  ## the documentation as a site, into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict --clean

# Pins stay where they still fit; remove a lock to resolve it from scratch.
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
EXTRAS = setup.py --extra tfx --extra demo --extra kubeflow --extra wandb --extra ray --extra notebooks --extra test --overrides locks/overrides.in
lock:  ## resolve locks/ after a change of setup.py
	$(COMPILE) $(EXTRAS) --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o locks/py311.txt
	$(COMPILE) $(EXTRAS) --python-version 3.12 --python-platform x86_64-manylinux_2_39 -o locks/py312.txt
	$(COMPILE) $(EXTRAS) --python-version 3.13 --python-platform x86_64-manylinux_2_39 -o locks/py313.txt
	$(COMPILE) locks/build.in --universal --python-version 3.10 -o locks/build.txt
	$(COMPILE) locks/uv.in --universal --python-version 3.8 -o locks/uv.txt

bench: install  ## timings against peers, those that are there (make peers)
	.venv/bin/python -m benchmarks $(ARGS)

# The newest torchcodec wheels of PyPI want CUDA; 0.13 is the last for CPUs, and needs FFmpeg's libraries on the machine.
peers:  ## PyTorch, PyTorchVideo, decord and torchcodec into .venv-bench, for make bench
	$(UV) venv --quiet --allow-existing .venv-bench
	$(UV) pip install --python .venv-bench/bin/python torch==2.13.0 fvcore==0.1.5.post20221221 iopath==0.1.10 \
		networkx parameterized==0.9.0 numpy decord==0.6.0
	$(UV) pip install --python .venv-bench/bin/python --no-deps pytorchvideo==0.1.5 torchcodec==0.13.0

audit:  ## ask a vulnerability database (on the net) about every package of the locks
	@for lock in py311 py312 py313; do echo "$$lock:"; \
	$(UV) tool run pip-audit --strict --disable-pip --require-hashes -r locks/$$lock.txt || failed=1; done; exit $${failed:-0}

dist: install  ## build sdist and wheel into dist/, and check that an index would take them
	rm -rf dist build *.egg-info
	$(UV) build --quiet --no-create-gitignore --build-constraints locks/build.txt --require-hashes --out-dir dist .
	.venv/bin/twine check --strict dist/*

release: dist  ## the same, and try the core with plain pip on each Python that is here (two minutes each)
	$(PYTHON) scripts/try_wheel.py dist/*.whl 3.10 3.11 3.12 3.13

clean:  ## remove what install made (runs/ stays)
	rm -rf .venv .venv-bench .venv-tools build dist site *.egg-info .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

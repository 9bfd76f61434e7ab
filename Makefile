# The verbs of the project. `make tutorial` and `make test` need nothing before them.
ifeq ($(OS),Windows_NT)
$(error Windows needs WSL 2 (a Linux inside Windows): README.md says how, under "Elsewhere")
endif
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCANNER := .venv-checkov
SPARK4 := .venv-spark4
SITE := .venv-site
RUN := $(BIN)/python -m
# Where Python keeps no bytecode, each worker would compile every test at each run, and each process
# that a test starts whatever was written since `make env`.
PYTEST := env PYTHONDONTWRITEBYTECODE= $(RUN) pytest
# A worker for each core, and one that begins with what waits; conftest.py says which share one.
PARALLEL := -n logical
# JupyterLab asks whoever works as root, as in a container, to say so.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# At its first start it would ask whether it may fetch news, over the notebook.
NO_NEWS := --LabApp.news_url=None

# The reader's language, as b3pipeline/language.py finds it; what help says in Portuguese: `# pt:`.
SPOKEN := $(firstword $(LANG_) $(B3_LANG) $(LANGUAGE) $(LC_ALL) $(LC_MESSAGES) $(LANG))

.PHONY: help
# pt: lista os comandos
help: ## list the verbs
	@awk -F':.*## ' -v pt='$(filter pt%,$(SPOKEN))' '/^# pt: /{here=substr($$0, 7)} \
		/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, pt ? here : $$2; here=""}' $(MAKEFILE_LIST)

.PHONY: tutorial
# pt: roda tudo, notebooks e relatório; SOURCE=yahoo: cotações reais; LANG_=pt-BR: em português
tutorial: env ## run everything, notebooks and report; SOURCE=yahoo: real quotes; LANG_=pt-BR: in Portuguese
	@$(BIN)/b3 tutorial $(if $(SOURCE),--source $(SOURCE)) $(if $(FILES),--path "$(FILES)") $(if $(SEED),--seed $(SEED)) $(if $(LANG_),--lang $(LANG_))

.PHONY: test
# pt: testa o que esta máquina consegue testar; NIGHTLY=1: os testes mais longos também
test: env checkov ## run what this machine can test; NIGHTLY=1: the longest tests, too
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@bash scripts/in_memory.sh bash scripts/beside.sh "$(RUN) mypy" "bash scripts/test_spark4.sh" \
		-- $(PYTEST) $(PARALLEL)

# One process of tests: a second one would import and collect everything anew.
# Its plugins are named: by itself pytest rewrites the asserts of each package that has one.
QUICK := --disable-plugin-autoload -p hypothesispytest -p localaws -p timeout \
	-m "not process and not slow" tests/unit
.PHONY: check
# pt: formato, lint, tipos e os testes rápidos: cerca de um minuto
check: env ## format, lint, types and the quick tests: about a minute
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@bash scripts/beside.sh "$(RUN) mypy" -- $(PYTEST) $(QUICK)

.PHONY: test-unit
# pt: roda os outros testes de unidade, que usam a AWS local ou outro processo
test-unit: env ## run the other unit tests, which need the local AWS or another process
	@$(PYTEST) $(PARALLEL) -m "process and not slow" tests/unit

.PHONY: test-spark4
# pt: roda os testes do refino no Spark 4.1, onde há Python 3.13 e um JDK completo
test-spark4: env ## run the refine's tests on Spark 4.1, where Python 3.13 and a full JDK are found
	@bash scripts/test_spark4.sh

.PHONY: test-browser
# pt: roda os notebooks no JupyterLab e abre o relatório no Chromium
test-browser: env ## run the notebooks in JupyterLab and the report in Chromium
	@$(PYTEST) tests/browser

.PHONY: lab
# pt: abre o JupyterLab em cópias dos notebooks, em work/; LANG_=pt-BR: em português
lab: env ## open JupyterLab on copies of the notebooks, in work/; LANG_=pt-BR: in Portuguese
	@$(if $(LANG_),B3_LANG=$(LANG_)) $(BIN)/b3 class work
	@$(if $(LANG_),B3_LANG=$(LANG_)) $(BIN)/b3 local up
	@$(BIN)/python scripts/open_lab.py $(if $(LANG_),--lang $(LANG_)) $(AS_ROOT) $(NO_NEWS)

.PHONY: up
# pt: inicia a AWS local e cria nela os recursos do pipeline
up: env ## start the local AWS and provision it
	@$(BIN)/b3 local up

.PHONY: down
# pt: para a AWS local; os dados ficam
down: ## stop the local AWS; its data stays
	@if [ -x $(BIN)/b3 ]; then $(BIN)/b3 local down; fi

.PHONY: env
# pt: cria o ambiente em .venv
env: $(READY) ## make the environment in .venv

$(READY): requirements.lock pyproject.toml localaws/pyproject.toml scripts/make_env.sh
	@bash scripts/make_env.sh $(VENV)
	@touch $@

.PHONY: wheelhouse
# pt: traz todos os pacotes para wheelhouse/, para máquinas sem rede
wheelhouse: env ## bring all packages into wheelhouse/, for machines without a network
	@bash scripts/make_wheelhouse.sh $(VENV) wheelhouse

.PHONY: slides
# pt: faz uma apresentação de cada notebook, em build/slides
slides: env ## make a deck of slides of each notebook, in build/slides
	@$(BIN)/python scripts/make_slides.py build/slides

.PHONY: artifacts
# pt: gera o que o Terraform envia, em build/artifacts
artifacts: env ## build what Terraform uploads, into build/artifacts
	@$(BIN)/python scripts/build_artifacts.py

.PHONY: translations
# pt: refaz o que está em português a partir dos catálogos, e os atualiza
translations: env ## make what is in Portuguese anew from its catalogues, and bring these up to date
	@$(BIN)/python scripts/translate_notebooks.py
	@$(BIN)/python scripts/translate_messages.py

.PHONY: checkov
checkov: $(SCANNER)/.ready

# The scanner's pins clash with ours, so it has an environment of its own.
$(SCANNER)/.ready: tests/infra/requirements-checkov.lock | $(READY)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SCANNER)
	@UV_LINK_MODE=copy $(BIN)/uv pip sync --quiet --python $(SCANNER)/bin/python \
		--require-hashes tests/infra/requirements-checkov.lock
	@touch $@

.PHONY: lint
# pt: formata, confere e verifica os tipos
lint: env ## format, lint and type-check
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) mypy

.PHONY: lock
# pt: resolve de novo os arquivos de versões a partir do pyproject.toml; UPGRADE=--upgrade: as mais novas
lock: env ## resolve the lock files anew from pyproject.toml; UPGRADE=--upgrade: to the newest versions
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-emit-package b3-localaws --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.lock --quiet $(UPGRADE)
	@$(BIN)/uv pip compile requirements.lock --no-deps --universal --python-version 3.11 \
		--format pylock.toml --output-file $(VENV)/pylock.toml --quiet
	@$(BIN)/python scripts/list_wheels.py $(VENV)/pylock.toml
	@echo checkov | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--output-file tests/infra/requirements-checkov.lock --quiet $(UPGRADE)
	@printf '%s\n' mkdocs-material mkdocs-jupyter 'mkdocstrings[python]' | \
		$(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--output-file docs/requirements-site.lock --quiet $(UPGRADE)
	@sed -n 's/ \\$$//; /^py\(spark\|4j\)==/d; /^[a-z].*==/p' requirements.lock > $(SPARK4).pins
	@printf '%s\n' pyspark==4.1.1 boto3 hypothesis pandas psutil pyarrow pytest pytest-timeout | \
		$(BIN)/uv pip compile - --constraints $(SPARK4).pins --universal --python-version 3.13 \
		--no-annotate --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--output-file tests/spark/requirements-spark4.lock --quiet $(UPGRADE)
	@rm $(SPARK4).pins
	@$(BIN)/python scripts/make_environment_yml.py

.PHONY: site
# pt: gera o site em build/site: páginas, notebooks executados, API
site: env $(SITE)/.ready ## build the site in build/site: pages, executed notebooks, API
	@for notebook in notebooks/*.ipynb; do \
		[ "build/$$notebook" -nt "$$notebook" ] || { $(BIN)/b3 tutorial --lang en; break; }; \
	done
	@for notebook in notebooks/pt-BR/*.ipynb; do \
		[ "build/$$notebook" -nt "$$notebook" ] || { $(BIN)/b3 tutorial --lang pt-BR; break; }; \
	done
	@$(BIN)/python scripts/stage_site.py
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/python -m mkdocs build --quiet --strict --clean \
		--config-file build/mkdocs.yml
	@$(BIN)/python scripts/check_site.py

# The site's tools are needed by whoever publishes it, and by nobody else. Where there is no npm,
# what draws the diagrams is asked from another host by whoever reads the page.
MERMAID := mermaid-11.4.1.tgz
MERMAID_HASH := 31bd35253ff1e8228359ac628307d962e6260d9eb1b6b37036589d299c244ab0da63d9fdd2d76b25357952693ec0fd5f66c706a6d98a1571ec5cc0c4559f90e8
$(SITE)/.ready: docs/requirements-site.lock | $(READY)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SITE)
	@UV_LINK_MODE=copy $(BIN)/uv pip sync --quiet --python $(SITE)/bin/python \
		--require-hashes docs/requirements-site.lock
	@cd $(SITE) && if command -v npm >/dev/null; then \
		npm pack --silent mermaid@$(patsubst mermaid-%.tgz,%,$(MERMAID)) >/dev/null && \
		echo "$(MERMAID_HASH)  $(MERMAID)" | shasum --algorithm 512 --check --quiet && \
		tar -xzf $(MERMAID) --strip-components 2 package/dist/mermaid.min.js && rm $(MERMAID); \
	fi
	@touch $@

.PHONY: release
# pt: faz uma versão, por exemplo: make release VERSION=0.2.0
release: env ## make a release, as in: make release VERSION=0.2.0
	@$(MAKE) artifacts
	@$(BIN)/python scripts/release.py "$(VERSION)"

.PHONY: clean
# pt: para tudo e remove o que foi feito, também o ambiente
clean: down ## stop everything and remove all that was made, the environment included
	@rm -rf $(VENV) $(SCANNER) $(SPARK4) $(SITE) .uv .localaws build .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info localaws/src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

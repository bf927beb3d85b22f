# joulebench. `make` builds build/joulebench; `make help` lists the rest.
# Everything built lies under build/; nothing is generated into the source tree.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

include mk/config.mk
include mk/archives.mk
include mk/tests.mk
include mk/fuzz.mk
include mk/tools.mk
include mk/install.mk
include mk/peers.mk
include mk/kernel.mk
include mk/trust.mk
include mk/models.mk

.PHONY: FORCE
FORCE:

# Checks of the sources, dependencies, data, and the two commands of the README.

.PHONY: deps bench bench-run check-layers check-headers check-docs fashion-data lint
deps:
	@tools/deps.sh --install $(DEPS)

check-layers:
	@tools/check-layers.sh --self-test
	@tools/check-layers.sh

check-headers:
	@tools/check-headers.sh --self-test '$(CC)' '$(JB_CPPFLAGS) $(CPPFLAGS) $(JB_CFLAGS)'
	@tools/check-headers.sh '$(CC)' '$(JB_CPPFLAGS) $(CPPFLAGS) $(JB_CFLAGS)'

check-docs:
	@tools/check-docs.sh

# Makes inside: what the compiler and pkg-config answer (and so where things are built) changes when they are installed.
PLAN ?= plans/default.json
OUT ?= $(BUILD)/bench
bench:
	@$(MAKE) deps
	@$(MAKE) bench-run

bench-run: build
	@rm -rf '$(OUT)'
	@$(B)/joulebench sweep '$(PLAN)' -o '$(OUT)'
	@test -f '$(OUT)/report.html' || { echo "no report was written below $(OUT)" >&2; exit 1; }

# Training data for those who retrain; a sweep needs none of it.
fashion-data:
	@workloads/fashion/fetch.sh '$(BUILD)/fashion-data'

lint:
	@if command -v cppcheck >/dev/null; then cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
	    -I. -D_GNU_SOURCE $(foreach f,$(FOLDERS),$(call folder_sources,$f)); else echo "lint: skipped: cppcheck is not installed"; fi

## make bench               install what is missing, build, run plans/default.json into build/bench (PLAN=, OUT=)
## make deps [DEPS=all]     install what is missing by apt; models: also the client of `make models`; all: also what `make check` can use
## make check-layers        includes against the order, printing and exit below cli/, x86 outside its home
## make check-headers       each header compiled alone
## make check-docs          docs/exit-codes.md against base/*.def, docs/results.md against the schema
## make fashion-data        fetch the Fashion-MNIST images for retraining into build/fashion-data
## make lint                cppcheck, if it is there

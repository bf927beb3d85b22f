# Fuzzers: tests/fuzz/fuzz_<name>.c defines LLVMFuzzerTestOneInput; seeds lie in tests/fuzz/corpus/<name>/.
# With clang and its runtime: libFuzzer with address and undefined. Without: driver.c replays the corpus and mutates it,
# by seed, under gcc's sanitizers.

# (Asked only when a fuzz target is wanted: it costs a compilation.)
ifneq ($(filter fuzz%,$(MAKECMDGOALS)),)
FUZZ_CC ?= $(firstword $(foreach c,clang-14 clang,$(if $(shell command -v $(c) 2>/dev/null),$(c))))
FUZZ_HAS_LIB := $(if $(FUZZ_CC),$(shell echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }' | \
    $(FUZZ_CC) -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null && echo yes))
endif
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PROGRAMS := $(foreach n,$(FUZZ_NAMES),$(B)/fuzz_$n)
# FUZZ=gguf picks one.
FUZZ ?=
FUZZ_PICKED := $(if $(FUZZ),$(FUZZ),$(FUZZ_NAMES))
FUZZ_SECONDS ?= 600
SMOKE_SECONDS ?= 3

.PHONY: fuzz fuzz-smoke fuzz-programs fuzz-fallback
fuzz-programs: $(FUZZ_PROGRAMS)

$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(if $(IS_CLANG),,$(B)/obj/tests/fuzz/driver.o) $(LINK_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) $(if $(IS_CLANG),-fsanitize=fuzzer) -o $@.$$$$ $(filter %.o,$^) \
	    $(LINK_ARCHIVES) $(LDLIBS_ALL) && mv -f $@.$$$$ $@

ifeq ($(FUZZ_HAS_LIB),yes)
fuzz_make = $(MAKE) SAN=fuzz CC=$(FUZZ_CC) BUILD=$(BUILD)/libfuzzer fuzz-programs
FUZZ_BIN := $(BUILD)/libfuzzer/fuzz
else
fuzz_make = $(MAKE) SAN=asan fuzz-programs
FUZZ_BIN := $(BUILD)/asan
endif

fuzz:
	+@$(fuzz_make)
	@mk/run-fuzz.sh '$(FUZZ_BIN)' '$(FUZZ_SECONDS)' '$(JOBS)' $(FUZZ_PICKED)

fuzz-smoke:
	+@$(fuzz_make)
	@mk/run-fuzz.sh '$(FUZZ_BIN)' '$(SMOKE_SECONDS)' '$(JOBS)' $(FUZZ_PICKED)

# The driver for machines without clang, in use even where clang is: it shares the objects of `make asan`.
fuzz-fallback:
	@$(MAKE) SAN=asan CC=gcc fuzz-programs
	@mk/run-fuzz.sh '$(BUILD)/asan' '$(SMOKE_SECONDS)' '$(JOBS)' $(FUZZ_PICKED)

-include $(foreach n,$(FUZZ_NAMES),$(B)/obj/tests/fuzz/fuzz_$n.d) $(B)/obj/tests/fuzz/driver.d

## make fuzz-smoke          each fuzzer for SMOKE_SECONDS=3 (FUZZ=name: one of them)
## make fuzz                each fuzzer for FUZZ_SECONDS=600

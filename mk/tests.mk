# Tests: tests/<folder>/test_*.c each becomes build/tests/<folder>/test_*; other .c files of that folder are linked
# into each of them. They run from the repository root.

TEST_SOURCES := $(sort $(wildcard tests/*/test_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(TEST_SOURCES))
test_helpers = $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/$1/test_%.c tests/fuzz/%,$(wildcard tests/$1/*.c)))
TEST_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/*/*.c tests/*/tools/*.c))

# Programs that tests start beside the one under test: tests/<folder>/tools/*.c, linked as tests are. fuse_*.c only where libfuse 3 is.
FUSE_LIBS := $(if $(CROSS),,$(shell $(PKG_CONFIG) --libs fuse3 2>/dev/null))
TOOL_SOURCES := $(filter-out $(if $(FUSE_LIBS),,$(wildcard tests/*/tools/fuse_*.c)),$(wildcard tests/*/tools/*.c))
TEST_TOOLS := $(patsubst %.c,$(B)/%,$(TOOL_SOURCES))

# A test that uses threads says so by using pthread or by a line "// jb:threads": those run under ThreadSanitizer.
THREADED_SOURCES := $(if $(TEST_SOURCES),$(shell grep -lE 'pthread|jb:threads' $(TEST_SOURCES) 2>/dev/null))

# The countdown tests fail one allocation after another by the linker's --wrap; the product knows nothing of it.
OOM_WRAP := $(foreach f,malloc calloc realloc free strdup strndup aligned_alloc posix_memalign,-Wl,--wrap=$f)
# Audits are tested on a model that remembers: its kernels and its clock come by the same way (tests/audit/memo.h).
AUDIT_WRAP := $(foreach f,jb_kernels_init jb_clock_monotonic,-Wl,--wrap=$f)
test_ldflags = $(if $(filter tests/oom/%,$1),$(OOM_WRAP))$(if $(filter tests/audit/%,$1),$(AUDIT_WRAP))

# T=base or T=base/test_json picks tests.
T ?=
PICKED_SOURCES := $(if $(T),$(filter tests/$(T)/% tests/$(T).c,$(TEST_SOURCES)),$(TEST_SOURCES))
PICKED_TOOLS := $(if $(T),$(filter $(B)/tests/$(firstword $(subst /, ,$(T)))/%,$(TEST_TOOLS)),$(TEST_TOOLS))

# A test links its folder's archive and what that may use, so that one half-written folder does not stop all the others' tests.
uses_base := base
uses_kernels := kernels base
uses_power := power base
uses_reports := reports base
uses_runtime := runtime kernels base
uses_early_exit := early_exit runtime kernels base
uses_workloads := workloads early_exit runtime kernels base
# Countdown tests are named after their folder: test_oom_<folder>.c.
uses_oom = $(uses_$(patsubst test_oom_%,%,$(notdir $1)))
test_archives = $(patsubst %,$(B)/lib/libjb_%.a,$(or $(if $(filter oom/%,$1),$(call uses_oom,$1),$(uses_$(call folder_of,$1))),$(LINK_FOLDERS)))
folder_of = $(firstword $(subst /, ,$1))

.PHONY: tests test asan tsan tsan-tests check
tests: $(TEST_PROGRAMS) $(TEST_TOOLS)
tsan-tests: $(patsubst %.c,$(B)/%,$(THREADED_SOURCES))

.SECONDEXPANSION:
.SECONDARY: $(TEST_OBJECTS)
$(B)/tests/%: $(B)/obj/tests/%.o $$(call test_helpers,$$(call folder_of,$$*)) $$(call test_archives,$$*)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) $(call test_ldflags,tests/$*) -o $@.$$$$ $(filter %.o,$^) \
	    $(call test_archives,$*) $(CMOCKA_LIBS) $(LDLIBS_ALL) $(if $(findstring /tools/fuse_,$*),$(FUSE_LIBS)) && mv -f $@.$$$$ $@

test: $(patsubst %.c,$(B)/%,$(PICKED_SOURCES)) $(PICKED_TOOLS)
	@mk/run-tests.sh $(patsubst %.c,$(B)/%,$(PICKED_SOURCES))

asan:
	@$(MAKE) SAN=asan test T=$(T)

tsan:
	@$(MAKE) SAN=tsan tsan-tests
	@mk/run-tests.sh $(patsubst %.c,$(BUILD)/tsan/%,$(THREADED_SOURCES))

check:
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL WERROR="$(WERROR)" MAKE=$(MAKE) BUILD=$(BUILD) JOBS=$(JOBS) mk/check.sh

-include $(TEST_OBJECTS:.o=.d)

## make test [T=base]       all tests, or those of one folder (T=base/test_json: one program)
## make asan, make tsan     the tests under address + undefined, the threaded tests under thread sanitizer
## make check               everything that CI runs

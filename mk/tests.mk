# Tests: tests/<folder>/test_*.c each becomes build/tests/<folder>/test_*; other .c files of that folder are linked
# into each of them. They run from the repository root.

TEST_SOURCES := $(sort $(wildcard tests/*/test_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(TEST_SOURCES))
test_helpers = $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/$1/test_%.c tests/fuzz/%,$(wildcard tests/$1/*.c)))
TEST_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/*/*.c))

# A test that uses threads says so by using pthread or by a line "// jb:threads": those run under ThreadSanitizer.
THREADED_SOURCES := $(if $(TEST_SOURCES),$(shell grep -lE 'pthread|jb:threads' $(TEST_SOURCES) 2>/dev/null))

# The countdown tests fail one allocation after another by the linker's --wrap; the product knows nothing of it.
OOM_WRAP := $(foreach f,malloc calloc realloc free strdup strndup aligned_alloc posix_memalign,-Wl,--wrap=$f)
test_ldflags = $(if $(filter tests/oom/%,$1),$(OOM_WRAP))

# T=base or T=base/test_json picks tests.
T ?=
PICKED_SOURCES := $(if $(T),$(filter tests/$(T)/% tests/$(T).c,$(TEST_SOURCES)),$(TEST_SOURCES))

.PHONY: tests test asan tsan tsan-tests check
tests: $(TEST_PROGRAMS)
tsan-tests: $(patsubst %.c,$(B)/%,$(THREADED_SOURCES))

.SECONDEXPANSION:
.SECONDARY: $(TEST_OBJECTS)
$(B)/tests/%: $(B)/obj/tests/%.o $$(call test_helpers,$$(patsubst %/,%,$$(dir $$*))) $(LINK_ARCHIVES)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) $(call test_ldflags,tests/$*) -o $@.$$$$ $(filter %.o,$^) \
	    $(LINK_ARCHIVES) $(CMOCKA_LIBS) $(LDLIBS_ALL) && mv -f $@.$$$$ $@

test: $(patsubst %.c,$(B)/%,$(PICKED_SOURCES))
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

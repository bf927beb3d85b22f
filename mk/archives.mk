# One archive a folder, one binary. A folder may be empty or missing.

FOLDERS := base kernels power runtime early_exit workloads reports harness cli
# Link order: each archive stands before what it uses.
LINK_FOLDERS := cli harness workloads early_exit reports power runtime kernels base

# Nothing of x86 is compiled for another target.
x86_sources := $(wildcard kernels/x86/*.c)
SKIPPED_SOURCES := $(if $(filter x86_64,$(TARGET_ARCH_NAME)),,$(x86_sources))
folder_sources = $(sort $(filter-out $(SKIPPED_SOURCES),$(wildcard $1/*.c $1/*/*.c)))
folder_objects = $(patsubst %.c,$(B)/obj/%.o,$(call folder_sources,$1))

ARCHIVES := $(foreach f,$(FOLDERS),$(B)/lib/libjb_$f.a)
LINK_ARCHIVES := $(foreach f,$(LINK_FOLDERS),$(B)/lib/libjb_$f.a)
ALL_OBJECTS := $(foreach f,$(FOLDERS),$(call folder_objects,$f))

.PHONY: build objects need-libs clean help
build: $(B)/joulebench
objects: $(ARCHIVES)

# A stamp changes only when its text does: objects depend on the flags, archives on their list of objects.
# Outputs are written beside and renamed, so that two makes in one tree never see half a file.
define stamp
	@mkdir -p $(@D)
	@printf '%s\n' $1 | cmp -s - $@ || { printf '%s\n' $1 > $@.$$$$ && mv -f $@.$$$$ $@; }
endef

$(B)/flags.stamp: FORCE
	$(call stamp,'$(CC) $(JB_CPPFLAGS) $(CPPFLAGS) $(JB_CFLAGS) $(CFLAGS) $(ISA_VNNI)')

$(B)/version.stamp: FORCE
	$(call stamp,'$(VERSION) $(GIT_REVISION) $(PREFIX)')

# The fuzzers go for what parses. clang takes minutes to instrument one unrolled kernel; `make asan` runs those instrumented by gcc.
object_cflags = $(if $(and $(filter fuzz,$(SAN)),$(filter kernels/x86/%,$1)),$(filter-out -fsanitize=%,$(JB_CFLAGS)),$(JB_CFLAGS))

need-libs:
	@tools/deps.sh --check-libs $(LIB_MODULES)

$(B)/obj/%.o: %.c $(B)/flags.stamp | need-libs
	$(call say,CC,$(if $(VARIANT),[$(VARIANT)] )$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CPPFLAGS) $(CPPFLAGS) $(call object_cflags,$<) $(call isa_flags,$<) $(CFLAGS) \
	    $(if $(filter $(VERSION_FILE),$<),$(VERSION_DEFINES)) \
	    -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@.$$$$ && mv -f $@.$$$$ $@

$(B)/obj/$(VERSION_FILE:.c=.o): $(B)/version.stamp

define archive_rule
$(B)/lib/libjb_$1.list: FORCE
	$$(call stamp,'$$(call folder_objects,$1)')
$(B)/lib/libjb_$1.a: $(B)/lib/libjb_$1.list $$(call folder_objects,$1)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@.$$$$$$$$ && $$(AR) rcs $$@.$$$$$$$$ $$(filter %.o,$$^) && mv -f $$@.$$$$$$$$ $$@
endef
$(foreach f,$(FOLDERS),$(eval $(call archive_rule,$f)))

# cli/main.c lies in libjb_cli.a: the C start-up code asks for main and so pulls it in.
$(B)/joulebench: $(LINK_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@.$$$$ $(LINK_ARCHIVES) $(LDLIBS_ALL) && mv -f $@.$$$$ $@

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^## //p' Makefile mk/*.mk

-include $(ALL_OBJECTS:.o=.d)

## make                     build build/joulebench
## make objects CC=...      compile every archive, no link (any target)
## make clean               remove build/

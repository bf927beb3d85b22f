# A Debian kernel under emulation, with modules of our own that feed its powercap class, its RAPL driver and a perf PMU; joulebench runs inside.
# Needs qemu-system-x86, busybox, cpio, and apt for the kernel; what cannot be had is a visible skip.

KERNEL_DIR := $(B)/kernel
KERNEL_PROGRAMS := $(KERNEL_DIR)/agree $(KERNEL_DIR)/judge

.PHONY: check-kernel
check-kernel: $(B)/joulebench $(KERNEL_PROGRAMS)
	@rm -rf $(KERNEL_DIR)/dest
	@$(MAKE) install PREFIX=/usr DESTDIR=$(KERNEL_DIR)/dest >/dev/null
	@tests/kernel/boot.sh $(KERNEL_DIR) $(KERNEL_DIR)/dest/usr $(KERNEL_PROGRAMS)

$(KERNEL_PROGRAMS): $(KERNEL_DIR)/%: $(B)/obj/tests/kernel/%.o $(B)/lib/libjb_power.a $(B)/lib/libjb_base.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@.$$$$ $^ $(LDLIBS_ALL) && mv -f $@.$$$$ $@

## make check-kernel        joulebench inside an emulated kernel with RAPL (fetches a Debian kernel by apt)

# Proof of what compare and gate promise (docs/trust.md): simulations through the product's own code, and live gates on this machine.

TRUST_DIR := $(B)/trust
TRUST_PROGRAM := $(B)/tests/trust/trust
TRUST ?=

.PHONY: trust trust-short trust-program
trust-program: $(TRUST_PROGRAM)

$(TRUST_PROGRAM): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/trust/*.c)) $(LINK_ARCHIVES)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@.$$$$ $^ $(LDLIBS_ALL) && mv -f $@.$$$$ $@

trust: $(B)/joulebench $(TRUST_PROGRAM)
	@tests/trust/trust.sh full $(TRUST_DIR) $(B)/joulebench $(TRUST_PROGRAM) $(TRUST)

trust-short: $(B)/joulebench $(TRUST_PROGRAM)
	@tests/trust/trust.sh short $(TRUST_DIR) $(B)/joulebench $(TRUST_PROGRAM) $(TRUST)

## make trust [TRUST=...]   the proof of docs/trust.md, up to two hours, resumed where it was cut off; TRUST="coverage permuted live-aa": only these parts
## make trust-short         a small form of it, less than a minute

# Peers: programs that run the same work through other libraries, for side-by-side measurements. Never part of joulebench or of `make check`.

DNNL_LIBS ?= -ldnnl

.PHONY: peers
peers: $(B)/peers/dnnl_net $(B)/peers/dnnl_layers

$(B)/peers/%: $(B)/obj/tests/peers/%.o $(foreach f,runtime kernels base,$(B)/lib/libjb_$f.a)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JB_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DNNL_LIBS) $(LDLIBS_ALL)

## make peers               side-by-side programs in build/peers (needs libdnnl-dev)

# make install PREFIX= DESTDIR=: the binary, its man page, and what plans name: share/joulebench/{plans,schema,<workload>}.
# The program finds share/joulebench beside its own bin directory, so an installation may be moved.

SHARE := $(DESTDIR)$(PREFIX)/share/joulebench
INSTALL ?= install
# In the source tree a workload's files lie in workloads/<name>/{data,models}; installed, both lie in share/joulebench/<name>.
INSTALLED_WORKLOADS := $(sort $(foreach k,data models,$(patsubst workloads/%/$k,%,$(wildcard workloads/*/$k))))
workload_files = $(filter-out %.py %.sh %.log,$(wildcard workloads/$1/data/* workloads/$1/models/*))

.PHONY: install install-share uninstall
install: $(B)/joulebench install-share
	$(INSTALL) -D -m 755 $(B)/joulebench $(DESTDIR)$(PREFIX)/bin/joulebench
	@mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1
	@$(B)/joulebench help --format man > $(B)/joulebench.1 2>/dev/null && \
	    $(INSTALL) -m 644 $(B)/joulebench.1 $(DESTDIR)$(PREFIX)/share/man/man1/joulebench.1 || echo "install: this build writes no man page"

define install_files
	@mkdir -p $1
	$(if $2,@$(INSTALL) -m 644 $2 $1)
endef

define install_workload
install-share: install-share-$1
.PHONY: install-share-$1
install-share-$1:
	$$(call install_files,$$(SHARE)/$1,$$(call workload_files,$1))
endef
$(foreach w,$(INSTALLED_WORKLOADS),$(eval $(call install_workload,$w)))

.PHONY: install-share-plans install-share-schema install-share-doc
install-share: install-share-plans install-share-schema install-share-doc
install-share-plans:
	$(call install_files,$(SHARE)/plans,$(wildcard plans/*.json))
install-share-schema:
	$(call install_files,$(SHARE)/schema,$(wildcard docs/schema/*.json))
install-share-doc:
	$(call install_files,$(DESTDIR)$(PREFIX)/share/doc/joulebench,LICENSE $(wildcard README.md CHANGELOG.md))

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/joulebench $(DESTDIR)$(PREFIX)/share/man/man1/joulebench.1
	rm -rf $(SHARE) $(DESTDIR)$(PREFIX)/share/doc/joulebench

## make install             PREFIX=/usr/local DESTDIR=

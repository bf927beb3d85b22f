.PHONY: deps check-layers check-headers bench fashion-data
deps:
	@tools/deps.sh --install $(DEPS)

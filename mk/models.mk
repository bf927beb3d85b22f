# Models too large to be committed. A test that wants one takes it from the cache, and skips visibly where it is not.

.PHONY: models
models:
	@workloads/llm/models.sh $(if $(DATA),--data)

## make models [DATA=1]     fetch what workloads/llm/models.tsv names into the cache (98 MB); DATA=1: the texts of workloads/llm/data as well

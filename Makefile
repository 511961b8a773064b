# Two commands: `make demo` and `make test`. Everything they need is installed by them.

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
RUN := node --conditions=@anneal/source

.PHONY: demo test install redis build docs bench bench-agent bench-batching bench-load bench-database soak matrix test-policies test-hold test-try test-cache test-crash test-postgres-versions test-node-versions bench-toggling test-toggle clean help

help:
	@echo 'make demo         the whole loop on the laboratory backend, eight to nine minutes'
	@echo 'make test         every test, lint and type check'
	@echo 'make matrix       switches every labelled defect of the laboratory off and on'
	@echo 'make test-policies  the weaknesses of the laboratory that a policy answers, proven by switching it'
	@echo 'make test-try     the trials of own changes, of limits and of patches, all of them'
	@echo 'make test-hold    kept answers in force beside a backend, and a holder that hangs'
	@echo 'make test-cache   kept answers under hostile traffic, 16,000 reads each, with the figures'
	@echo 'make test-crash   every outward call of a trial and of a recovery, failed in every way'
	@echo 'make test-postgres-versions  PostgreSQL 12 to 18, each fetched and really run, twenty minutes'
	@echo 'make test-node-versions  the built agent and command line under Node 20, 22 and 24'
	@echo 'make bench-agent  what the agent costs per request, beside OpenTelemetry'
	@echo 'make soak         ten minutes at saturation: does the agent hold on to memory'
	@echo 'make bench-toggling  how soon policies go off, and what toggling can prove'
	@echo 'make test-toggle  a whole trial by toggling, two minutes under load'
	@echo 'make bench-batching  what batching saves per request, toggled in one process'
	@echo 'make bench-load   what the load engine costs, beside autocannon and wrk'
	@echo 'make bench-database  planner, index sizes, advisor and predicted times against their targets'
	@echo 'make docs         writes docs/reference again'

demo: install redis
	$(RUN) packages/anneal/src/cli/main.ts demo

test: install redis
	npm run --silent format:check
	npm run --silent lint
	npm run --silent typecheck
	npm run --silent unused
	npm run --silent build
	npx --no publint packages/agent --strict
	npx --no publint packages/anneal --strict
	npm run --silent test
	npm run --silent test:end-to-end

matrix: install
	npx --no vitest run --project lab test/lab/matrix.test.ts --disable-console-intercept

test-policies: install
	npx --no vitest run --project lab test/lab/policies.test.ts --disable-console-intercept

test-try: install
	ANNEAL_THOROUGH=1 npx --no vitest run --project end-to-end test/end-to-end/try-change.test.ts test/end-to-end/try-policy.test.ts test/end-to-end/optimize-patches.test.ts

test-hold: install
	ANNEAL_THOROUGH=1 npx --no vitest run --project unit --disable-console-intercept packages/anneal/src/hold.test.ts

test-cache: install redis
	ANNEAL_THOROUGH=1 npx --no vitest run --project unit --disable-console-intercept --testTimeout 300000 packages/agent/src/policies/cache packages/anneal/src/domains/cache/outside-writers.test.ts

test-crash: install
	ANNEAL_THOROUGH=1 npx --no vitest run --project unit test/crash

# ANNEAL_POSTGRES_VERSIONS=12,16 runs those alone.
test-postgres-versions: install
	ANNEAL_THOROUGH=1 npx --no vitest run --project versions test/versions/postgres.test.ts --disable-console-intercept

test-node-versions: build
	ANNEAL_THOROUGH=1 npx --no vitest run --project versions test/versions/node.test.ts --disable-console-intercept

test-toggle: install
	ANNEAL_THOROUGH=1 npx --no vitest run packages/anneal/src/trial/toggle-trial.test.ts --disable-console-intercept

bench-toggling: install
	$(RUN) bench/toggling.ts

bench: bench-agent bench-batching bench-load bench-database

bench-agent: install
	$(RUN) bench/agent-overhead.ts

soak: install
	$(RUN) bench/agent-soak.ts

bench-batching: install
	$(RUN) bench/batching.ts

bench-load: install
	$(RUN) bench/load.ts

bench-database: install
	$(RUN) bench/database/agreement.ts
	$(RUN) bench/database/index-size.ts
	$(RUN) bench/database/advisor.ts
	$(RUN) bench/database/time-prediction.ts

docs: install
	$(RUN) scripts/generate-docs.ts

build: install
	npm run --silent build

install: node_modules/.installed

# Node 24 itself is one of the packages, so an older system Node is enough to get here. `npm install` and not
# `npm ci`: a registry that lacks a tool's binary for some other platform leaves it out of the lock, which `ci` refuses.
node_modules/.installed: package.json package-lock.json $(wildcard packages/*/package.json lab/*/package.json)
	npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

redis:
	@sh scripts/ensure-redis.sh

clean:
	rm -rf node_modules packages/*/dist packages/*/*.tsbuildinfo coverage .anneal

# The door to everything: `make help` lists what is here.
# Needs Go, git and make; what else a target needs it sets up itself, and says so.

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
N           ?= 3
SUITE       ?= bookworm
SETUP       := ./internal/lab/setup.sh

.PHONY: help build demo demo-clean test test-versions faults check lab lab-down bench golden worlds clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

build: ## bin/repltool
	@command -v $(GO) >/dev/null || { echo "make: $(GO) is not in PATH; a Go installation is often in /usr/local/go/bin"; exit 1; }
	@[ -e bin/repltool ] || echo "Building bin/repltool; the first time takes a minute or more."
	$(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/repltool ./cmd/repltool

demo: ## a primary and two standbys on this machine, a drift, and its fix
	@$(SETUP) demo
	@$(MAKE) -s build
	@./examples/quickstart/demo.sh

demo-clean: ## stop the demo's servers and remove its files
	@./examples/quickstart/demo.sh clean

# -count=1: the cache does not see what a test builds.
test: ## every test; needs root for the lab's hosts
	@$(SETUP) test
	$(GO) test -count=1 -timeout 80m -parallel 4 ./...

test-versions: ## the loop, logical replication and failover on PostgreSQL 13, 15, 17 and 18
	@$(SETUP) test
	REPLTOOL_TEST_SUITES=all $(GO) test -timeout 60m -run 'TestVersions|TestLogicalVersions|TestLogicalOptions|TestFailover$$|TestSwitchoverLogical$$' -v ./internal/e2e

faults: ## kills, cut connections, crashes, full disks at every step; hours
	@$(SETUP) test
	REPLTOOL_TEST_FAULTS=all $(GO) test -timeout 8h -run 'TestFaults|TestSwitchoverKilled|TestSwitchoverLogicalKilled|TestFailoverKilled' -v ./internal/e2e

check: ## vet, staticcheck, gofumpt, import directions
	$(GO) vet ./...
	$(GO) vet -tags record ./internal/e2e
	$(GO) run $(STATICCHECK) ./...
	@files=$$($(GO) run $(GOFUMPT) -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofumpt: $$files"; exit 1; fi
	$(GO) test ./internal/imports

lab: ## N=3 hosts with sshd and PostgreSQL; prints the ssh config to use
	@$(SETUP) test
	@$(GO) run ./internal/lab/cmd/lab up -n $(N) -suite $(SUITE)

lab-down: ## take every lab down
	@$(GO) run ./internal/lab/cmd/lab down all

bench: ## speed and memory, as ratios to bare commands in the same run
	@$(SETUP) test
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./internal/bench

golden: ## write the golden files again
	$(GO) test ./topology ./plan/build ./internal/view ./cmd/repltool ./internal/messages -update

worlds: ## record the facts that plan/build tests on from servers again
	@$(SETUP) test
	$(GO) test -count=1 -timeout 60m -parallel 2 -tags record -run TestRecordWorlds -v ./internal/e2e
	$(GO) test ./plan/build -run TestRecordedWorlds -update

clean: ## remove what build made
	rm -rf bin

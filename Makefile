# kubectl tapio. "make help" lists the targets; every target sets up what it
# needs on a fresh Debian machine.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MODULE      := github.com/yairfalse/tapio
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS     := -s -w -X $(MODULE)/probe/wire.build=$(VERSION)
GO          := CGO_ENABLED=0 go
PLUGIN      := bin/kubectl-tapio
LABCTL      := bin/labctl
DUMP        := $(if $(CI),bin/ci-logs,/tmp/tapio-test-logs)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

.PHONY: setup
setup: ## install what the other targets need (Debian packages; as root)
	@hack/setup.sh

.PHONY: generate
generate: ## regenerate BPF objects, loaders, catalogs and documents
	@hack/setup.sh generate
	go generate ./...

.PHONY: build
build: ## build bin/kubectl-tapio with the probes it carries
	$(GO) run ./probe/launch/payload/pack -version $(VERSION)
	$(GO) build -trimpath -ldflags "$(LDFLAGS)" -o $(PLUGIN) ./cmd/kubectl-tapio
	@ls -l $(PLUGIN) | awk '{printf "%s  %.1f MB  %s\n", $$NF, $$5/1e6, "$(VERSION)"}'

.PHONY: check
check: ## the fast loop: formatting, vet for three systems, unit tests; no root
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	GOOS=darwin go vet ./cmd/kubectl-tapio/... ./correlate/... ./tui/... ./probe/launch/... ./probe/session/...
	GOOS=windows go vet ./cmd/kubectl-tapio/... ./correlate/... ./tui/... ./probe/launch/... ./probe/session/...
	go test ./...

.PHONY: portable
portable: ## build and vet everything for macOS and Windows
	GOOS=darwin go build ./... && GOOS=darwin go vet ./...
	GOOS=windows go build ./... && GOOS=windows go vet ./...

.PHONY: lint
lint: ## golangci-lint with the import law
	@mkdir -p bin
	@test -x bin/golangci-lint || (cd tools/lint && $(GO) build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
	bin/golangci-lint run ./...

.PHONY: labctl
labctl:
	@hack/setup.sh lab
	@mkdir -p bin
	cd test/lab && $(GO) build -o ../../$(LABCTL) ./cmd/labctl

.PHONY: lab-up
lab-up: labctl ## start the lab: a real Kubernetes with two nodes on this machine
	$(LABCTL) up --nodes 2

.PHONY: lab-down
lab-down: labctl ## stop the lab and remove every trace of it
	$(LABCTL) down

.PHONY: test
test: ## everything: check, generated code, lint, and the live tests on the lab
	@hack/test.sh

.PHONY: test-full
test-full: ## test with all scenarios and repetitions
	@FULL=1 hack/test.sh

.PHONY: demo
demo: ## watch tapio explain a real OOM kill (CLUSTER=mine uses your KUBECONFIG)
	@hack/demo.sh $(CLUSTER)

.PHONY: image
image: ## the probe as a container image, without Docker, in dist/image
	$(GO) run ./probe/launch/payload/pack -version $(VERSION) -keep bin/probe
	cd tools/image && $(GO) run . -probes ../../bin/probe -out ../../dist/image

.PHONY: dist
dist: ## archives for six platforms, checksums and the krew manifest, in dist (VERSION=v1.2.3)
	$(GO) run ./krew/release -version $(VERSION) -out dist

.PHONY: test-krew
test-krew: ## install, upgrade and remove the plugin with the real krew client; needs kubectl
	go test -tags live -count=1 -timeout 40m -v ./krew

.PHONY: test-kernels
test-kernels: ## the node's live tests on other kernels, under emulation: Debian's 6.1 and 6.12, amd64 and arm64
	@hack/setup.sh kernels
	go test -tags live -count=1 -timeout 40m -v ./test/kernels

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist probe/launch/payload/*.fl probe/launch/payload/probe-*.json

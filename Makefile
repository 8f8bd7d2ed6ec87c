# lodge: build, test, measure. `make` alone lists the targets.
GO       ?= go
BIN      := bin/lodge
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-kernels test-kernels-part lint generate bench-home bench-look bench-names bench-floods install

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/lodge, bin/lodged and bin/lodge-helper
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/ ./cmd/...

demo: build ## bring up examples/shop twice, side by side on the same ports
	sh examples/demo.sh $(BIN)

test: ## run all tests; as root it first installs what they need from Debian's packages
	sh test/run

test-kernels: ## run what depends on the kernel under Debian's 6.1 and 6.12, in QEMU, and lodge setup under systemd (needs root)
	sh test/install
	$(GO) run ./test/kernels

test-kernels-part: ## the part of it that every change must pass
	sh test/install
	$(GO) run ./test/kernels -part -series 6.1

lint: ## gofmt, go vet, staticcheck with the checks named in staticcheck.conf
	@test -z "$$(gofmt -l cmd internal test bench examples tools)" || { gofmt -l cmd internal test bench examples tools; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

generate: ## rebuild the eBPF objects from their C (needs clang, llvm, libbpf-dev)
	$(GO) generate ./internal/bpf

bench-home: build ## measure homes and start-up beside plain loopback and the peers
	$(GO) run ./bench/home

bench-look: build ## measure lodge ports, explain and top beside ss, netstat and lsof (needs root)
	$(GO) run ./bench/look

bench-names: build ## measure names beside nginx, haproxy, caddy, portless and ReverseProxy (needs root)
	$(GO) run ./bench/names

bench-floods: build ## measure what floods of HTTP/2 frames cost another client of the proxy
	$(GO) run ./bench/floods

install: build ## copy the programs to /usr/local/bin
	install -m 0755 -t /usr/local/bin bin/lodge bin/lodged bin/lodge-helper

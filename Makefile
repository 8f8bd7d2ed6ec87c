# lodge: build, test, measure. `make` alone lists the targets.
GO       ?= go
OUT      ?= bin
BIN      := $(OUT)/lodge
DIST     ?= dist
PREFIX   ?= /usr/local
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-captures test-kernels test-kernels-part lint generate bench-home bench-look bench-names bench-floods bench-start bench-tap install uninstall package

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/lodge, bin/lodged, bin/lodge-keeper and bin/lodge-helper
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags "$(LDFLAGS) -X main.version=$(VERSION)" -o $(OUT)/ ./cmd/...

demo: build ## bring up examples/shop twice, side by side on the same ports
	sh examples/demo.sh $(BIN)

test: ## run all tests; as root it first installs what they need from Debian's packages
	sh test/run

test-captures: ## read the captures below CAPTURES and compare them with tshark's reading: make test-captures CAPTURES=DIR
	LODGE_CAPTURES="$(abspath $(CAPTURES))" $(GO) test -count=1 -v -timeout 30m ./test/captures

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

bench-start: build ## measure the start of commands beside ss and a small Go program (needs root)
	$(GO) run ./bench/start

bench-tap: build ## measure lodge tap beside tcpdump, dumpcap, tshark and ptcpdump (needs root)
	$(GO) run ./bench/tap

# What tools/share makes is made on this machine, also for another GOARCH.
install: build ## install programs, completions and man pages below PREFIX (/usr/local); DESTDIR is put in front
	rm -rf $(OUT)/share
	GOARCH= $(GO) run ./tools/share -o $(OUT)/share -version "$(VERSION)"
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 0755 $(OUT)/lodge $(OUT)/lodged $(OUT)/lodge-keeper $(OUT)/lodge-helper "$(DESTDIR)$(PREFIX)/bin"
	cd $(OUT)/share && find . -type f | while read -r f; do install -D -m 0644 "$$f" "$(DESTDIR)$(PREFIX)/share/$$f" || exit 1; done

uninstall: ## remove what install wrote; what `lodge setup` installed is removed by: lodge setup --uninstall
	rm -f $(addprefix "$(DESTDIR)$(PREFIX)/bin"/,lodge lodged lodge-keeper lodge-helper)
	rm -f "$(DESTDIR)$(PREFIX)/share/man/man1/lodge.1" "$(DESTDIR)$(PREFIX)"/share/man/man1/lodge-*.1 "$(DESTDIR)$(PREFIX)/share/man/man5/lodge.toml.5"
	rm -f "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lodge" "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_lodge" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/lodge.fish"

package: ## write lodge's .deb, .rpm and .tar.gz to dist/, for GOARCH
	sh tools/package/run "$(VERSION)" "$(DIST)"

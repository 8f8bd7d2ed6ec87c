package main

import (
	"path"
	"regexp"
	"strings"
	"time"
)

// suite is one test program of a package and what of it runs.
type suite struct {
	name string
	pkg  string // below the module
	// run and skip are patterns of test names; skip is for what does not
	// depend on the kernel.
	run, skip string
	// part is the pattern of the part that every change must pass: "" leaves
	// the suite out. Each home and each program started costs an emulated
	// processor a second or more, so it has few of them.
	part string
	// limit is the bound of the whole suite: far more than it needs.
	limit time.Duration
}

func suites() []suite {
	return []suite{
		{name: "bpf", pkg: "internal/bpf", skip: "^(TestGeneratedIsFresh|TestGenerateDirective)$", part: "^(TestProbe|TestAttach|TestLevel|TestLiveDescriptors|TestTapPacketSocket)$", limit: 15 * time.Minute},
		{name: "ebpfhome", pkg: "internal/home/ebpfhome", part: "^(TestBindGoesToTheHome|TestMachinesLocalhost|TestListenWithoutBind|TestNothingIsLeft)$", limit: 15 * time.Minute},
		{name: "seccomphome", pkg: "internal/home/seccomphome", part: "^(TestProbe|TestTable)$/./^(bind_0|listen_without|UDP_connect|nobody_inside)", limit: 25 * time.Minute},
		{name: "unotify", pkg: "internal/home/seccomphome/unotify", part: "^TestFilter$", limit: 5 * time.Minute},
		{name: "hostsview", pkg: "internal/home/hostsview", limit: 5 * time.Minute},
		{name: "helper", pkg: "internal/helper", limit: 10 * time.Minute},
		{name: "helper-homes", pkg: "internal/helper/homes", limit: 10 * time.Minute},
		{name: "sockets", pkg: "internal/sockets", limit: 20 * time.Minute},
		{name: "sockets-diag", pkg: "internal/sockets/diag", limit: 10 * time.Minute},
		{name: "sockets-holders", pkg: "internal/sockets/holders", limit: 10 * time.Minute},
		{name: "sockets-netif", pkg: "internal/sockets/netif", limit: 5 * time.Minute},
		{name: "pidfd", pkg: "internal/pidfd", limit: 5 * time.Minute},
		{name: "procfs", pkg: "internal/procfs", limit: 5 * time.Minute},
		{name: "firewall", pkg: "internal/explain/firewall", limit: 10 * time.Minute},
		{name: "daemon-live", pkg: "internal/daemon/live", limit: 10 * time.Minute},
		{name: "shop", pkg: "test/machine", run: "^TestShop$", part: "^TestShop$", limit: 10 * time.Minute},
		// The last ones, since they change the machine.
		{name: "tap", pkg: "test/machine", run: "^TestTap$", limit: 15 * time.Minute},
		{name: "taptls", pkg: "test/machine", run: "^TestTapTLS$", limit: 15 * time.Minute},
		{name: "setup", pkg: "test/machine", run: "^TestSetup$", limit: 25 * time.Minute},
		{name: "nodiag", pkg: "test/machine", run: "^TestWithoutSockDiag$", part: "^TestWithoutSockDiag$/^seccomp$", limit: 10 * time.Minute},
	}
}

// choose returns the suites to run.
func choose(all []suite, part bool, only *regexp.Regexp) []suite {
	var out []suite
	for _, s := range all {
		if part {
			if s.part == "" {
				continue
			}
			s.run = s.part
		}
		if only.MatchString(s.name) {
			out = append(out, s)
		}
	}
	return out
}

// binary is the name of the suite's test program: suites of one package share it.
func (s suite) binary() string { return strings.ReplaceAll(path.Clean(s.pkg), "/", "-") + ".test" }

// args are those of the test program.
func (s suite) args() []string {
	args := []string{"-test.v=test2json", "-test.timeout=" + s.limit.String()}
	if s.run != "" {
		args = append(args, "-test.run="+s.run)
	}
	if s.skip != "" {
		args = append(args, "-test.skip="+s.skip)
	}
	return args
}

// limitOf bounds a machine's life: its boot and all that it runs.
func limitOf(todo []suite) time.Duration {
	limit := 5 * time.Minute
	for _, s := range todo {
		limit += s.limit
	}
	return limit
}

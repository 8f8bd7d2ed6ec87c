package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// contender is a command line that is measured.
type contender struct {
	name string
	argv []string
	env  []string
	// lodge marks our own.
	lodge bool
	// read returns the sockets that its output lists; nil where it lists a few.
	read func(output string) map[ends]int
	// to are the names of rows whose time it is held against.
	to []string
	// slow ones run in few rounds of the largest population.
	slow bool
	// oneIsFine: exit status 1 is no failure.
	oneIsFine bool
	missing   string
}

// The names of rows.
const (
	plainSS  = "ss -tan"
	ssp      = "ss -tanp"
	netstatp = "netstat -tanp"
	lsof     = "lsof -nP -iTCP"

	lodgeText = "lodge ports"
	lodgeJSON = "lodge ports --json"
	liveText  = "lodge ports, live map"
	liveJSON  = "lodge ports --json, live map"

	onePort   = "lodge ports 21000"
	ssPort    = "ss -tlnp sport = :21000"
	lsofPort  = "lsof -nP -iTCP:21000"
	explained = "lodge explain 127.10.0.1:20000"
)

// contenders are all that run without a daemon.
func (b *bench) contenders(ctx context.Context) []*contender {
	peer := func(name string, read func(string) map[ends]int, slow bool) *contender {
		argv := strings.Fields(name)
		c := &contender{name: name, argv: argv, env: append(os.Environ(), "LC_ALL=C"), read: read, slow: slow}
		if _, err := exec.LookPath(argv[0]); err != nil {
			c.missing = "not here (bench/install puts it here)"
		}
		return c
	}
	own := func(name string, read func(string) map[ends]int, to ...string) *contender {
		argv := strings.Fields(name)
		argv[0] = b.lodge
		return &contender{name: name, argv: argv, env: b.lodgeEnv(b.w.Path("nowhere/r")), lodge: true, read: read, to: to}
	}
	all := []*contender{
		peer(plainSS, readSS, false), peer(ssp, readSS, true), peer(netstatp, readNetstat, true), peer(lsof, readLsof, true),
		own(lodgeText, readLodgeText, ssp, netstatp, lsof),
		own(lodgeJSON, readLodgeJSON, ssp, netstatp, lsof),
		peer(ssPort, nil, false), peer(lsofPort, nil, true),
		own(onePort, nil, ssPort, lsofPort),
	}
	all[7].oneIsFine = true // lsof says 1 where a process went away meanwhile
	all[3].oneIsFine = true
	explain := own(explained, nil)
	if !b.has(ctx, "explain") {
		explain.missing = "this lodge has no such command"
	}
	return append(all, explain)
}

// lodgeEnv is an environment in which lodge has a runtime directory of its own.
func (b *bench) lodgeEnv(runtime string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.w.Dir, "XDG_RUNTIME_DIR=" + runtime, "XDG_STATE_HOME=" + b.w.Path("state/s"), "TERM=xterm"}
}

// has reports whether lodge has a command.
func (b *bench) has(ctx context.Context, command string) bool {
	out, err := exec.CommandContext(ctx, b.lodge, "--help").Output()
	return err == nil && strings.Contains(string(out), "\n  "+command+" ")
}

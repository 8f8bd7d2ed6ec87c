package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// The names of rows.
const (
	hello        = "hello version"
	lodgeVersion = "lodge version"
	lodgeLs      = "lodge ls"
	lodgePorts   = "lodge ports"
	plainSS      = "ss -tan"
	ssProcesses  = "ss -tanp"
)

// The sockets: procs*(listeners+2*conns) are 200.
const procs, listeners, conns = 20, 2, 4

func (b *bench) environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.w.Dir, "XDG_RUNTIME_DIR=" + b.w.Path("run/r"), "XDG_STATE_HOME=" + b.w.Path("state/s"), "TERM=xterm", "LC_ALL=C"}
}

// measure makes the sockets and a project that is up, and runs the commands in turns.
func (b *bench) measure(ctx context.Context) (err error) {
	b.say("making 200 sockets of %d processes, and a project", procs)
	load, err := scratch.Start(nil, b.w.Dir, b.w.Path("bin/sockload"), "-procs", strconv.Itoa(procs), "-listeners", strconv.Itoa(listeners), "-conns", strconv.Itoa(conns), "-truth", b.w.Path("truth"))
	if err != nil {
		return err
	}
	b.w.Later(func(context.Context) error { return load.Close() })
	if line, err := load.Line(ctx, time.Minute); err != nil || line != "ready 200" {
		return fmt.Errorf("make sockets: %q, %w", line, err)
	}
	if err := b.project(ctx); err != nil {
		return err
	}
	wall := make(map[string][]float64)
	for r := range b.rounds {
		b.say("round %d of %d", r+1, b.rounds)
		for _, name := range rounds.Rotated(commands[:], r) {
			t, err := b.time(ctx, name)
			if err != nil {
				return err
			}
			wall[name] = append(wall[name], t)
		}
	}
	for _, name := range commands {
		b.out.Rows = append(b.out.Rows, row{
			Name: name, MS: rounds.SpreadOf(wall[name]).Median * 1000,
			ToHello: rounds.SpreadOf(rounds.Ratios(wall[name], wall[hello])),
			ToSS:    rounds.SpreadOf(rounds.Ratios(wall[name], wall[ssProcesses])),
		})
	}
	return b.memory()
}

var commands = [...]string{hello, lodgeVersion, lodgeLs, lodgePorts, plainSS, ssProcesses}

// project brings a project up, so that there are a daemon, a keeper and a helper.
func (b *bench) project(ctx context.Context) error {
	dir, err := b.w.Mkdir("project")
	if err != nil {
		return err
	}
	const text = "version = 1\n[services.web]\ncommand = \"sleep 100000\"\nready = false\n"
	if err := os.WriteFile(filepath.Join(dir, "lodge.toml"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write project: %w", err)
	}
	for _, d := range []string{"run/r", "state/s"} {
		if err := os.MkdirAll(b.w.Path(d), 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	lodge := func(ctx context.Context, args ...string) error {
		cmd := exec.CommandContext(ctx, b.lodge, args...)
		cmd.Dir, cmd.Env = dir, b.environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("run lodge %s: %w: %s", args[0], err, bytes.TrimSpace(out))
		}
		return nil
	}
	b.w.Later(func(ctx context.Context) error { return lodge(ctx, "down", "--all") })
	return lodge(ctx, "up", "-d")
}

// time runs a command whose output goes nowhere, and returns how long it took, in
// seconds.
func (b *bench) time(ctx context.Context, name string) (float64, error) {
	argv := strings.Fields(name)
	switch argv[0] {
	case "lodge":
		argv[0] = b.lodge
	case "hello":
		argv[0] = b.hello
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = b.w.Dir, b.environ()
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("run %s: %w", name, err)
	}
	return time.Since(begin).Seconds(), nil
}

// memory reads the most that the keeper and the helper have had in memory (VmHWM,
// proc_pid_status(5)).
func (b *bench) memory() error {
	found := make(map[string]int64)
	for _, pid := range scratch.ProcessesOf(b.w.Dir) {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // ended
		}
		program, _, _ := strings.Cut(string(cmdline), "\x00")
		name := filepath.Base(program)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				if err != nil {
					return fmt.Errorf("read memory of %s: %w", name, err)
				}
				found[name] = max(found[name], kib<<10)
			}
		}
	}
	for _, name := range []string{"lodged", "lodge-keeper", "lodge-helper"} {
		b.out.Memory = append(b.out.Memory, program{name, found[name]})
	}
	return nil
}

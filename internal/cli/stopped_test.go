package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/stall/stalltest"
)

// A daemon that is stopped is named, with what to do, by every command that
// needs it. What its keepers know is shown and ended without it.
func TestAStoppedDaemon(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sh -c 'echo hello; exec sleep 1000'\"\nready = { log = \"hello\" }\n")
	sh.ok("up", "-d", "--engine", "none")
	c := localapi.New(sh.socket())
	info, err := c.Info(context.Background())
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
	stalltest.Stop(t, info.PID)
	defer func() { _ = unix.Kill(info.PID, unix.SIGCONT) }()
	says := "process " + strconv.Itoa(info.PID) + " is stopped"
	hint := "kill -CONT " + strconv.Itoa(info.PID)
	for _, args := range [][]string{{"up", "-d"}, {"exec", "--", "true"}, {"run", "--", "true"}, {"restart"}, {"open", "--print"}, {"doctor"}} {
		code, _, stderr := sh.run(args...)
		if code != 1 {
			t.Errorf("%v: %d", args, code)
		}
		one(t, stderr, says, hint)
	}
	for name, want := range map[string]string{"ls": "web", "logs": "web    | hello"} {
		code, stdout, stderr := sh.run(name)
		if code != 0 || !strings.Contains(stdout, want) || !strings.Contains(stderr, says) || !strings.Contains(stderr, hint) {
			t.Errorf("%s: %d, %q, %q", name, code, stdout, stderr)
		}
	}
	if code, _, stderr := sh.run("down"); code != 0 || !strings.Contains(stderr, "shop is down") {
		t.Errorf("down: %d, %q", code, stderr)
	}
	if err := unix.Kill(info.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool {
		code, _, stderr := sh.run("ls")
		return code == 0 && strings.Contains(stderr, "nothing is up")
	}) {
		t.Error("something is up afterwards")
	}
}

// Beside a stopped daemon, a stopped keeper is found also without any file of it,
// and down ends its project.
func TestAStoppedKeeperWithoutItsFiles(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sh -c 'echo hello; exec sleep 1000'\"\nready = { log = \"hello\" }\n")
	sh.ok("up", "-d", "--engine", "none")
	daemon := sh.daemon()
	ps := sh.list().Projects
	if len(ps) != 1 {
		t.Fatalf("%+v", ps)
	}
	keeper := ps[0].KeeperPID
	stalltest.Stop(t, daemon)
	defer func() { _ = unix.Kill(daemon, unix.SIGCONT) }()
	stalltest.Stop(t, keeper)
	defer func() { _ = unix.Kill(keeper, unix.SIGCONT) }()
	spare, _ := filepath.Glob(filepath.Join(sh.base, "state/lodge/run-*/*.json"))
	if len(spare) != 1 {
		t.Fatalf("records in the state directory: %v", spare)
	}
	if err := errors.Join(os.Remove(spare[0]), os.RemoveAll(filepath.Join(sh.base, "run/lodge/k"))); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := sh.run("ls"); code != 0 || !strings.Contains(stdout, "kill -CONT "+strconv.Itoa(keeper)) {
		t.Errorf("ls: %d, %q, %q", code, stdout, stderr)
	}
	if code, _, stderr := sh.run("down"); code != 0 || !strings.Contains(stderr, "shop is down") {
		t.Errorf("down: %d, %q", code, stderr)
	}
	if !gone(keeper) {
		t.Error("its keeper is there")
	}
}

func TestAStoppedKeeper(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sh -c 'echo hello; exec sleep 1000'\"\nready = { log = \"hello\" }\n")
	sh.ok("up", "-d", "--engine", "none")
	c := localapi.New(sh.socket())
	ps, err := c.Projects(context.Background(), false)
	c.Close()
	if err != nil || len(ps.Projects) != 1 {
		t.Fatalf("%+v, %v", ps, err)
	}
	keeper := ps.Projects[0].KeeperPID
	stalltest.Stop(t, keeper)
	hint := "kill -CONT " + strconv.Itoa(keeper)
	for _, args := range [][]string{{"up", "-d"}, {"exec", "--", "true"}, {"run", "--", "true"}, {"restart"}, {"down", "web"}} {
		code, _, stderr := sh.run(args...)
		if code != 1 {
			t.Errorf("%v: %d", args, code)
		}
		one(t, stderr, "the keeper of shop: process "+strconv.Itoa(keeper), hint)
	}
	if code, stdout, _ := sh.run("ls"); code != 0 || !strings.Contains(stdout, hint) {
		t.Errorf("ls: %d, %q", code, stdout)
	}
	if code, stdout, stderr := sh.run("logs"); code != 0 || !strings.Contains(stdout, "hello") || !strings.Contains(stderr, hint) {
		t.Errorf("logs: %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr := sh.run("logs", "-f")
	if code != 1 || !strings.Contains(stdout, "hello") {
		t.Errorf("logs -f: %d, %q", code, stdout)
	}
	one(t, stderr, "follow logs of shop", hint)
	if code, _, stderr := sh.run("down"); code != 0 {
		t.Errorf("down: %d, %q", code, stderr)
	}
	if !gone(keeper) {
		t.Error("its keeper is there")
	}
}

package projects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/rawjson"
	"lodge/internal/stall"
)

// spawn starts the keeper process. The configuration goes to it last, so that
// it starts nothing before it is in its place.
func (o *Options) spawn(ctx context.Context, cfg keeperapi.Config, files []*os.File) (keeperapi.Record, func(), error) {
	fail := func(err error) (keeperapi.Record, func(), error) {
		return keeperapi.Record{}, nil, fmt.Errorf("start keeper: %w", err)
	}
	conf, err := rawjson.Marshal(cfg)
	if err != nil {
		return fail(err)
	}
	variable, err := keeperapi.Environ(cfg)
	if err != nil {
		return fail(err)
	}
	confR, confW, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer confW.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		_ = confR.Close()
		return fail(err)
	}
	defer readyR.Close()
	cmd := exec.Command(o.Keeper, "keeper", cfg.ID) // its name is for people, who see it in ps
	cmd.Dir = "/"
	cmd.Env = []string{"GOMAXPROCS=2", "GOGC=50", variable} // small: it mostly waits
	cmd.Stdout, cmd.Stderr = o.Output, o.Output
	cmd.ExtraFiles = append([]*os.File{confR, readyW}, files...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	inPlace := false
	if cfg.Engine == loopback.EBPF && os.Geteuid() == 0 {
		// Root may start it where it belongs; moving a process is slow, since the
		// kernel waits for all that look at cgroups.
		dir, err := os.Open(filepath.Join(cfg.Cgroup, "keeper"))
		if err != nil {
			return fail(err)
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD, inPlace = true, int(dir.Fd()), true
	}
	err = cmd.Start()
	_, _ = confR.Close(), readyW.Close()
	if err != nil {
		return fail(err)
	}
	reap := func() { _ = cmd.Wait() }
	kill := func(err error) (keeperapi.Record, func(), error) {
		_ = cmd.Process.Kill()
		reap()
		return fail(err)
	}
	if cfg.Engine == loopback.EBPF && !inPlace {
		if err := o.Engines.Enter(ctx, cfg, cmd.Process.Pid); err != nil {
			return kill(err)
		}
	}
	// One that has ended already does not read it; what it says comes next.
	if _, err := confW.Write(conf); err != nil && !errors.Is(err, unix.EPIPE) {
		return kill(err)
	}
	_ = confW.Close()
	b, err := whenReady(ctx, readyR, cmd.Process.Pid)
	if err != nil {
		return kill(fmt.Errorf("wait until it serves: %w", err))
	}
	var word keeperapi.Ready
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&word); err != nil {
		return kill(fmt.Errorf("it ended at once; see the daemon's log: %w", err))
	}
	if word.Error != nil {
		reap()
		return keeperapi.Record{}, nil, word.Error
	}
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		return kill(err)
	}
	return keeperapi.Record{Config: cfg, PID: cmd.Process.Pid, StartTime: start, Started: time.Now()}, reap, nil
}

// launchPatience bounds the start of a keeper that runs. It takes milliseconds
// on a machine that has nothing else to do.
const launchPatience = 2 * time.Minute

// whenReady reads what a keeper that was just started says when it serves. One
// that is stopped, such as by a debugger, is not waited for.
func whenReady(ctx context.Context, r *os.File, pid int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchPatience)
	defer cancel()
	ctx, done := stall.GuardStart(ctx, pid)
	defer done()
	defer context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })()
	b, err := io.ReadAll(r)
	var halted *stall.Error
	if errors.As(context.Cause(ctx), &halted) {
		// Not as itself: its hint is for a process that is left alone.
		return nil, fmt.Errorf("process %d was %s, and was ended", pid, halted.Reason())
	}
	return b, err
}

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/project"
	"lodge/internal/stall"
	"lodge/internal/statefile"
)

var errDaemonBusy = errors.New("another daemon starts or ends just now")

// startDaemon starts the daemon in the background and returns when it answers.
func (a *app) startDaemon(ctx context.Context, d localapi.Dirs) error {
	logfile, err := statefile.Create(filepath.Join(d.State, "daemon.log"), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		// It can do without: what matters it says to those who ask.
		if logfile, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
			return startError(err)
		}
	}
	defer logfile.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return startError(err)
	}
	defer r.Close()
	cmd := exec.Command(a.env.Lodged, "daemon", "--background", "--runtime-dir", d.Runtime, "--state-dir", d.State)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + a.getenv("PATH")}
	if h := a.getenv("LODGE_HOSTS"); h != "" {
		cmd.Args = append(cmd.Args, "--hosts", h)
	}
	cmd.Stdout, cmd.Stderr = logfile, logfile
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return startError(a.missing(a.env.Lodged, err))
	}
	go func() { _ = cmd.Wait() }()
	// It takes milliseconds, unless the machine has much else to do.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ctx, done := stall.GuardStart(ctx, cmd.Process.Pid)
	defer done()
	defer context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })()
	word, err := bufio.NewReader(r).ReadString('\n')
	switch word = strings.TrimSpace(word); {
	case word == "ok":
		return nil
	case word == "busy":
		return errDaemonBusy
	case strings.HasSuffix(word, unix.ENOSPC.Error()):
		return startError(fmt.Errorf("%s%w", strings.TrimSuffix(word, unix.ENOSPC.Error()), unix.ENOSPC))
	case word != "":
		return startError(errors.New(word))
	case err != nil && !errors.Is(err, io.EOF):
		return startError(stall.Cause(ctx, err))
	}
	return startError(fmt.Errorf("it ended at once; see %s", logfile.Name()))
}

// load reads the project that the working directory is in.
func (a *app) load() (*project.Project, error) {
	if a.env.DirErr != nil {
		return nil, &hinted{err: fmt.Errorf("find working directory: %w", a.env.DirErr), hint: "it may have been removed; cd to another"}
	}
	return project.Load(a.env.Dir, project.WithHome(a.home()))
}

// choices are the flags with which a home can be asked for.
type choices struct{ engine, isolation string }

// open returns the project's session. Its keeper is started if need be.
func (a *app) open(ctx context.Context, c *localapi.Client, p *project.Project, ch choices) (*localapi.Session, error) {
	req, err := ch.request()
	if err != nil {
		return nil, err
	}
	req.Path, req.Name = p.Dir, p.Name
	if p.ConfigPath != "" && req.Isolation == "" {
		req.Isolation = p.Isolation
	}
	st, err := c.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	if st.Notice != "" {
		fmt.Fprintln(a.err, "lodge: "+st.Notice)
	}
	a.noteKeeper(st)
	a.noteMoved(st, p.Dir)
	return localapi.NewSession(st), nil
}

// request is what the flags ask for.
func (ch choices) request() (localapi.OpenRequest, error) {
	var req localapi.OpenRequest
	if ch.engine != "" {
		e, err := loopback.ParseEngine(ch.engine)
		if err != nil {
			return req, &usageError{err: err, hint: "--engine ebpf, seccomp or none"}
		}
		req.Engine = e
	}
	if ch.isolation != "" {
		i, err := loopback.ParseIsolation(ch.isolation)
		if err != nil {
			return req, &usageError{err: err, hint: "--isolation overlay or strict"}
		}
		req.Isolation = i
	}
	return req, nil
}

// withSession opens the project and calls do; a keeper that ended in between,
// because its last command did, is started anew.
func (a *app) withSession(ctx context.Context, p *project.Project, ch choices, do func(*localapi.Client, *localapi.Session) error) error {
	var err error
	for range 5 {
		var c *localapi.Client
		if c, err = a.connect(ctx); err != nil {
			return err
		}
		var s *localapi.Session
		if s, err = a.open(ctx, c, p, ch); err == nil {
			err = do(c, s)
		}
		c.Close()
		if !errors.Is(err, keeperapi.ErrGone) {
			return err
		}
	}
	return err
}

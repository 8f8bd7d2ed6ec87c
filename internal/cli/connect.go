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

	"lodge/internal/keeper"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/project"
)

// connect gives a client of the daemon, which is started if it does not run.
func (a *app) connect(ctx context.Context) (*localapi.Client, error) {
	d := a.dirs()
	c := localapi.New(d.Socket())
	var err error
	// A daemon that is just ending answers no more, or refuses: try anew, for
	// far longer than an end takes.
	for range 300 {
		if _, err = c.Info(ctx); err == nil {
			return c, nil
		}
		if !localapi.NotRunning(err) && !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
			return nil, err
		}
		if err = a.startDaemon(ctx, d); err != nil && !errors.Is(err, errDaemonBusy) {
			return nil, err
		}
		if err != nil {
			select {
			case <-time.After(50 * time.Millisecond): // another one starts or ends
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return nil, err
}

var errDaemonBusy = errors.New("another daemon starts or ends just now")

// startDaemon starts the daemon in the background and returns when it answers.
func (a *app) startDaemon(ctx context.Context, d localapi.Dirs) error {
	fail := func(err error) error {
		h := "set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories of your own"
		if errors.Is(err, unix.ENOSPC) {
			h = "make room there, or set XDG_STATE_HOME to a directory that has some"
		}
		return &hinted{err: fmt.Errorf("start daemon: %w", err), hint: h}
	}
	if err := d.Make(); err != nil {
		return fail(err)
	}
	logfile, err := os.OpenFile(filepath.Join(d.State, "daemon.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer logfile.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	cmd := exec.Command(a.env.Exe, "daemon", "--background", "--runtime-dir", d.Runtime, "--state-dir", d.State)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + a.getenv("PATH")}
	if h := a.getenv("LODGE_HOSTS"); h != "" {
		cmd.Env = append(cmd.Env, "LODGE_HOSTS="+h)
	}
	cmd.Stdout, cmd.Stderr = logfile, logfile
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return fail(err)
	}
	go func() { _ = cmd.Wait() }()
	_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })
	defer stop()
	word, err := bufio.NewReader(r).ReadString('\n')
	switch word = strings.TrimSpace(word); {
	case word == "ok":
		return nil
	case word == "busy":
		return errDaemonBusy
	case word != "":
		return fail(errors.New(word))
	case err != nil && !errors.Is(err, io.EOF):
		return fail(err)
	}
	return fail(fmt.Errorf("it ended at once; see %s", logfile.Name()))
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

// open gives the project's session. Its keeper is started if need be.
func (a *app) open(ctx context.Context, c *localapi.Client, p *project.Project, ch choices) (*localapi.Session, error) {
	req := localapi.OpenRequest{Path: p.Dir, Name: p.Name}
	if p.ConfigPath != "" {
		req.Isolation = p.Isolation
	}
	if ch.engine != "" {
		e, err := loopback.ParseEngine(ch.engine)
		if err != nil {
			return nil, &usageError{err: err, hint: "--engine ebpf, seccomp or none"}
		}
		req.Engine = e
	}
	if ch.isolation != "" {
		i, err := loopback.ParseIsolation(ch.isolation)
		if err != nil {
			return nil, &usageError{err: err, hint: "--isolation overlay or strict"}
		}
		req.Isolation = i
	}
	st, err := c.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	if st.Notice != "" {
		fmt.Fprintln(a.err, "lodge: "+st.Notice)
	}
	return localapi.NewSession(st), nil
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
		if !errors.Is(err, keeper.ErrGone) {
			return err
		}
	}
	return err
}

// find gives the project of the working directory as the daemon knows it.
func (a *app) find(ctx context.Context, c *localapi.Client, all bool) (localapi.Project, error) {
	return a.findAmong(func() (localapi.Projects, error) { return c.Projects(ctx, all) })
}

// findAmong is find in a list.
func (a *app) findAmong(list func() (localapi.Projects, error)) (localapi.Project, error) {
	p, loadErr := a.load()
	var broken *project.Error
	if loadErr != nil && !errors.As(loadErr, &broken) {
		return localapi.Project{}, loadErr
	}
	ps, err := list()
	if err != nil {
		return localapi.Project{}, err
	}
	if broken != nil {
		// What is up can be looked at and stopped, whatever its file says by now.
		if q, ok := above(ps.Projects, a.env.Dir); ok {
			return q, nil
		}
		return localapi.Project{}, loadErr
	}
	for _, q := range ps.Projects {
		if q.Path == p.Dir {
			return q, nil
		}
	}
	return localapi.Project{}, &hinted{err: fmt.Errorf("find project %s: it is not up", p.Dir), hint: "lodge up, or: lodge ls --all"}
}

// above gives the project whose directory is dir, or the nearest above it.
func above(ps []localapi.Project, dir string) (localapi.Project, bool) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for {
		for _, p := range ps {
			if p.Path == dir {
				return p, true
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return localapi.Project{}, false
		}
		dir = up
	}
}

package proof

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// target is what a client is to ask for.
type target struct {
	name string // the server's name
	host string // name:port
	port string
	path string
	url  string
	home string
	dir  string // empty, private, for this try alone
	root bool   // lodge runs as root
}

// maxSaid bounds what is kept of what a client prints, in bytes.
const maxSaid = 64 << 10

// try lets the client make one request.
func try(ctx context.Context, o Options, c client, program, base string, inside []string) (State, string) {
	dir, err := os.MkdirTemp(base, "try-*")
	if err != nil {
		return Unknown, fmt.Sprintf("make directory: %v", err)
	}
	s, err := newServer(ctx, o.Authority)
	if err != nil {
		return Unknown, err.Error()
	}
	port := fmt.Sprint(s.port)
	t := target{name: dotted, port: port, path: s.path, home: o.Home, dir: dir, root: os.Geteuid() == 0}
	if c.resolves {
		t.name = plain
	}
	t.host = net.JoinHostPort(t.name, port)
	t.url = "https://" + t.host + t.path

	said, code, err := c.start(ctx, o, program, t, append(plainEnviron(o.Environ), inside...), s)
	offered, requested := s.close()
	switch {
	case ctx.Err() != nil:
		return Unknown, ctx.Err().Error()
	case requested:
		return Trusted, ""
	case code == codeMissing:
		return NotInstalled, ""
	case err != nil:
		return Unknown, err.Error()
	}
	why := c.why(said)
	if offered {
		if why == "" {
			why = "it made no request when it saw the certificate"
		}
		return NotTrusted, why
	}
	if why == "" {
		why = lastLine(said)
	}
	if why == "" {
		why = fmt.Sprintf("it made no connection, and ended with status %d", code)
	}
	return Unknown, why
}

// plainEnviron takes out what would send requests elsewhere than to loopback,
// and what puts the words of a program into another language.
func plainEnviron(env []string) []string {
	var out []string
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		switch strings.ToLower(key) {
		case "http_proxy", "https_proxy", "all_proxy", "lc_all", "lc_messages", "language":
			continue
		}
		out = append(out, kv)
	}
	return append(out, "LC_ALL=C")
}

// codeMissing is the status with which a script says that a library it needs is
// not installed.
const codeMissing = 79

// again is how long a browser that stays may take to try once more.
const again = 3 * time.Second

// start runs the client to its end, or until patience is over. One that would
// stay is ended when the server has seen what it does.
func (c *client) start(ctx context.Context, o Options, program string, t target, env []string, s *server) (said string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	args, stdin, extra, err := c.command(t)
	if err != nil {
		return "", 0, err
	}
	run, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(run, program, args...)
	cmd.Env = append(env, extra...)
	cmd.Dir = t.dir
	cmd.Stdin = strings.NewReader(stdin)
	out := &bounded{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal to ask for a password on
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	waited := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if !c.stays {
			return
		}
		select {
		case <-waited:
			return
		case <-s.done:
		case <-s.left:
			late := time.NewTimer(again)
			defer late.Stop()
			select {
			case <-waited:
				return
			case <-s.done:
			case <-late.C:
			}
		}
		end()
	}()
	err = cmd.Wait()
	close(waited)
	<-watched
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what a browser leaves behind
	switch {
	case ctx.Err() != nil:
		return out.String(), 0, fmt.Errorf("%s did not end within %s", filepath.Base(program), o.Patience)
	case run.Err() != nil:
		return out.String(), 0, nil
	}
	if ee, ok := err.(*exec.ExitError); ok {
		return out.String(), ee.ExitCode(), nil
	}
	return out.String(), 0, err
}

// bounded keeps the beginning of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if left := maxSaid - b.Len(); left > 0 {
		b.Buffer.Write(p[:min(len(p), left)])
	}
	return len(p), nil
}

// find looks for a program on the search path.
func find(path string, names ...string) string {
	for _, name := range names {
		for _, dir := range filepath.SplitList(path) {
			p := filepath.Join(dir, name)
			if fi, err := os.Stat(p); filepath.IsAbs(p) && err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
				return p
			}
		}
	}
	return ""
}

// lastOf returns the last line that has one of the words, or "".
func lastOf(said string, words ...string) string {
	var match string
	for line := range strings.Lines(said) {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			match = strings.TrimSpace(line)
		}
	}
	return short(match)
}

// lastLine returns the last line that has anything.
func lastLine(said string) string {
	said = strings.TrimSpace(said)
	return short(strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:]))
}

func short(line string) string {
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.ToValidUTF8(line, "?")
}

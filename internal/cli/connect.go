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

	"lodge/internal/localapi"
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

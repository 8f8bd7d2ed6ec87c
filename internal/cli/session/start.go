package session

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

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/stall"
	"lodge/internal/statefile"
)

var errDaemonBusy = errors.New("another daemon starts or ends just now")

// startDaemon starts the daemon in the background and returns when it answers.
func startDaemon(ctx context.Context, k *kit.Kit, d localapi.Dirs) error {
	logfile, err := statefile.Create(filepath.Join(d.State, "daemon.log"), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		// It can do without: commands that ask get its errors.
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
	cmd := exec.Command(k.Env.Lodged, "daemon", "--background", "--runtime-dir", d.Runtime, "--state-dir", d.State)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + k.Getenv("PATH")}
	if h := k.Getenv("LODGE_HOSTS"); h != "" {
		cmd.Args = append(cmd.Args, "--hosts", h)
	}
	cmd.Stdout, cmd.Stderr = logfile, logfile
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return startError(Missing(k.Env.Lodged, err))
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

// Missing returns the error of a program of lodge's that could not be started: it is
// looked for beside this one, and nowhere else.
func Missing(program string, err error) error {
	err = fmt.Errorf("start %s: %w", program, err)
	if errors.Is(err, os.ErrNotExist) {
		return &kit.Hinted{Err: err, Hint: "lodge, lodged, lodge-keeper and lodge-helper belong into one directory: go build -o " + filepath.Dir(program) + " ./cmd/..."}
	}
	return err
}

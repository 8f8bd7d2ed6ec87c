// Package launch prepares what a program gets when it is started: its input and output,
// and directories of its own. It says why the kernel refused to start one.
package launch

import (
	"fmt"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lodge/internal/service"
)

// The size of a service's terminal. Its lines are kept, so it is wide.
const (
	ttyRows = 50
	ttyCols = 160
)

// Stdio is the standard input and output of a service.
type Stdio struct {
	Files    []*os.File // of the process
	Read     *os.File   // where its output is read
	Terminal bool
}

// OpenStdio opens a pipe for the output and an empty input, or a terminal for
// both. The caller closes files once the process has them.
func OpenStdio(tty bool) (Stdio, error) {
	if tty {
		return openTerminal()
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return Stdio{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = null.Close()
		return Stdio{}, err
	}
	return Stdio{Files: []*os.File{null, w, w}, Read: r}, nil
}

func openTerminal() (Stdio, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return Stdio{}, fmt.Errorf("open terminal: %w", err)
	}
	// What is written is kept as it is: a line end stays one byte, and there is no input.
	t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err == nil {
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO
		err = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t)
	}
	if err == nil {
		err = pty.Setsize(master, &pty.Winsize{Rows: ttyRows, Cols: ttyCols})
	}
	if err != nil {
		_, _ = master.Close(), slave.Close()
		return Stdio{}, fmt.Errorf("set terminal: %w", err)
	}
	return Stdio{Files: []*os.File{slave, slave, slave}, Read: master, Terminal: true}, nil
}

// Close closes the files of the process, which has its own.
func (s Stdio) Close() {
	_ = s.Files[0].Close()
	_ = s.Files[1].Close() // the terminal is one file, and closed already
}

// TerminalEnv is what a program on a terminal must know of it.
func TerminalEnv(env []string) []string {
	if v, ok := service.Getenv(env, "TERM"); !ok || v == "" || v == "dumb" {
		return service.MergeEnv(env, "TERM=xterm-256color")
	}
	return env
}

// MakeDirs makes the directories of a service's own.
func MakeDirs(dirs []string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make its own directory: %w", err)
		}
	}
	return nil
}

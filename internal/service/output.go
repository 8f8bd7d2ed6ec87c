package service

import (
	"fmt"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// The size of a service's terminal. Its lines are kept, so it is wide.
const (
	ttyRows = 50
	ttyCols = 160
)

// stdio is the standard input and output of a service.
type stdio struct {
	files    []*os.File // of the process
	read     *os.File   // where its output is read
	terminal bool
}

// openStdio opens a pipe for the output and an empty input, or a terminal for
// both. The caller closes files once the process has them.
func openStdio(sp Spec) (stdio, error) {
	if sp.TTY {
		return openTerminal()
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return stdio{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = null.Close()
		return stdio{}, err
	}
	return stdio{files: []*os.File{null, w, w}, read: r}, nil
}

func openTerminal() (stdio, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return stdio{}, fmt.Errorf("open terminal: %w", err)
	}
	// What is written is kept as it is: a line end stays one byte, and nobody types.
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
		return stdio{}, fmt.Errorf("set terminal: %w", err)
	}
	return stdio{files: []*os.File{slave, slave, slave}, read: master, terminal: true}, nil
}

func (s stdio) close() {
	_ = s.files[0].Close()
	_ = s.files[1].Close() // the terminal is one file, and closed already
}

// terminalEnv is what a program on a terminal must know of it.
func terminalEnv(env []string) []string {
	if v, ok := Getenv(env, "TERM"); !ok || v == "" || v == "dumb" {
		return MergeEnv(env, "TERM=xterm-256color")
	}
	return env
}

// makeDirs makes the directories of a service's own.
func makeDirs(sp Spec) error {
	for _, dir := range sp.MakeDirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make its own directory: %w", err)
		}
	}
	return nil
}

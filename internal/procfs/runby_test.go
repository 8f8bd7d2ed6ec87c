package procfs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestParseRunBy(t *testing.T) {
	for text, want := range map[string]bool{
		"Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t0\t0\t0\t0\n": true,
		"Uid:\t1001\t1000\t1000\t1000\n":                             false, // set-user-id
		"Uid:\t1000\t1001\t1000\t1000\n":                             false,
		"Uid:\t1000\t1000\t0\t1000\n":                                false,
		"Uid:\t1000\t1000\t1000\n":                                   false,
		"Uid:\t10000\t10000\t10000\t10000\n":                         false,
		"Uid:\n":                                                     false,
		"Gid:\t1000\t1000\t1000\t1000\n":                             false,
		"":                                                           false,
	} {
		if got := parseRunBy([]byte(text), 1000); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// copyOf copies a program.
func copyOf(t *testing.T, program, to string, mode os.FileMode) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRunBy(t *testing.T) {
	if !RunBy(os.Getpid(), os.Geteuid()) || RunBy(os.Getpid(), os.Geteuid()+1) || RunBy(1<<30, os.Geteuid()) {
		t.Error("this process")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	dir, err := os.MkdirTemp("", "rb") // others cannot enter that of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	plain, setuid := filepath.Join(dir, "cat"), filepath.Join(dir, "suid")
	copyOf(t, "cat", plain, 0o755)
	copyOf(t, "cat", setuid, 0o755|os.ModeSetuid)
	for _, c := range []struct {
		path string
		uid  uint32
		by   int
		want bool
	}{
		{plain, 0, 0, true}, {plain, 65533, 65533, true}, {plain, 65533, 0, false},
		{setuid, 65533, 0, false}, {setuid, 65533, 65533, false}, {setuid, 0, 0, false},
	} {
		cmd := exec.Command(c.path)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if got := RunBy(cmd.Process.Pid, c.by); got != c.want {
			t.Errorf("%s of user %d, run by %d: %v", filepath.Base(c.path), c.uid, c.by, got)
		}
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

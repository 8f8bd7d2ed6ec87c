package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

// Making the tree of commands, and printing help, leaves the disk alone: no directory is
// made, and no default of a flag depends on what is there.
func TestTreeTouchesNoDisk(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	env := Env{Environ: []string{
		"HOME=" + absent, "XDG_RUNTIME_DIR=" + filepath.Join(absent, "run"), "XDG_STATE_HOME=" + filepath.Join(absent, "state"),
	}, Dir: "/", Version: testVersion}
	var err error
	if env.Stdout, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	defer env.Stdout.Close()
	env.Stderr = env.Stdout
	lines := [][]string{{"--help"}, {"help"}, {"--version"}, {"completion", "bash"}, {"__complete", "l"}}
	for _, c := range fullTree(kit.New(env, io.Discard)).Commands() {
		c.LocalFlags() // cobra adds those of the parents
		for _, name := range []string{"runtime-dir", "state-dir"} {
			if f := c.Flags().Lookup(name); f != nil && f.DefValue != "" {
				t.Errorf("%s has the default %s before help is asked for", f.Name, f.DefValue)
			}
		}
		lines = append(lines, []string{c.Name(), "--help"})
	}
	for _, args := range lines {
		env.Args = args
		if code := Run(t.Context(), env); code != kit.ExitDone {
			t.Errorf("lodge %s: %d", strings.Join(args, " "), code)
		}
		if _, err := os.Lstat(absent); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("lodge %s: %s is there: %v", strings.Join(args, " "), absent, err)
		}
	}
}

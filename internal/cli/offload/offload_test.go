package offload

import (
	"io"
	"os"
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

// line runs a command line of lodge in lodged, and returns its exit status and what is printed.
func line(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	var files [2]*os.File
	for i, name := range []string{"/stdout", "/stderr"} {
		f, err := os.OpenFile(dir+name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	code = Run(t.Context(), kit.Env{
		Args: args, Environ: []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "XDG_STATE_HOME=" + dir}, Dir: dir,
		Stdout: files[0], Stderr: files[1], Lodged: dir + "/lodged", Version: "v1.2.3",
	})
	var texts [2]string
	for i, f := range files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	return code, texts[0], texts[1]
}

func TestRun(t *testing.T) {
	code, stdout, stderr := line(t, "trust", "--pem")
	if code != kit.ExitDone || !strings.HasPrefix(stdout, "-----BEGIN CERTIFICATE-----\n") || stderr != "" {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	// Errors have the name of lodge, which the user has called.
	code, stdout, stderr = line(t, "probe", "80", "81")
	if want := "lodge: read arguments of lodge probe: one address, not 2 (hint: usage: lodge probe [flags] ADDRESS)\n"; code != kit.ExitUsage || stdout != "" || stderr != want {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = line(t, "trust", "--status", "--json")
	if code != kit.ExitNotDone || !strings.Contains(stdout, `"authority": null`) || !strings.HasPrefix(stderr, "lodge: ") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
}

// Nothing else of lodge's command line is in lodged.
func TestRunOtherCommands(t *testing.T) {
	for _, args := range [][]string{nil, {"up"}, {"ls", "--json"}, {"version"}, {"help"}, {"help", "probe"}, {"completion", "bash"}, {"daemon"}, {"keeper"}, {"--bogus"}, {"prob"}} {
		code, stdout, stderr := line(t, args...)
		if code != kit.ExitUsage || stdout != "" || !strings.HasPrefix(stderr, "lodge: ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

package captest

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tsharkRuns has the output of each run in this process: tshark takes most of a
// second to start.
var tsharkRuns struct {
	sync.Mutex
	of map[string][]byte
}

// Tshark runs tshark on a capture, with arguments such as -T fields -e tcp.stream,
// and returns its lines, each split at tabs. The test is skipped where tshark is
// missing.
func Tshark(t testing.TB, file string, args ...string) [][]string {
	t.Helper()
	out := strings.TrimSuffix(string(TsharkOutput(t, file, args...)), "\n")
	if out == "" {
		return nil
	}
	var lines [][]string
	for l := range strings.SplitSeq(out, "\n") {
		lines = append(lines, strings.Split(l, "\t"))
	}
	return lines
}

// TsharkOutput is [Tshark] for other formats, such as -T json.
func TsharkOutput(t testing.TB, file string, args ...string) []byte {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed (hint: test/install installs it)")
	}
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Join(append([]string{path}, args...), "\x00")
	tsharkRuns.Lock()
	defer tsharkRuns.Unlock()
	if out, ok := tsharkRuns.of[key]; ok {
		return out
	}
	cmd := exec.CommandContext(t.Context(), tshark, append([]string{"-n", "-r", path}, args...)...)
	// No preferences of the user, and times in UTC.
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "TZ=UTC", "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	// tshark exits with 2 for a file that is cut short, and with 1 for one that has blocks it
	// does not read; what it says before is of use.
	if err != nil && (!errors.As(err, &exit) || !strings.Contains(stderr.String(), "cut short") && !strings.Contains(stderr.String(), "doesn't support")) {
		t.Fatalf("run %s: %v\n%s", cmd, err, stderr.String())
	}
	if tsharkRuns.of == nil {
		tsharkRuns.of = map[string][]byte{}
	}
	tsharkRuns.of[key] = out
	return out
}

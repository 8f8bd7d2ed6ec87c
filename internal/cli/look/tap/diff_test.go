package tap

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
)

// tapCommand runs lodge tap in testdata/diff, where no daemon is, and returns the exit
// status and what is printed.
func tapCommand(t *testing.T, stdin *os.File, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir, err := filepath.Abs("testdata/diff")
	if err != nil {
		t.Fatal(err)
	}
	none := t.TempDir()
	out, err := os.Create(filepath.Join(none, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var results, errs bytes.Buffer
	k := kit.New(kit.Env{
		Environ: []string{"XDG_RUNTIME_DIR=" + none, "XDG_STATE_HOME=" + none, "HOME=" + none}, Dir: dir, Stdin: stdin, Stdout: out, Helper: filepath.Join(none, "no-helper"),
	}, &results)
	k.Err = &errs
	c := &cobra.Command{Use: "lodge"}
	c.AddCommand(tapcmd.Command(k, Run, Diff))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(kit.FlagError)
	c.SetArgs(append([]string{"tap"}, args...))
	code = k.Run(t.Context(), c.ExecuteContext)
	return code, results.String(), errs.String()
}

// What a copy of the shop does differently is told, and nothing else; two runs of one copy
// differ in nothing that is not volatile.
func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		code       int
	}{
		{"branch.txt", "main.jsonl branch.jsonl --again main-2.jsonl", kit.ExitNotDone},
		{"branch.json", "main.jsonl branch.jsonl --again main-2.jsonl --json", kit.ExitNotDone},
		{"gone.txt", "branch.jsonl main.jsonl", kit.ExitNotDone},
		{"same.txt", "main.jsonl main.pcapng", kit.ExitDone},
		{"again.txt", "main.jsonl main-2.jsonl --again main-2.jsonl", kit.ExitDone},
		{"state.txt", "main.pcapng main-2.jsonl --latency", kit.ExitNotDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := tapCommand(t, nil, append([]string{"diff"}, strings.Fields(tt.args)...)...)
			if code != tt.code || stderr != "" {
				t.Errorf("%d, %s", code, stderr)
			}
			clitest.Golden(t, filepath.Join("diff", tt.name), []byte(stdout))
		})
	}
}

// A recording that ends in the middle is compared as far as it goes, and that is said.
func TestDiffOfWhatIsCut(t *testing.T) {
	for _, name := range []string{"main.jsonl", "main.pcapng"} {
		data, err := os.ReadFile(filepath.Join("testdata/diff", name))
		if err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(cut, data[:len(data)-len(data)/8], 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(cut)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		code, stdout, stderr := tapCommand(t, in, "diff", "main.jsonl", "-", "--json")
		var r struct {
			Complete bool
			B        struct {
				Name  string
				Notes []string
			}
		}
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err, stderr)
		}
		if code != kit.ExitNotDone || r.Complete || r.B.Name != "-" || !strings.Contains(strings.Join(r.B.Notes, "; "), "it ends early: ") {
			t.Errorf("%s: %d, %+v", name, code, r)
		}
	}
}

func TestDiffWrongUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"diff", "read arguments of lodge tap diff: there are none"},
		{"diff main.jsonl", "read arguments of lodge tap diff: "},
		{"diff main.jsonl main.jsonl main.jsonl", "read arguments of lodge tap diff: "},
		{"diff --bogus main.jsonl main.jsonl", "read flags of lodge tap diff: unknown flag: --bogus"},
		{"-r main.pcapng diff main.jsonl main.jsonl", "read flags of lodge tap diff: unknown shorthand flag: 'r'"},
		{"diff main.jsonl none.jsonl", "tap diff: read none.jsonl: no such file or directory (hint: lodge tap -o "},
		{"diff main.jsonl make.sh", "tap diff: read make.sh: "},
		{"diff main.jsonl main.jsonl --again branch.txt", "tap diff: read branch.txt: "},
		{"diff main.jsonl main.jsonl --body 1x", `tap diff: size "1x"`},
		{"diff main.jsonl main.jsonl --duration 1s", "tap diff: --duration is for projects"},
		{"diff one two --duration 0s", "tap diff: --duration is not more than nothing"},
		{"diff one one", "tap diff: one is given twice"},
		{"diff main.jsonl two", "tap diff: main.jsonl is a file, two is none"},
		{"diff one main.jsonl", "tap diff: main.jsonl is a file, one is none"},
		{"diff one two", "tap diff: find project one: none that is known has that name"},
	} {
		code, stdout, stderr := tapCommand(t, nil, strings.Fields(tt.args)...)
		if code != kit.ExitUsage || stdout != "" || !strings.HasPrefix(stderr, "lodge: "+tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d, %s%s", tt.args, code, stdout, stderr)
		}
	}
}

// diff is the command only where it is the first word.
func TestDiffIsAWordToo(t *testing.T) {
	for _, args := range []string{"-r main.pcapng -- diff", "-r main.pcapng http diff"} {
		code, stdout, stderr := tapCommand(t, nil, strings.Fields(args)...)
		if code != kit.ExitDone || stdout != "" || !strings.Contains(stderr, "10 exchanges (0 selected)") {
			t.Errorf("%s: %d, %s%s", args, code, stdout, stderr)
		}
	}
}

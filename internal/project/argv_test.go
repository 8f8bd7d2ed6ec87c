package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestArgv(t *testing.T) {
	for _, c := range []struct {
		command string
		want    []string // nil: for a shell
	}{
		{"npm run dev", []string{"npm", "run", "dev"}},
		{"  a \t b ", []string{"a", "b"}},
		{`node 'a b.js' "c d" e\ f`, []string{"node", "a b.js", "c d", "e f"}},
		{`a "" ''`, []string{"a", "", ""}},
		{`a x"y"'z'\w`, []string{"a", "xyzw"}},
		{`a "\n \\ \" \'"`, []string{"a", `\n \ " \'`}},
		{"serve --port=3000 A=1", []string{"serve", "--port=3000", "A=1"}},
		{"curl http://localhost:3000/a,b@c+d%20", []string{"curl", "http://localhost:3000/a,b@c+d%20"}},
		{"café 'naïve'", []string{"café", "naïve"}},
		{"A=1 serve", nil},
		{"rails s -p $PORT", nil},
		{`a "$B"`, nil},
		{"a `b`", nil},
		{"a; b", nil},
		{"a && b", nil},
		{"a | b", nil},
		{"a > b", nil},
		{"ls *.go", nil},
		{"ls [ab]", nil},
		{"ls {a,b}", nil},
		{"ls ~/x", nil},
		{"a # b", nil},
		{"a\nb", nil},
		{"a \\\nb", nil},
		{`a \`, nil},
		{"exec a", nil},
		{"cd a", nil},
		{`"exec" a`, nil},
		{"if a", nil},
		{"", nil},
	} {
		argv, shell := Service{Command: c.command}.Argv()
		want := c.want
		if want == nil {
			want = []string{"/bin/sh", "-c", c.command}
		}
		if !slices.Equal(argv, want) || shell != (c.want == nil) {
			t.Errorf("Argv(%q) = %q, %v; want %q", c.command, argv, shell, want)
		}
	}
}

func TestArgvOfArray(t *testing.T) {
	s := Service{Command: "'$x' b", Args: []string{"$x", "b"}}
	argv, shell := s.Argv()
	if !slices.Equal(argv, s.Args) || shell {
		t.Errorf("got %q, %v", argv, shell)
	}
	argv[0] = "changed"
	if s.Args[0] != "$x" {
		t.Error("Argv gives away the service's own slice")
	}
}

// shells are the programs whose idea of a word is asked for.
func shells(t *testing.T) []string {
	var out []string
	for _, sh := range []string{"/bin/sh", "/bin/dash", "/bin/bash"} {
		if _, err := os.Stat(sh); err == nil {
			out = append(out, sh)
		}
	}
	if len(out) == 0 {
		t.Skip("no /bin/sh")
	}
	return out
}

// askShells runs many command lines through a shell, each in front of the same
// end, and returns the arguments that the shell made of each.
func askShells(t *testing.T, sh string, lines []string) [][]string {
	t.Helper()
	var script strings.Builder
	// A function takes the place of every program: its arguments, each behind
	// a byte that the lines do not have, and another byte at the end.
	script.WriteString("show() { for a in \"$@\"; do printf '\\001%s' \"$a\"; done; printf '\\002'; }\n")
	for _, l := range lines {
		script.WriteString("show " + l + "\n")
	}
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(sh, file).Output()
	if err != nil {
		t.Fatalf("%s: %v", sh, err)
	}
	records := strings.Split(string(out), "\x02")
	var got [][]string
	for _, r := range records[:len(records)-1] {
		var argv []string
		if r != "" {
			argv = strings.Split(r[1:], "\x01")
		}
		got = append(got, argv)
	}
	return got
}

// TestArgvIsWhatShellsDo holds the promise of Argv: what is split here, a shell
// splits in the same way.
func TestArgvIsWhatShellsDo(t *testing.T) {
	pieces := rapid.SampledFrom([]string{
		"a", "b", "Z", "0", "-", "--x", "=", ".", "/", ",", ":", "@", "%", "+", "^", "!", "_", "é", "→", "\u0085",
		" ", "  ", "\t", "'", "\"", "\\", "''", `""`, `'a b'`, `"a b"`, `\ `, `\\`, `\'`, `\"`, `"\\"`, `"\""`, `"\a"`, `'\'`,
		"$", "`", "*", "?", "[", "]", "#", "~", "{", "}", ",", "(", ")", "|", "&", ";", "<", ">", "\n", "\r", "\x7f", "if", "exec", "cd",
	})
	var lines []string
	var want [][]string
	rapid.Check(t, func(rt *rapid.T) {
		line := strings.Join(rapid.SliceOfN(pieces, 1, 12).Draw(rt, "pieces"), "")
		if argv, result := splitWords(line); result == words {
			lines, want = append(lines, line), append(want, argv)
		}
	})
	// Lines of harmless pieces only, so that many are accepted.
	for i := range 400 {
		line := "x " + rapid.StringMatching(`[a-z=./'" \\-]{0,12}`).Example(i)
		if argv, result := splitWords(line); result == words {
			lines, want = append(lines, line), append(want, argv)
		}
	}
	if len(lines) < 50 {
		t.Fatalf("only %d lines were accepted: the test tests nothing", len(lines))
	}
	for _, sh := range shells(t) {
		got := askShells(t, sh, lines)
		if len(got) != len(want) {
			t.Fatalf("%s: %d answers to %d lines", sh, len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%s splits %q into %q, Argv into %q", sh, lines[i], got[i], want[i])
			}
		}
	}
}

// TestQuoteWords holds that an argument list written for people means the same
// to a shell and to Argv.
func TestQuoteWords(t *testing.T) {
	var lines []string
	var want [][]string
	rapid.Check(t, func(rt *rapid.T) {
		argv := rapid.SliceOfN(rapid.StringMatching(`[a-z $'"\\=*~#{}é-]{0,6}`), 1, 4).Draw(rt, "argv")
		line := quoteWords(argv)
		lines, want = append(lines, line), append(want, argv)
		if got, result := splitWords("x " + line); result != words || !slices.Equal(got[1:], argv) {
			rt.Fatalf("splitWords(%q) = %q, want %q", line, got, argv)
		}
	})
	for _, sh := range shells(t) {
		if got := askShells(t, sh, lines); !reflect.DeepEqual(got, want) {
			t.Errorf("%s does not read back what quoteWords writes", sh)
		}
	}
}

package procfs

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                                  "",
		"\x00":                              "",
		"bash\x00":                          "bash",
		"python3\x00-m\x00http.server\x00":  "python3 -m http.server",
		"sh\x00-c\x00echo a b\x00":          "sh -c 'echo a b'",
		"a\x00\x00b\x00":                    "a '' b",
		"a\x00it's\x00":                     `a 'it'\''s'`,
		"a\x00x\ny\x1b[31m\x00":             `a $'x\ny\x1b[31m'`,
		"a\x00é\xff\x00":                    `a $'é\xff'`,
		"a\x00é\x00":                        "a 'é'",
		"nginx: worker process\x00\x00\x00": "nginx: worker process",
		"nginx: worker process          ":   "nginx: worker process",
		"evil\x1b]0;title\x07":              `$'evil\x1b]0;title\x07'`,
		"a\x00'\\\n\x00":                    `a $'\'\\\n'`,
		"a\x00\u202e\x00":                   `a $'\xe2\x80\xae'`,
	} {
		if got := CommandLine([]byte(args)); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

// A shell reads back what was written.
func TestCommandLineIsForShells(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	args := []string{"printf", "%s|", "plain", "two words", "", "it's", "\\", "$HOME", "a\tb\nc", "é", "\xff", "`x`", "*", "~", "-n", "a=b", "#"}
	line := CommandLine([]byte(strings.Join(args, "\x00") + "\x00"))
	out, err := exec.Command(bash, "-c", line).Output()
	if err != nil {
		t.Fatal(line, err)
	}
	if want := strings.Join(args[2:], "|") + "|"; string(out) != want {
		t.Errorf("%s gave %q, want %q", line, out, want)
	}
}

func FuzzCommandLine(f *testing.F) {
	f.Add([]byte("sh\x00-c\x00echo a b\x00"))
	f.Add([]byte("a\x00\x1b[31m\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := CommandLine(b)
		for _, r := range s {
			if !unicode.IsPrint(r) {
				t.Errorf("%q: %q is not printable", b, s)
			}
		}
	})
}

package message

import (
	"os"
	"strings"
	"testing"
)

// program is a message as a program printed it.
type program struct{ name, want, text string }

// programs reads testdata/programs.txt: "#### PROGRAM VERSION: READINGS", and what
// it printed, up to the next such line; of a program that was not run for it, what
// its source or its users say that it prints. Addresses are those of a network
// namespace in which nothing listened at them, or a server reset, was silent or
// spoke something else. There are no readings where the message has no address
// that belongs to its failure.
func programs(t testing.TB) []program {
	t.Helper()
	b, err := os.ReadFile("testdata/programs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []program
	for part := range strings.SplitSeq("\n"+string(b), "\n#### ") {
		head, text, _ := strings.Cut(part, "\n")
		if name, want, ok := strings.Cut(head, ": "); ok {
			all = append(all, program{name, want, strings.TrimSpace(text)})
		} else if name, ok := strings.CutSuffix(head, ":"); ok {
			all = append(all, program{name, "", strings.TrimSpace(text)})
		}
	}
	return all
}

// TestPrograms reads what programs printed that were run for it.
func TestPrograms(t *testing.T) {
	list := programs(t)
	if len(list) < 100 {
		t.Fatalf("%d messages", len(list))
	}
	for _, p := range list {
		if got := all(p.text); got != p.want {
			t.Errorf("%s:\n%s\n got %q\nwant %q", p.name, p.text[:min(len(p.text), 600)], got, p.want)
		}
	}
}

// TestProgramsInLogs reads the same where the message is the end of a long log,
// where each line has a colour, the name of a container, or the end that Windows
// writes, and where it is a string of JSON.
func TestProgramsInLogs(t *testing.T) {
	log := strings.Repeat("10.1.2.3 - - [29/Nov/2026:15:14:50 +0000] \"GET /items?page=3 HTTP/1.1\" 200 5120 \"-\" \"Mozilla/5.0\"\n", 200)
	each := func(before, after string) func(string) string {
		return func(s string) string {
			return before + strings.ReplaceAll(s, "\n", after+"\n"+before) + after
		}
	}
	for name, change := range map[string]func(string) string{
		"a long log":       func(s string) string { return log + s },
		"colours":          each("\x1b[31m", "\x1b[0m"),
		"a container":      each("web-1  | ", ""),
		"CRLF":             each("", "\r"),
		"a log of systemd": each("Nov 29 15:14:50 box app[4711]: ", ""),
	} {
		for i, p := range programs(t) {
			if p.want == "" || name == "a long log" && i%10 != 0 || len(p.text) > 600 {
				continue
			}
			if got := all(change(p.text)); got != p.want {
				t.Errorf("%s in %s:\n%s\n got %q\nwant %q", p.name, name, p.text[:min(len(p.text), 300)], got, p.want)
			}
		}
	}
}

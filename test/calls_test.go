package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sequences are the lines that testdata/calls printed, by sequence.
type sequences struct {
	names []string
	lines map[string][]string
}

func parseCalls(t *testing.T, out string) sequences {
	t.Helper()
	s := sequences{lines: make(map[string][]string)}
	for line := range strings.Lines(out) {
		name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
		if !ok || strings.HasPrefix(text, "python: ") || strings.HasPrefix(text, "ended with ") {
			t.Fatalf("a sequence failed: %s", line)
		}
		if _, ok := s.lines[name]; !ok {
			s.names = append(s.names, name)
		}
		s.lines[name] = append(s.lines[name], text)
	}
	if len(s.names) < 100 {
		t.Fatalf("%d sequences, want more than a hundred:\n%s", len(s.names), out)
	}
	return s
}

// TestCallsAsOnLinux makes the same sequences of socket calls on plain Linux
// and inside homes, as the same user, each in a network namespace of its own,
// and compares each answer. What may differ stands in callExceptions.
func TestCallsAsOnLinux(t *testing.T) {
	t.Parallel()
	needRoot(t)
	python(t)
	need(t, "setpriv")
	used := make([]bool, len(callExceptions()))
	for _, engine := range []string{ebpf, seccomp} {
		var plain sequences
		for _, isolation := range []string{"overlay", "strict"} {
			t.Run(engine+" "+isolation, func(t *testing.T) {
				e := newEnv(t, engine)
				p := e.project("calls")
				for _, name := range []string{"calls.py", "kit.py"} {
					text, err := os.ReadFile(filepath.Join("testdata", "calls", name))
					if err != nil {
						t.Fatal(err)
					}
					p.write(name, string(text))
				}
				if plain.names == nil {
					e.into(lone(t, "c"+engine))
					plain = parseCalls(t, e.as(e.environ, p.dir, systemPython, "calls.py").ok(t))
				}
				e.into(lone(t, "c"+engine+isolation))
				inside := parseCalls(t, p.lodge("exec", "--engine", engine, "--isolation", isolation, "--", systemPython, "calls.py").ok(t))
				if q, _ := p.info(); q.Engine != "" && q.Engine != engine {
					t.Fatalf("engine %s (%s), want %s", q.Engine, q.EngineReason, engine)
				}
				compareCalls(t, engine, isolation, plain, inside, used)
			})
		}
	}
	if t.Failed() {
		return
	}
	for i, x := range callExceptions() {
		if !used[i] && !x.sometimes {
			t.Errorf("nothing differs any more by the exception %q: remove it", x.reason)
		}
	}
}

// homeAddress is any home's own address.
var homeAddress = regexp.MustCompile(`127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+|fd6c:6f64:6765:[0-9a-f:]+`)

func compareCalls(t *testing.T, engine, isolation string, plain, inside sequences, used []bool) {
	t.Helper()
	all := callExceptions()
	for _, name := range plain.names {
		want, got := plain.lines[name], inside.lines[name]
		for i := range max(len(want), len(got)) {
			w, g := at(want, i), homeAddress.ReplaceAllString(at(got, i), "HOME")
			if w == g {
				continue
			}
			ok := false
			for k, x := range all {
				if x.allows(engine, isolation, name, w, g) {
					ok, used[k] = true, true
					break
				}
			}
			if !ok {
				t.Errorf("%s, line %d:\n  on Linux: %s\n  inside:   %s", name, i+1, w, g)
			}
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

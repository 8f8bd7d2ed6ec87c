package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// As apt-cache search prints them, in no order.
const offered = `linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-47-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-47-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-50-rt-amd64 - Linux 6.1 for 64-bit PCs (signed), PREEMPT_RT
linux-image-6.12-amd64 - Linux for 64-bit PCs (meta-package)
linux-image-6.12.117+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.90+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.90+deb12.1-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.9.7+bpo-amd64 - Linux 6.9 for 64-bit PCs (signed)
linux-image-6.9.10+bpo-amd64 - Linux 6.9 for 64-bit PCs (signed)
linux-image-amd64 - Linux for 64-bit PCs (meta-package)
linux-image-amd64-signed-template - Template for signed linux-image packages for amd64
`

func TestNewest(t *testing.T) {
	for series, want := range map[string]string{
		"6.1":  "6.1.0-47-amd64",
		"6.12": "6.12.117+deb12-amd64",
		"6.9":  "6.9.10+bpo-amd64",
		"6":    "6.12.117+deb12-amd64",
		"5.10": "",
	} {
		if got := newest(offered, series); got != want {
			t.Errorf("newest of %s: %q, want %q", series, got, want)
		}
	}
	// A point release beside its predecessor.
	two := strings.Join(strings.Split(offered, "\n")[6:8], "\n")
	if got := newest(two, "6.12"); got != "6.12.90+deb12.1-amd64" {
		t.Errorf("newest of\n%s\nis %q", two, got)
	}
}

func TestChoose(t *testing.T) {
	all := []suite{{name: "a", part: "^TestA$"}, {name: "b", run: "^TestB"}, {name: "ab", run: "^Test", part: "^TestX$"}}
	for _, tt := range []struct {
		part bool
		only string
		want string
	}{{false, "", "a: b:^TestB ab:^Test"}, {true, "", "a:^TestA$ ab:^TestX$"}, {false, "b$", "b:^TestB ab:^Test"}, {true, "c", ""}} {
		var got []string
		for _, s := range choose(all, tt.part, regexp.MustCompile(tt.only)) {
			got = append(got, s.name+":"+s.run)
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("part %t, only %q: %s, want %s", tt.part, tt.only, g, tt.want)
		}
	}
}

// Each suite is of a package that exists, and its patterns name tests that do:
// a test that was renamed must not leave the plan unseen.
func TestPlan(t *testing.T) {
	names := make(map[string]bool)
	for _, s := range suites() {
		if names[s.name] || s.limit == 0 {
			t.Errorf("suite %s: its name is another's too, or it has no limit", s.name)
		}
		names[s.name] = true
		files, err := filepath.Glob(filepath.Join("..", "..", s.pkg, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("suite %s: package %s has no tests (%v)", s.name, s.pkg, err)
			continue
		}
		var text []byte
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, b...)
		}
		for _, pattern := range []string{s.run, s.skip, s.part} {
			pattern, _, _ = strings.Cut(pattern, "/") // what follows are names of subtests
			for _, name := range strings.FieldsFunc(pattern, func(r rune) bool { return strings.ContainsRune("^$|()", r) }) {
				if !bytes.Contains(text, []byte("\nfunc "+name)) {
					t.Errorf("suite %s: package %s has no %s", s.name, s.pkg, name)
				}
			}
		}
	}
}

// The script is what a shell makes of it: patterns reach the programs whole,
// and a program that fails does not keep the next one from running.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, outputDir)
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	todo := []suite{{name: "one", pkg: "internal/one", run: "^(TestA|TestB)$"}, {name: "two", pkg: "internal/two"}}
	for i, s := range todo {
		if err := os.MkdirAll(filepath.Join(dir, "module", s.pkg), 0o755); err != nil {
			t.Fatal(err)
		}
		program := "#!/bin/sh\npwd; printf '<%s>\\n' \"$@\"; exit " + string(rune('3'-i)) + "\n"
		if err := os.WriteFile(filepath.Join(dir, s.binary()), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer(workInside, dir, programsInside, t.TempDir()).Replace(script(filepath.Join(dir, "module"), todo))
	console, err := exec.Command("bash", "-c", text).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, console)
	}
	for file, want := range map[string]string{
		"one.status": "3\n", "two.status": "2\n", "done": "\n",
		"one.out": filepath.Join(dir, "module/internal/one") + "\n<-test.v=test2json>\n<-test.timeout=0s>\n<-test.run=^(TestA|TestB)$>\n",
	} {
		if b, err := os.ReadFile(filepath.Join(out, file)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v; want %q", file, b, err, want)
		}
	}
	for _, want := range []string{mark + "booted", mark + "one: status 3, ", mark + "two: status 2, "} {
		if !strings.Contains(string(console), want) {
			t.Errorf("no %q on the console:\n%s", want, console)
		}
	}
}

// What a test program prints with -test.v=test2json.
const (
	goodOutput = "\x16=== RUN   TestA\n\x16--- PASS: TestA (0.01s)\n\x16=== RUN   TestS\n    a_test.go:1: not here\n\x16--- SKIP: TestS (0.00s)\n\x16PASS\n"
	badOutput  = "\x16=== RUN   TestA\n    a_test.go:1: wrong\n\x16--- FAIL: TestA (0.01s)\n\x16FAIL\n"
	panicked   = "\x16=== RUN   TestA\npanic: no\n"
	nothingRan = "testing: warning: no tests to run\n\x16PASS\n"
)

func TestReport(t *testing.T) {
	t.Chdir("../..")
	for _, tt := range []struct {
		name, out, status string
		ok                bool
		says              []string
	}{
		{"an unexpected skip", goodOutput, "0\n", false, []string{"TestS: a_test.go:1: not here (UNEXPECTED)", "kernel 6.1.0-1: 1 passed, 1 failed, 1 skipped"}},
		{"all is well", strings.Replace(goodOutput, "SKIP", "PASS", 1), "0\n", true, []string{"2 passed, 0 failed, 0 skipped"}},
		{"a failure", badOutput, "1\n", false, []string{"--- FAIL under 6.1.0-1: lodge/internal/pidfd/TestA", "a_test.go:1: wrong", "0 passed, 1 failed"}},
		{"a panic", panicked, "2\n", false, []string{"panic: no", "exit status 2"}},
		{"no test ran", nothingRan, "0\n", false, []string{"ran no test"}},
		{"the machine ended before it", goodOutput[:40], "", false, []string{"did not end"}},
		{"it never began", "", "", false, []string{"did not end"}},
		{"all pass, and the program fails", strings.Replace(goodOutput, "SKIP", "PASS", 1), "1\n", false, []string{"exit status 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for ext, text := range map[string]string{".out": tt.out, ".status": tt.status} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "x"+ext), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var b bytes.Buffer
			ok, err := report(&b, "6.1.0-1", dir, []suite{{name: "x", pkg: "internal/pidfd"}}, false)
			if err != nil || ok != tt.ok {
				t.Errorf("ok %t, %v; want %t\n%s", ok, err, tt.ok, b.String())
			}
			for _, want := range tt.says {
				if !strings.Contains(b.String(), want) {
					t.Errorf("no %q in:\n%s", want, b.String())
				}
			}
		})
	}
}

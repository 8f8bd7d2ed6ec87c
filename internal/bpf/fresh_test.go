package bpf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGeneratedIsFresh builds the programs again and compares: what is
// committed must be what its C says.
func TestGeneratedIsFresh(t *testing.T) {
	for _, tool := range []string{"clang", "llvm-strip", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs the program " + tool + " to build the eBPF object again")
		}
	}
	dir := t.TempDir()
	out, err := exec.Command("go", "tool", "bpf2go", "-output-dir", dir, "-go-package", "bpf", "-target", "bpfel",
		"-cflags", cflags, "home", "src/home.c").CombinedOutput()
	if err != nil {
		t.Fatalf("bpf2go: %v: %s", err, out)
	}
	for _, name := range []string{"home_bpfel.go", "home_bpfel.o"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what src says; run go generate ./internal/bpf", name)
		}
	}
}

// cflags are those of generate.go.
const cflags = "-O2 -g -Wall -Werror"

func TestGenerateDirective(t *testing.T) {
	b, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`go tool bpf2go -target bpfel -cflags "`+cflags+`" home src/home.c`)) {
		t.Errorf("generate.go does not say what TestGeneratedIsFresh does:\n%s", b)
	}
}

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
	var names []string
	for _, object := range objects {
		out, err := exec.Command("go", "tool", "bpf2go", "-output-dir", dir, "-go-package", "bpf", "-target", "bpfel",
			"-cflags", cflags(object), object, "src/"+object+".c").CombinedOutput()
		if err != nil {
			t.Fatalf("bpf2go: %v: %s", err, out)
		}
		names = append(names, object+"_bpfel.go", object+"_bpfel.o")
	}
	for _, name := range names {
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

// cflags are those of generate.go: unixtap needs an atomic addition that returns the value
// before it, which the instructions have since Linux 5.12.
func cflags(object string) string {
	if object == "unixtap" {
		return "-O2 -g -Wall -Werror -mcpu=v3"
	}
	return "-O2 -g -Wall -Werror"
}

// objects are those of generate.go.
var objects = []string{"home", "live", "tap", "secrets", "unixtap"}

func TestGenerateDirective(t *testing.T) {
	b, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if !bytes.Contains(b, []byte(`go tool bpf2go -target bpfel -cflags "`+cflags(object)+`" `+object+` src/`+object+`.c`)) {
			t.Errorf("generate.go does not say what TestGeneratedIsFresh does:\n%s", b)
		}
	}
}

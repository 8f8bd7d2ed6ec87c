package bpf

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
)

// maxStack is what a function of the programs may use: rounded up to 16 it is less than
// the 64 bytes from which on the kernel gives a private stack (BPF_PRIV_STACK_MIN_SIZE).
const maxStack = 48

// TestSecretsStack holds what keeps the programs off the kernel's private stacks.
func TestSecretsStack(t *testing.T) {
	spec, err := loadSecrets()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range spec.Programs {
		deepest, function := int64(0), ""
		check := func(depth int64) {
			if depth < deepest {
				deepest = depth
			}
			if depth < -maxStack {
				t.Errorf("%s: %s uses %d bytes of stack, more than %d", name, function, -depth, maxStack)
			}
		}
		var copies [asm.R10 + 1]bool // registers that are the frame pointer
		for _, ins := range p.Instructions {
			if s := ins.Symbol(); s != "" {
				function, copies = s, [asm.R10 + 1]bool{asm.R10: true}
			}
			op := ins.OpCode
			switch {
			case op.Class().IsLoad() && ins.Src == asm.R10, op.Class().IsStore() && ins.Dst == asm.R10:
				check(int64(ins.Offset))
			case op.Class().IsALU() && op.ALUOp() == asm.Mov:
				copies[ins.Dst] = op.Source() == asm.RegSource && ins.Src == asm.R10
			case op.Class().IsALU() && op.ALUOp() == asm.Add && copies[ins.Dst]:
				check(ins.Constant)
			}
		}
		if deepest == 0 {
			t.Errorf("%s: no use of the stack was found, which it has", name)
		}
		t.Logf("%s: %d bytes of stack", name, -deepest)
	}
	if len(spec.Programs) != 3 {
		t.Errorf("%d programs", len(spec.Programs))
	}
}

// TestDetachForks: while probes are taken out, by several clients at once, processes of the
// machine fork.
func TestDetachForks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
	const clients, each = 4, 8
	file, err := os.Create(filepath.Join(t.TempDir(), "program"))
	if err == nil {
		err = file.Truncate(1 << 16) // nobody executes it
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	turn := NewTurn()
	var all []*Secrets
	for range clients {
		s, err := OpenSecrets(SecretsSpec{AllUsers: true, RingBytes: os.Getpagesize(), Turn: turn})
		if errors.Is(err, ErrNoUprobes) {
			t.Skip("no uprobes here: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range each {
			if err := s.Attach(file, SecretGo, 4096); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, s)
	}
	began := time.Now()
	var detaching group
	for _, s := range all {
		detaching.do(s.Detach)
	}
	detached := make(chan error, 1)
	go func() { detached <- detaching.wait() }()
	for forks := 0; ; forks++ {
		select {
		case err := <-detached:
			took := time.Since(began)
			if err != nil {
				t.Error(err)
			}
			// Where it takes no time, nobody is kept waiting.
			if forks == 0 && took > 2*time.Second {
				t.Errorf("%d processes were started in %v while probes were taken out", forks, took)
			}
			t.Logf("%d processes in %v", forks, took)
			return
		default:
			if err := exec.Command("/bin/true").Run(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestKernelsWithoutUprobes(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-44-amd64":    "",
		"6.12.90+deb13":     "",
		"6.18.44":           "",
		"7.0.0-22-generic":  "issues/3056",
		"7.0":               "issues/3056",
		"7.1.2":             "",
		"10.0.1":            "",
		"5.19.0-50-generic": "came with 6.0",
		"unknown":           "cannot be read",
		"6.x":               "cannot be read",
	} {
		err := uprobesAllowedOn(release)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", release, err)
		case want != "" && (!errors.Is(err, ErrNoUprobes) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", release, err, want)
		}
	}
	for _, r := range kernelsWithoutUprobes {
		if !less(r.from, r.to) || r.reason == "" || !strings.HasPrefix(r.reference, "https://") {
			t.Errorf("%+v: no range, or it does not say why", r)
		}
	}
}

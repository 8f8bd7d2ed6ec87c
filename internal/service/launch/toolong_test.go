package launch

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWhyTooLong asks the kernel, and looks for the name of what it refused.
func TestWhyTooLong(t *testing.T) {
	value := strings.Repeat("secret", 1<<15)
	small := strings.Repeat("s", 100_000)
	many := []string{"LARGEST=" + small + strings.Repeat("s", 200)}
	for i := range 100 {
		many = append(many, "V"+strings.Repeat("x", i)+"="+small)
	}
	for _, c := range []struct {
		name      string
		argv, env []string
		want      string
	}{
		{"variable", []string{"true"}, []string{"A=1", "BIG=" + value}, "the variable BIG is larger than 128 KiB"},
		{"argument", []string{"true", "x", value}, []string{"A=1"}, "argument 2 of its command is larger than 128 KiB"},
		{"all", []string{"true"}, many, "largest variable is LARGEST, of 97 KiB"},
	} {
		cmd := exec.Command("/bin/true")
		cmd.Args, cmd.Env = c.argv, c.env
		err := cmd.Run()
		if err == nil {
			t.Fatalf("%s: it started", c.name)
		}
		cause, hint := WhyTooLong(err, c.argv, c.env)
		if got := cause + " (" + hint + ")"; !strings.Contains(got, c.want) || strings.Contains(got, "secret") || len(got) > 400 {
			t.Errorf("%s: %.500s", c.name, got)
		}
	}
	// One byte less than what is refused is passed on.
	cmd := exec.Command("/bin/true")
	cmd.Env = []string{"A=" + strings.Repeat("x", 128<<10-len("A=")-1)}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

package test

import (
	"os/exec"
	"strconv"
	"testing"
)

// hostCommand makes a command that runs as the tests themselves do, outside of
// every home.
func hostCommand(argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(inherited(), "LC_ALL=C")
	return cmd
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

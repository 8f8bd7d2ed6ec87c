package helper

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lodge/internal/rootowned"
)

// checkInstalled makes sure that only root can change the program that runs, or
// put another in its place: the file that the kernel executes, and the path by
// which it was started, which may lead there over links.
func checkInstalled() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmdline, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	started, _, _ := strings.Cut(string(cmdline), "\x00")
	return checkProgram(exe, started)
}

// checkProgram is checkInstalled of the program exe that was started as started.
// systemd starts it by an absolute path (systemd.service(5)).
func checkProgram(exe, started string) error {
	paths := []string{exe}
	if filepath.IsAbs(started) && started != exe {
		paths = append(paths, started)
	}
	for _, p := range paths {
		if err := rootowned.File(p); err != nil {
			return fmt.Errorf("check own program: %w; install it anew: sudo lodge setup", err)
		}
	}
	return nil
}

package scratch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build compiles programs of this module: file to write, package to build.
func Build(ctx context.Context, programs map[string]string) error {
	for to, pkg := range programs {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", to, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// InstallPeers runs bench/install, which puts what it does not install for
// the whole machine into dir.
func InstallPeers(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find module: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(strings.TrimSpace(string(out)), "bench/install"), dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install peers: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// AddLodge adds lodge's programs to a list for Build: lodge at the path,
// the others beside it.
func AddLodge(programs map[string]string, path string) {
	programs[path] = "lodge/cmd/lodge"
	for _, name := range []string{"lodged", "lodge-keeper", "lodge-helper"} {
		programs[filepath.Join(filepath.Dir(path), name)] = "lodge/cmd/" + name
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs that test/machine runs, beside the test programs.
var programs = map[string]string{
	"lodge": "./cmd/lodge", "lodged": "./cmd/lodged", "lodge-keeper": "./cmd/lodge-keeper", "lodge-helper": "./cmd/lodge-helper",
	"shop": "./examples/shop/cmd/shop", "tlspeer": "./test/testdata/tlspeer",
}

// build builds every test program and the programs that they run into the
// work directory, which is the machine's as well.
func build(ctx context.Context, work string, todo []suite) error {
	done := make(map[string]bool)
	for _, s := range todo {
		if done[s.binary()] {
			continue
		}
		done[s.binary()] = true
		if err := goBuild(ctx, "test", "-c", "-ldflags", "-s -w", "-o", filepath.Join(work, s.binary()), "./"+s.pkg); err != nil {
			return fmt.Errorf("build the tests of %s: %w", s.pkg, err)
		}
	}
	for name, pkg := range programs {
		if err := goBuild(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(work, name), pkg); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return os.Chmod(work, 0o755) // an ordinary user runs them too
}

func goBuild(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

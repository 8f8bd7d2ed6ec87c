// Command kernels runs what depends on the kernel under others than this
// machine's: Debian's 6.1 and 6.12, each in a machine of its own that QEMU
// makes (without KVM, so that it works everywhere) and systemd boots. That
// machine sees this one's file system, read-only with a layer in memory above
// it, and has a network of nothing but lo.
//
// Test programs are built here and run there: the packages of plan.go, and
// test/machine, whose tests need a machine that they may change. Nothing is
// skipped silently: skips count as in test/runner.
//
// It needs root, and what test/install installs. Kernels are kept in the
// user's cache directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	series := flag.String("series", "6.1,6.12", "the newest kernel of each of these `SERIES`")
	part := flag.Bool("part", false, "only the part that every change must pass: under four minutes")
	only := flag.String("only", "", "only the suites whose name matches this regular `EXPRESSION`")
	keep := flag.Bool("v", false, "print the output of every test")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, strings.Split(*series, ","), *part, *only, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, series []string, part bool, only string, verbose bool) error {
	if os.Geteuid() != 0 {
		return errors.New("start a machine: not root (hint: sudo make test-kernels)")
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	todo := choose(suites(), part, pattern)
	if len(todo) == 0 {
		return fmt.Errorf("no suite is called %s", only)
	}
	if err := havePrograms(); err != nil {
		return err
	}
	c, err := openCache()
	if err != nil {
		return err
	}
	// What cannot be fetched is said before anything is built.
	var kernels []kernel
	for _, s := range series {
		k, err := c.kernel(ctx, s)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", s, err)
		}
		kernels = append(kernels, k)
	}
	work, err := c.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	began := time.Now()
	if err := build(ctx, work, todo); err != nil {
		return err
	}
	fmt.Printf("built in %s\n", time.Since(began).Round(time.Second))
	var failed []string
	for _, k := range kernels {
		ok, err := underOne(ctx, k, work, todo, verbose)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", k.release, err)
		}
		if !ok {
			failed = append(failed, k.release)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("tests fail under %s", strings.Join(failed, " and "))
	}
	return nil
}

func underOne(ctx context.Context, k kernel, work string, todo []suite, verbose bool) (bool, error) {
	began := time.Now()
	fmt.Printf("\nkernel %s: %d suites\n", k.release, len(todo))
	out, err := newOutput(work)
	if err != nil {
		return false, err
	}
	m := machine{kernel: k, work: work, limit: limitOf(todo)}
	runErr := m.run(ctx, todo)
	if began, err := filepath.Glob(filepath.Join(out, "*")); runErr != nil && (err != nil || len(began) == 0) {
		return false, runErr
	}
	ok, err := report(os.Stdout, k.release, out, todo, verbose)
	if err := errors.Join(runErr, err); err != nil {
		return false, err
	}
	fmt.Printf("kernel %s: done in %s, with %s of processor time\n", k.release, time.Since(began).Round(time.Second), m.used.Round(time.Second))
	return ok, nil
}

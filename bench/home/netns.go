package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// needError says that something is missing on this machine.
type needError struct{ what string }

func (e *needError) Error() string { return e.what }

// pair is two network namespaces that are joined by a veth.
type pair struct{ a, b, addrA, addrB string }

func (p pair) inA() []string { return []string{"ip", "netns", "exec", p.a} }
func (p pair) inB() []string { return []string{"ip", "netns", "exec", p.b} }

// newPair makes namespaces that are removed with the bench. Their addresses
// are those set aside for documentation (RFC 5737) and exist nowhere else.
func (b *bench) newPair(ctx context.Context) (pair, error) {
	if os.Geteuid() != 0 {
		return pair{}, &needError{"needs root"}
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return pair{}, &needError{"needs ip (Debian: iproute2)"}
	}
	id := fmt.Sprintf("lodge-bench-%d-", os.Getpid())
	p := pair{a: id + "a", b: id + "b", addrA: "192.0.2.1", addrB: "192.0.2.2"}
	for _, ns := range []string{p.a, p.b} {
		if err := ip(ctx, "netns", "add", ns); err != nil {
			return p, err
		}
		// The veth goes with the namespaces that it joins.
		b.w.later(func(ctx context.Context) error { return ip(ctx, "netns", "del", ns) })
	}
	for _, args := range [][]string{
		{"-n", p.a, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", p.b},
		{"-n", p.a, "addr", "add", p.addrA + "/30", "dev", "veth0"},
		{"-n", p.b, "addr", "add", p.addrB + "/30", "dev", "veth0"},
		{"-n", p.a, "link", "set", "veth0", "up"},
		{"-n", p.b, "link", "set", "veth0", "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return p, err
		}
	}
	return p, nil
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		if strings.Contains(string(out), "Operation not permitted") {
			return errors.Join(&needError{"may not make network namespaces"}, err)
		}
	}
	return err
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"lodge/bench/internal/scratch"
)

// pair is two network namespaces that are joined by a veth.
type pair struct{ a, b, addrA, addrB string }

func (p pair) inA() []string { return []string{"ip", "netns", "exec", p.a} }
func (p pair) inB() []string { return []string{"ip", "netns", "exec", p.b} }

// newPair makes namespaces that are removed with the bench. Their addresses
// are those set aside for documentation (RFC 5737) and exist nowhere else.
func (b *bench) newPair(ctx context.Context) (pair, error) {
	if os.Geteuid() != 0 {
		return pair{}, &scratch.NeedError{What: "needs root"}
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return pair{}, &scratch.NeedError{What: "needs ip (Debian: iproute2)"}
	}
	id := fmt.Sprintf("lodge-bench-%d-", os.Getpid())
	p := pair{a: id + "a", b: id + "b", addrA: "192.0.2.1", addrB: "192.0.2.2"}
	for _, ns := range []string{p.a, p.b} {
		if err := scratch.IP(ctx, "netns", "add", ns); err != nil {
			return p, err
		}
		// The veth goes with the namespaces that it joins.
		b.w.Later(func(ctx context.Context) error { return scratch.IP(ctx, "netns", "del", ns) })
	}
	for _, args := range [][]string{
		{"-n", p.a, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", p.b},
		{"-n", p.a, "addr", "add", p.addrA + "/30", "dev", "veth0"},
		{"-n", p.b, "addr", "add", p.addrB + "/30", "dev", "veth0"},
		{"-n", p.a, "link", "set", "veth0", "up"},
		{"-n", p.b, "link", "set", "veth0", "up"},
	} {
		if err := scratch.IP(ctx, args...); err != nil {
			return p, err
		}
	}
	return p, nil
}

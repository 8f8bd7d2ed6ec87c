package gather

import (
	"context"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/limits"
)

// bounds on what is looked at one by one.
const (
	maxTargets   = 4
	maxPeers     = 64
	maxProcesses = 16
)

// findTargets finds out which addresses are meant.
func findTargets(ctx context.Context, f *facts.Facts, src Source) {
	hosts := src.Hosts
	if hosts == "" {
		hosts = "/etc/hosts"
	}
	for _, ip := range f.Question.IPs {
		f.Targets = append(f.Targets, ip.Unmap())
	}
	if f.Question.Name != "" {
		if src.Name != nil {
			f.Name = src.Name(f.Question.Name)
		}
		if n := f.Name; n != nil && n.Service != nil && n.Service.PID != 0 {
			n.Service.Limits = limits.Now(n.Service.PID)
		}
		if n := f.Name; n != nil && n.Domain == "localhost" && n.Port != 0 && !f.Question.HasPort {
			f.Question.Port, f.Question.HasPort, f.Implied = n.Port, true, true
		}
		f.Resolution = resolve(ctx, f.Question.Name, hosts, f.IsLocal, f.Name)
		if f.Resolution.Source == "hosts file" && f.Name != nil {
			f.Name.Unresolved = ""
		}
		for _, ip := range f.Resolution.Addresses {
			if !slices.Contains(f.Targets, ip) {
				f.Targets = append(f.Targets, ip)
			}
		}
	}
	if len(f.Targets) > maxTargets {
		f.Targets = f.Targets[:maxTargets]
	}
}

package bind

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// PrivilegedPort finds that the port is one which only root may bind.
func PrivilegedPort() rule.Rule {
	return rule.Rule{
		Code: "privileged_port", Title: "below net.ipv4.ip_unprivileged_port_start, without CAP_NET_BIND_SERVICE",
		Weight: rule.OnErrors(2, "EACCES"),
		Show:   rule.Show{Hint: rule.HintOnFailure},
		Check: func(f *facts.Facts) []model.Finding {
			port, start := f.Question.Port, f.Kernel.UnprivilegedStart
			if port >= start || f.LowPorts && f.Question.Errno != "EACCES" {
				return nil
			}
			return []model.Finding{{
				Sure:    !f.LowPorts,
				Summary: fmt.Sprintf("Port %d is below %d, which only root and programs with CAP_NET_BIND_SERVICE may bind.", port, start),
				Evidence: []model.Evidence{
					{
						Kind: model.KindSysctl, Text: fmt.Sprintf("net.ipv4.ip_unprivileged_port_start is %d", start),
						Sysctl: &model.Sysctl{Name: "net.ipv4.ip_unprivileged_port_start", Value: fmt.Sprint(start)},
					},
					model.Fact(fmt.Sprintf("this is user %d", f.UID)),
				},
				Hint: fmt.Sprintf("use a port from %d up, run it inside a home (lodge run), or: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", max(start, 1024), port),
			}}
		},
	}
}

package ports

import (
	"context"
	"fmt"
	"os"
	"slices"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/sockets"
)

// mistaken is no success where nothing matches and a word was taken for a name:
// of a process, or of a project or service that there is not. Most likely it is
// none. That no socket listens on a port, or that a service does not, is an answer.
func (r *request) mistaken(l *daemonview.View, t *sockets.Snapshot) error {
	if t.Len() == 0 && (len(r.names()) > 0 || r.unknownProject(l) != "") {
		return &kit.ExitError{Code: kit.ExitNotDone}
	}
	return nil
}

// unknownProject returns the first word that means a project, or a service, that
// there is not.
func (r *request) unknownProject(l *daemonview.View) string {
	has := func(want filter.ProjectService) bool {
		return slices.ContainsFunc(l.Projects, func(p localapi.Project) bool {
			return p.Shown() == want.Project && (want.Service == "" || daemonview.IndexOf(p, want.Service) >= 0)
		})
	}
	var services, hosts []string
	query.Walk(r.filter, func(t *query.Term, _ bool) {
		v := t.Values[0]
		switch {
		case t.Bare && t.Field.ID == socketquery.Service && !has(filter.ProjectService{Project: v.Text, Service: v.Name}):
			services = append(services, t.Text)
		case t.Field.ID == socketquery.Host:
			if want, _ := filter.ReadHost(v.Text); !has(want) && l.Find(context.Background(), v.Text) == nil {
				hosts = append(hosts, v.Text)
			}
		}
	})
	for _, name := range append(services, hosts...) {
		return name
	}
	return ""
}

// printRemarks prints on standard error what the table does not.
func printRemarks(ctx context.Context, k *kit.Kit, r *request, l *daemonview.View, t *sockets.Snapshot, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(k.Err, "lodge: "+w)
	}
	if t.Len() == 0 {
		fmt.Fprintln(k.Err, "no socket matches"+r.meant(ctx, l))
	}
	unknownOwners(k, t.UnknownOwners())
}

// unknownOwners prints how many owners are not shown, and how they would be.
func unknownOwners(k *kit.Kit, n int) {
	if n == 0 {
		return
	}
	verb := "belong"
	if n == 1 {
		verb = "belongs"
	}
	whose := "processes of other users: sudo lodge ports, or lodge setup"
	if os.Geteuid() == 0 {
		whose = "processes that cannot be seen from here, such as those of another pid namespace"
	}
	fmt.Fprintf(k.Err, "%s %s to %s\n", show.Count(n, "socket", "sockets"), verb, whose)
}

// meant returns a hint where a word that was taken for a name is a word of a
// flag, and says of a service that it does not listen.
func (r *request) meant(ctx context.Context, l *daemonview.View) string {
	var services []filter.ProjectService
	query.Walk(r.resolved(ctx, l), func(t *query.Term, _ bool) {
		for _, v := range t.Values {
			if t.Field.ID == socketquery.Service && v.Text != "" {
				services = append(services, filter.ProjectService{Project: v.Text, Service: v.Name})
			}
		}
	})
	for _, want := range services {
		for _, p := range l.Projects {
			if i := daemonview.IndexOf(p, want.Service); i >= 0 && p.Shown() == want.Project && len(p.Services[i].Endpoints) == 0 {
				why := string(p.Services[i].State)
				if reason := p.Services[i].Reason; reason != "" {
					why += ", " + reason
				}
				return fmt.Sprintf(": %s/%s listens on nothing (%s)", p.Shown(), want.Service, why)
			}
		}
	}
	if name := r.unknownProject(l); name != "" {
		return fmt.Sprintf(": nothing that is up is called %s (hint: lodge ls)", name)
	}
	for _, n := range r.names() {
		for _, p := range l.Projects {
			if slices.ContainsFunc(p.Services, func(s service.Status) bool { return s.Name == n }) {
				return fmt.Sprintf(" a process or project %q (hint: lodge ports %s/%s)", n, p.Shown(), n)
			}
		}
		if s, err := filter.ParseState(n); err == nil {
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --state %s)", n, s)
		}
		if s, err := filter.ParseScope(n); err == nil {
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --scope %s)", n, s)
		}
		switch n {
		case "tcp", "udp", "unix":
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --%s)", n, n)
		}
	}
	return ""
}

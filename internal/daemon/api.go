package daemon

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"

	"lodge/internal/daemon/api"
	"lodge/internal/daemon/doctor"
	"lodge/internal/daemon/events"
	"lodge/internal/localapi"
	"lodge/internal/service"
	"lodge/internal/socketevents"
	"lodge/internal/sockets/holders"
)

// handler returns the API. ctx ends the operations that run for clients.
func (d *Daemon) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		api.Answer(w, localapi.Info{Version: d.cfg.Version, PID: os.Getpid(), StartedAt: d.started.UTC()}, nil)
	})
	mux.HandleFunc("GET /v1/projects", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, d.list(r.Context(), r.URL.Query().Get("all") == "true"), nil)
	})
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, r *http.Request) { api.Answer(w, d.names.Hosts(r.Context()), nil) })
	mux.HandleFunc("POST /v1/projects", d.openProject)
	mux.HandleFunc("POST /v1/projects/{id}/down", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, struct{}{}, d.projects.Down(r.Context(), r.PathValue("id"), r.URL.Query().Get("kill") == "true"))
	})
	mux.Handle("POST /v1/projects/{id}/share", d.serving.Shares())
	mux.HandleFunc("POST /v1/projects/{id}/lead", func(w http.ResponseWriter, r *http.Request) {
		l, err := d.serving.Lead(r.Context(), r.PathValue("id"), r.URL.Query().Get("name"))
		api.Answer(w, l, err)
	})
	mux.Handle("POST /v1/projects/{id}/services/{service}/share", d.serving.Shares())
	mux.HandleFunc("POST /v1/trust/environ", d.trustEnviron)
	d.operations(ctx).Register(mux)
	mux.Handle("GET /v1/owners", d.live)
	mux.Handle("GET /v1/events", d.events)
	mux.HandleFunc("GET /v1/doctor", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, d.doctor(r.Context()), nil)
	})
	// A reader of keys waits for what the daemon does, and does not keep it from its end.
	all := http.NewServeMux()
	all.Handle("GET "+localapi.KeysTarget, &d.keys)
	all.Handle("/", d.activity.count(mux))
	return all
}

func (d *Daemon) openProject(w http.ResponseWriter, r *http.Request) {
	var req localapi.OpenRequest
	if !api.Read(w, r, api.MaxRequest, &req) {
		return
	}
	p, err := d.opened(r.Context(), req)
	api.Answer(w, p, err)
}

// opened opens a project, and returns it as it is listed, with what the client
// that opens it should be told.
func (d *Daemon) opened(ctx context.Context, req localapi.OpenRequest) (localapi.Project, error) {
	p, err := d.projects.Open(ctx, req)
	if err != nil {
		return localapi.Project{}, err
	}
	st := p.State()
	d.serving.Address(&st)
	st.Notice = p.Notice()
	return st, nil
}

// list returns the projects that are up; with all, also those that are only
// remembered.
func (d *Daemon) list(ctx context.Context, all bool) localapi.Projects {
	out := localapi.Projects{Projects: []localapi.Project{}}
	open := make(map[string]bool)
	for _, st := range d.projects.States(ctx) {
		d.serving.Address(&st)
		out.Projects = append(out.Projects, st)
		open[st.Path] = true
	}
	known, warnings := d.store.List()
	out.Warnings = append(warnings, d.names.Warnings()...)
	if all {
		for _, k := range known {
			if !open[k.Path] {
				out.Projects = append(out.Projects, localapi.Project{
					PathBase64: localapi.NotUTF8(k.Path),
					ID:         k.ID, Name: k.Name, Label: d.store.LabelOf(k.Path), Path: k.Path, Home: k.Home.String(), State: "down",
					Services: []service.Status{}, LogDir: d.projects.LogDir(k.ID),
				})
			}
		}
	}
	slices.SortFunc(out.Projects, func(a, b localapi.Project) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Path, b.Path)
	})
	return out
}

// operations returns the operations that the API has. They ask this daemon as a
// command would, and run until ctx ends.
func (d *Daemon) operations(ctx context.Context) *api.Operations {
	return &api.Operations{
		Daemon: self{d}, Account: accountEnviron(d.cfg.Path), Version: d.cfg.Version, Context: ctx,
	}
}

// doctor reports what works here.
func (d *Daemon) doctor(ctx context.Context) localapi.Doctor {
	_, warnings := d.store.List()
	return doctor.Examine(ctx, doctor.Options{
		Version: d.cfg.Version, StateDir: d.cfg.Dirs.State, Keeper: d.cfg.Keeper, HostsFile: d.cfg.HostsFile,
		Helper: d.helper, Engines: d.engines, Names: d.names, Web: d.serving.Web(), Warnings: warnings,
	})
}

// sources returns what publishes events beside the keepers and the daemon itself.
func (d *Daemon) sources() []events.Source {
	all := d.cfg.Sources
	if d.cfg.SocketInterval > 0 {
		all = append(all[:len(all):len(all)], socketevents.New(socketevents.Options{
			Interval: d.cfg.SocketInterval, Homes: d.homes,
			Live: localapi.New(d.cfg.Dirs.Socket()), // as for any other reader of the table
		}))
	}
	return all
}

// homes returns the homes of the projects that are up, as their keepers told them last.
func (d *Daemon) homes() []holders.Home {
	var ps []localapi.Project
	for _, p := range d.projects.All() {
		st := p.State()
		d.serving.Address(&st)
		ps = append(ps, st)
	}
	return localapi.Homes(ps)
}

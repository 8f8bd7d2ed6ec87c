package daemon

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"

	"lodge/internal/daemon/api"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		api.Answer(w, localapi.Info{Version: d.cfg.Version, PID: os.Getpid(), StartedAt: d.started}, nil)
	})
	mux.HandleFunc("GET /v1/projects", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, d.list(r.Context(), r.URL.Query().Get("all") == "true"), nil)
	})
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, r *http.Request) { api.Answer(w, d.hostNames(r.Context()), nil) })
	mux.HandleFunc("POST /v1/projects", d.openProject)
	mux.HandleFunc("POST /v1/projects/{id}/down", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, struct{}{}, d.down(r.Context(), r.PathValue("id"), r.URL.Query().Get("kill") == "true"))
	})
	mux.HandleFunc("POST /v1/projects/{id}/share", d.share)
	mux.HandleFunc("POST /v1/projects/{id}/lead", func(w http.ResponseWriter, r *http.Request) {
		l, err := d.leadOf(r.Context(), r.PathValue("id"), r.URL.Query().Get("name"))
		api.Answer(w, l, err)
	})
	mux.HandleFunc("POST /v1/projects/{id}/services/{service}/share", d.share)
	d.operations().Register(mux)
	mux.HandleFunc("GET /v1/owners", d.getOwners)
	mux.HandleFunc("GET /v1/events", d.events.serve)
	mux.HandleFunc("GET /v1/doctor", func(w http.ResponseWriter, r *http.Request) {
		api.Answer(w, d.doctor(r.Context()), nil)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.active++
		d.mu.Unlock()
		defer func() {
			d.mu.Lock()
			d.active--
			d.mu.Unlock()
			d.touch()
		}()
		mux.ServeHTTP(w, r)
	})
}

func (d *Daemon) openProject(w http.ResponseWriter, r *http.Request) {
	var req localapi.OpenRequest
	if !api.Read(w, r, api.MaxRequest, &req) {
		return
	}
	p, err := d.opened(r.Context(), req)
	api.Answer(w, p, err)
}

// opened opens a project, and returns it as it is listed, with what the one who
// opens it should be told.
func (d *Daemon) opened(ctx context.Context, req localapi.OpenRequest) (localapi.Project, error) {
	p, err := d.open(ctx, req)
	if err != nil {
		return localapi.Project{}, err
	}
	st := p.state()
	d.address(&st)
	if why := p.notice.Swap(nil); why != nil {
		st.Notice = *why
	}
	return st, nil
}

// list returns the projects that are up; with all, also those that are only
// remembered.
func (d *Daemon) list(ctx context.Context, all bool) localapi.Projects {
	out := localapi.Projects{Projects: []localapi.Project{}}
	open := make(map[string]bool)
	for _, st := range d.states(ctx) {
		out.Projects = append(out.Projects, st)
		open[st.Path] = true
	}
	known, warnings := d.store.list()
	out.Warnings = append(warnings, d.naming.warnings()...)
	if all {
		for _, k := range known {
			if !open[k.Path] {
				out.Projects = append(out.Projects, localapi.Project{
					PathBase64: localapi.NotUTF8(k.Path),
					ID:         k.ID, Name: k.Name, Label: d.store.labelOf(k.Path), Path: k.Path, Home: k.Home.String(), State: "down",
					Services: []service.Status{}, LogDir: d.logDir(k.ID),
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
// command would, and run until its server is shut down.
func (d *Daemon) operations() *api.Operations {
	return &api.Operations{
		Daemon: self{d}, Account: accountEnviron(d.cfg.Path), TrustDir: d.cfg.Dirs.Trust(), Version: d.cfg.Version, Context: d.serveCtx,
	}
}

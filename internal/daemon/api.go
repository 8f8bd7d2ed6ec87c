package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"lodge/internal/localapi"
	"lodge/internal/rawjson"
	"lodge/internal/service"
	"lodge/internal/stall"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 1 << 20

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, localapi.Info{Version: d.cfg.Version, PID: os.Getpid(), StartedAt: d.started}, nil)
	})
	mux.HandleFunc("GET /v1/projects", d.listProjects)
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, r *http.Request) { answer(w, d.hostNames(r.Context()), nil) })
	mux.HandleFunc("POST /v1/projects", d.openProject)
	mux.HandleFunc("POST /v1/projects/{id}/down", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, d.down(r.Context(), r.PathValue("id"), r.URL.Query().Get("kill") == "true"))
	})
	mux.HandleFunc("POST /v1/projects/{id}/share", d.share)
	mux.HandleFunc("POST /v1/projects/{id}/lead", func(w http.ResponseWriter, r *http.Request) {
		l, err := d.leadOf(r.Context(), r.PathValue("id"), r.URL.Query().Get("name"))
		answer(w, l, err)
	})
	mux.HandleFunc("POST /v1/projects/{id}/services/{service}/share", d.share)
	mux.HandleFunc("GET /v1/owners", d.getOwners)
	mux.HandleFunc("GET /v1/events", d.events.serve)
	mux.HandleFunc("GET /v1/doctor", func(w http.ResponseWriter, r *http.Request) {
		answer(w, d.doctor(r.Context()), nil)
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

// answer writes v, or the error as a body of its own.
func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = rawjson.Write(w, v) // the client may be gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	var e *localapi.Error
	var why *stall.Error
	switch {
	case errors.As(err, &e):
	case errors.As(err, &why):
		e = &localapi.Error{Message: err.Error(), Hint: why.Hint()}
	default:
		e = &localapi.Error{Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = rawjson.Write(w, e) // the client may be gone
}

func (d *Daemon) openProject(w http.ResponseWriter, r *http.Request) {
	var req localapi.OpenRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	err := dec.Decode(&req)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return
	}
	rawjson.Restore(&req)
	p, err := d.open(r.Context(), req)
	if err != nil {
		answer(w, nil, err)
		return
	}
	st := p.state()
	d.address(&st)
	if why := p.notice.Swap(nil); why != nil {
		st.Notice = *why
	}
	answer(w, st, nil)
}

func (d *Daemon) listProjects(w http.ResponseWriter, r *http.Request) {
	out := localapi.Projects{Projects: []localapi.Project{}}
	open := make(map[string]bool)
	for _, st := range d.states(r.Context()) {
		out.Projects = append(out.Projects, st)
		open[st.Path] = true
	}
	known, warnings := d.store.list()
	out.Warnings = append(warnings, d.naming.warnings()...)
	if r.URL.Query().Get("all") == "true" {
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
	answer(w, out, nil)
}

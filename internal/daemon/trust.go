package daemon

import (
	"net/http"

	"lodge/internal/daemon/api"
	"lodge/internal/localapi"
	"lodge/internal/trust"
)

func (d *Daemon) trustEnviron(w http.ResponseWriter, r *http.Request) {
	var req localapi.TrustRequest
	if !api.Read(w, r, api.MaxRequest, &req) {
		return
	}
	api.Answer(w, d.trusted(req.Set), nil)
}

// trusted returns what makes a program trust the HTTPS names that has the variables
// of these names already.
func (d *Daemon) trusted(set []string) localapi.TrustEnviron {
	t := localapi.TrustEnviron{Environ: []string{}}
	authority, err := trust.Open(trust.Options{Dir: d.cfg.Dirs.Trust()})
	if err == nil {
		var environ []string
		environ, err = authority.Env(set)
		t.Environ = append(t.Environ, environ...)
	}
	if err != nil {
		t.Problem = err.Error()
	}
	return t
}

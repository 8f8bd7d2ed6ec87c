package supervisor

import (
	"fmt"
	"strings"

	"lodge/internal/refs"
	"lodge/internal/service"
)

// environment is a service with the variables of its programs. A service is told
// at its start where those that it needs listen. When one of these is started anew
// and listens elsewhere, what it was told is wrong, and it is restarted.
type environment struct{ condition }

// environ is the environment of a service's programs: what was given with its
// definition, what lodge knows, and over both what the service itself asks for.
func (r *environment) environ(sp service.Spec, base []string) ([]string, error) {
	env := service.MergeEnv(base, "LODGE_PROJECT="+r.sup.name, "LODGE_SERVICE="+sp.Name, "LODGE_HOME="+r.sup.spec.IP4.String())
	if sp.URL != "" {
		env = service.MergeEnv(env, "LODGE_URL="+sp.URL)
	}
	// Over what the shell has: an API_URL that was meant for another checkout
	// would lead there. What the file says counts more than either.
	env = service.MergeEnv(env, r.peerEnv(sp)...)
	if _, ok := service.Getenv(env, "PYTHONUNBUFFERED"); !ok {
		// Python keeps output back when it goes to a pipe.
		env = append(env, "PYTHONUNBUFFERED=1")
	}
	if _, ok := service.Getenv(env, "PATH"); !ok {
		env = append(env, "PATH="+service.DefaultPath)
	}
	port := sp.Port
	if l := r.currentLease(); l != nil {
		port = l.Port
	}
	if port != 0 {
		env = service.MergeEnv(env, fmt.Sprintf("PORT=%d", port))
	}
	own, err := r.expand(sp.Env)
	if err != nil {
		return nil, err
	}
	return r.sup.keyed(service.MergeEnv(env, own...), own, sp.KeyLog != "")
}

// peerEnv returns what a service is told of those that it needs: NAME_HOST,
// NAME_PORT and NAME_URL. One that listens nowhere, such as one that ran once,
// has none.
func (r *environment) peerEnv(sp service.Spec) []string {
	return r.sup.peersEnv(sp.Needs)
}

// expand puts facts of services in the place of the references in a service's
// own variables.
func (r *environment) expand(env []string) ([]string, error) {
	out := make([]string, 0, len(env))
	for _, kv := range env {
		v, err := refs.Expand(kv, r.sup.fact)
		if err != nil {
			name, _, _ := strings.Cut(kv, "=")
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// notePeers keeps where the services that are needed were when the process was
// started.
func (r *environment) notePeers(sp service.Spec) {
	peers := make(map[string]peer)
	for _, n := range sp.Needs {
		if p, err := r.sup.peerOf(n); err == nil {
			peers[n] = p
		}
	}
	r.mu.Lock()
	r.peers = peers
	r.mu.Unlock()
}

// wasTold reports whether the service was told this port of the one that it needs.
func (r *environment) wasTold(need string, port uint16) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.peers[need]
	return ok && p.port == port
}

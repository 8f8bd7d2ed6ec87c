package operation

import (
	"path/filepath"
	"syscall"

	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/refs"
	"lodge/internal/service"
)

// specs converts what lodge.toml or the Procfile says into definitions for the
// supervisor. st is the project as the daemon has it.
func specs(p *project.Project, st localapi.Project) []service.Spec {
	out := make([]service.Spec, 0, len(p.Services))
	for _, s := range p.Services {
		argv, _ := s.Argv()
		sp := service.Spec{
			Name: s.Name, Argv: argv, Command: s.Command, Dir: s.Dir,
			Env: s.Environ(), Needs: s.Needs,
			Watch: s.Watch, WatchRoot: s.Dir, WatchNoPolling: s.WatchFallback == project.WatchNone,
			HTTP: s.HTTP, HTTPSocket: s.HTTPSocket, URL: st.URLOf(s.Name),
			AutoPort: s.Port.IsAuto() || s.Listen.IsAuto(), Port: s.Port.Number(), Listen: s.Listen.IsSet(),
			Restart: string(s.Restart), StopGrace: s.StopGrace, ReadyTimeout: s.ReadyTimeout,
		}
		sp.Naming = service.Naming{
			Default: s.Name == p.Default, CrossSite: string(s.CrossSite), PlainHTTP: string(s.PlainHTTP), Host: s.Host,
			OnRequest: s.OnRequest, IdleMS: s.Idle.Milliseconds(), NoHTTP: s.NoHTTP,
		}
		for _, n := range s.Names {
			sp.PortNames = append(sp.PortNames, service.PortName{Name: n.Name, Port: n.Port})
		}
		if n := s.Listen.Number(); n != 0 {
			sp.Port = n
		}
		if n, ok := s.Signal().(syscall.Signal); ok {
			sp.StopSignal = int(n)
		}
		sp.Ready.HTTP, sp.Ready.TCP, sp.Ready.None = s.Ready.HTTP, s.Ready.TCP, s.Ready.None
		if s.Ready.Command != "" {
			sp.Ready.Command = []string{"/bin/sh", "-c", s.Ready.Command}
		}
		if s.Ready.Log != nil {
			sp.Ready.Log = s.Ready.Log.String()
		}
		if fromProcfile(p) {
			// A Procfile cannot say which processes listen.
			sp.Ready.Soft, sp.ReadyTimeout = true, 0
			sp.Env = quoted(sp.Env)
		}
		private(&sp, s, privateDir(st))
		sp.TTY = s.TTY
		out = append(out, sp)
	}
	return out
}

func fromProcfile(p *project.Project) bool {
	return filepath.Base(p.ConfigPath) == project.ProcfileName
}

// quoted keeps variables as they stand: foreman's .env refers to nothing.
func quoted(env []string) []string {
	out := make([]string, len(env))
	for i, kv := range env {
		out[i] = refs.Quote(kv)
	}
	return out
}

// commandVariables returns the variables that the project's file sets for a
// command inside.
func commandVariables(p *project.Project) []string {
	if fromProcfile(p) {
		return quoted(p.Environ())
	}
	return p.Environ()
}

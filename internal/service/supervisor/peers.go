package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/refs"
	"lodge/internal/service"
	"lodge/internal/service/launch"
)

// peer is where a service is reached from inside the home.
type peer struct {
	host   string // as an address without brackets
	port   uint16
	scheme string
}

func (p peer) url() string {
	return p.scheme + "://" + net.JoinHostPort(p.host, strconv.Itoa(int(p.port)))
}

func (p peer) fact(name string) (string, error) {
	switch name {
	case refs.Host:
		return p.host, nil
	case refs.Port:
		return strconv.Itoa(int(p.port)), nil
	case refs.URL:
		return p.url(), nil
	}
	return "", fmt.Errorf("no such fact: %s", name)
}

// errNoPort says that a service has no port by which it could be named.
var errNoPort = errors.New("it listens nowhere inside the home")

// directory reports where the services of a project are reached.
type directory struct{ endpointTable }

// peersEnv returns what a program is told of services: NAME_HOST, NAME_PORT and
// NAME_URL. One that listens nowhere, such as one that ran once, has none.
func (s *directory) peersEnv(names []string) []string {
	var out []string
	for _, n := range names {
		p, err := s.peerOf(n)
		if err != nil {
			continue
		}
		name := envName(n)
		out = append(out, name+"_HOST="+p.host, fmt.Sprintf("%s_PORT=%d", name, p.port), name+"_URL="+p.url())
	}
	return out
}

// fact returns what a reference stands for.
func (s *directory) fact(ref refs.Ref) (string, error) {
	if ref.Service == "" {
		return s.spec.IP4.String(), nil
	}
	p, err := s.peerOf(ref.Service)
	if err != nil {
		return "", err
	}
	return p.fact(ref.Fact)
}

// peerOf reports where a service of this project is reached.
func (s *directory) peerOf(name string) (peer, error) {
	s.mu.Lock()
	r := s.runners[name]
	eps := s.endpointsOf(name)
	s.mu.Unlock()
	if r == nil {
		return peer{}, errors.New("no such service")
	}
	sp, _ := r.definition()
	want := r.wantedPort(sp)
	if want == 0 {
		want = sp.Port
	}
	e, ok := service.ChooseEndpoint(eps, want)
	switch {
	case ok:
	case want != 0: // not yet there, but known
		e = loopback.Endpoint{Protocol: loopback.TCP, IP: s.spec.IP4, Port: want}
		if !s.inside.Capabilities().Translates {
			e.IP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	default:
		return peer{}, errNoPort
	}
	return peer{host: s.insideHost(e.IP), port: e.Port, scheme: service.Scheme(sp, e.Port)}, nil
}

// insideHost returns the address under which a program inside reaches ip: in a
// home that is localhost, as it would be without lodge.
func (s *directory) insideHost(ip netip.Addr) string {
	switch {
	case !s.inside.Capabilities().Translates && !ip.IsUnspecified():
		return ip.String()
	case ip.Is6() && !ip.Is4In6() && !ip.IsUnspecified():
		return "::1"
	}
	return "127.0.0.1"
}

// envName returns the name of a service as variables have it.
func envName(service string) string {
	return strings.ToUpper(strings.Map(func(c rune) rune {
		if c == '-' || c == '.' {
			return '_'
		}
		return c
	}, service))
}

// ExecEnv returns the environment of a command that is run inside by hand: base,
// where every service is reached that listens (NAME_HOST, NAME_PORT and
// NAME_URL), and over both own, which holds texts for [refs.Expand]. keyLog has it
// write the keys of its TLS connections.
func (s *directory) ExecEnv(base, own []string, keyLog bool) ([]string, error) {
	s.mu.Lock()
	names := slices.Clone(s.order)
	s.mu.Unlock()
	env := service.MergeEnv(base, "LODGE_PROJECT="+s.name, "LODGE_HOME="+s.spec.IP4.String())
	env = service.MergeEnv(env, s.peersEnv(names)...)
	set := make([]string, 0, len(own))
	for _, kv := range own {
		v, err := refs.Expand(kv, s.fact)
		if err != nil {
			name, _, _ := strings.Cut(kv, "=")
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		set = append(set, v)
	}
	env = service.MergeEnv(env, set...)
	if _, ok := service.Getenv(env, "PATH"); !ok {
		env = append(env, "PATH="+service.DefaultPath)
	}
	return s.keyed(env, set, keyLog)
}

// keyed returns an environment with which programs write the keys of their TLS
// connections, where that is asked for. own is what the project's file sets of it.
func (s *roster) keyed(env, own []string, asked bool) ([]string, error) {
	if !asked {
		return env, nil
	}
	path, err := s.keyLog()
	if err != nil {
		return nil, err
	}
	return launch.KeyLogEnv(env, own, path), nil
}

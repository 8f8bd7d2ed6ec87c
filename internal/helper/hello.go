package helper

import (
	"os"
	"sync"

	"lodge/internal/bpf"
	"lodge/internal/helperapi"
)

// prober keeps what the probes of one session said: a probe loads programs, so
// each is asked once. What could not be told is tried again.
type prober struct {
	mu           sync.Mutex // guards what follows; held while the kernel is probed
	probed       bool
	capabilities []helperapi.Capability
	liveMap      *helperapi.Capability
}

// probe returns what the engine ebpf needs, and the live map of sockets.
func (p *prober) probe() ([]helperapi.Capability, *helperapi.Capability) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probed {
		return p.capabilities, p.liveMap
	}
	p.probed, p.capabilities = true, nil
	for _, f := range bpf.Probe() {
		p.probed = p.probed && f.Status != bpf.Unknown
		p.capabilities = append(p.capabilities, helperapi.Capability{Name: f.Name, Status: string(f.Status), Reason: f.Reason})
	}
	f := bpf.ProbeLive()
	p.probed = p.probed && f.Status != bpf.Unknown
	p.liveMap = &helperapi.Capability{Name: f.Name, Status: string(f.Status), Reason: f.Reason}
	return p.capabilities, p.liveMap
}

// hello is the greeting. It probes only when it is asked to: a client may greet
// only to see whether the helper is alive.
func (s *session) hello(probe bool) *helperapi.Hello {
	h := &helperapi.Hello{Version: helperapi.Version, UID: s.uid, Pid: os.Getpid()}
	if probe {
		h.Capabilities, h.LiveMap = s.prober.probe()
	}
	return h
}

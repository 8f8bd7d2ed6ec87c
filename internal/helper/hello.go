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
	liveMap, tap *helperapi.Capability
}

// probe finds what the engine ebpf needs, the live map of sockets and the tap.
func (p *prober) probe(h *helperapi.Hello) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { h.Capabilities, h.LiveMap, h.Tap = p.capabilities, p.liveMap, p.tap }()
	if p.probed {
		return
	}
	p.probed, p.capabilities = true, nil
	for _, f := range bpf.Probe() {
		p.capabilities = append(p.capabilities, *p.one(f))
	}
	p.liveMap = p.one(bpf.ProbeLive())
	p.tap = p.one(bpf.ProbeTap())
}

// one is the answer of one probe.
func (p *prober) one(f bpf.Feature) *helperapi.Capability {
	p.probed = p.probed && f.Status != bpf.Unknown
	return &helperapi.Capability{Name: f.Name, Status: string(f.Status), Reason: f.Reason}
}

// hello is the greeting. It probes only when it is asked to: a client may greet
// only to see whether the helper is alive.
func (s *session) hello(probe bool) *helperapi.Hello {
	h := &helperapi.Hello{Version: helperapi.Version, UID: s.uid, Pid: os.Getpid()}
	if probe {
		s.prober.probe(h)
	}
	return h
}

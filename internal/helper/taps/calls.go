package taps

import (
	"fmt"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// StartUnix starts a tap of Unix sockets.
func (t *Taps) StartUnix(req helperapi.TapUnixRequest) (_ helperapi.TapReply, err error) {
	var none helperapi.TapReply
	if err := checkRing(req.RingBytes); err != nil {
		return none, err
	}
	if req.MaxCall < 0 || req.MaxCall > policy.UserRingBytes {
		return none, fmt.Errorf("start tap: %d bytes of each call", req.MaxCall)
	}
	spec := bpf.UnixSpec{AllUsers: policy.SeesPackets(t.uid), UID: t.uid, MaxCall: req.MaxCall, RingBytes: req.RingBytes, Reader: t.pid()}
	bytes, err := t.take(&spec.RingBytes)
	if err != nil {
		return none, err
	}
	ok := false
	defer func() {
		if !ok {
			t.all.usage.release(t.uid, bytes, nil)
		}
	}()
	ns, err := t.netns()
	if err != nil {
		return none, err
	}
	defer ns.Close()
	spec.Netns = ns
	one, err := bpf.OpenUnixTap(spec)
	if err != nil {
		if bpf.IsUnsupported(err) {
			return none, &UnsupportedError{err}
		}
		return none, err
	}
	ok = true
	return t.opened(&tap{one, nil, bytes}, helperapi.TapCalls, spec.RingBytes), nil
}

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
			t.all.usage.release(t.uid, 1, bytes, nil)
		}
	}()
	if err := t.all.enterUnix(t.uid); err != nil {
		return none, err
	}
	defer func() {
		if !ok {
			t.all.leaveUnix(t.uid)
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

// enterUnix notes one more tap of Unix sockets, of a user. leaveUnix must follow.
func (s *Shared) enterUnix(uid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := 0
	for _, n := range s.unix {
		all += n
	}
	most, own := policy.UnixTaps, policy.UnixTaps
	if uid != 0 {
		most, own = most-policy.SpareUnixTaps, policy.UserUnixTaps
	}
	switch {
	case all >= most:
		return &TooManyError{fmt.Sprintf("there are %d of Unix sockets, as many as there may be", all)}
	case s.unix[uid] >= own:
		return &TooManyError{fmt.Sprintf("user %d has %d of Unix sockets, as many as one may have", uid, s.unix[uid])}
	}
	s.unix[uid]++
	return nil
}

func (s *Shared) leaveUnix(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unix[uid]--; s.unix[uid] == 0 {
		delete(s.unix, uid)
	}
}

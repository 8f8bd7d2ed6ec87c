package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/homes"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// operation is how a request is read and done, and for whom.
type operation struct {
	rule   policy.Rule
	decode func(args json.RawMessage) (action, error)
}

// action is a request that was read.
type action struct {
	// key returns what the call is ordered by: calls of one key are done one after
	// the other, as they came; nil: by nothing.
	key func(*session) string
	// f is the action's file, which the call closes.
	do func(ctx context.Context, s *session, f *os.File) (outcome, error)
	// file came with the request, nil for most.
	file *os.File
}

// close closes the file.
func (a *action) close() {
	if a.file != nil {
		_ = a.file.Close() // only read from
	}
}

// of makes an operation's decoder: A is its type of request. key may be nil.
func of[A any](key func(*session, A) string, do func(context.Context, *session, A) (outcome, error)) func(json.RawMessage) (action, error) {
	return func(raw json.RawMessage) (action, error) {
		var args A
		if err := helperapi.DecodeArgs(raw, &args); err != nil {
			return action{}, err
		}
		a := action{do: func(ctx context.Context, s *session, _ *os.File) (outcome, error) { return do(ctx, s, args) }}
		if key != nil {
			a.key = func(s *session) string { return key(s, args) }
		}
		return a, nil
	}
}

// none is the type of requests without arguments.
type none struct{}

// operations returns what the helper can do, by name: an operation is in this
// table and in that of the policy.
func operations() map[string]operation {
	decoders := map[string]func(json.RawMessage) (action, error){
		helperapi.OpHello: of(nil, func(_ context.Context, s *session, a helperapi.HelloRequest) (outcome, error) {
			return outcome{hello: s.hello(a.Probe)}, nil
		}),
		helperapi.OpCreateHome: of(
			func(s *session, a helperapi.CreateHomeRequest) string { return homeKey(s.uid, a.IP4) },
			createHome,
		),
		helperapi.OpEnter: of(
			func(s *session, a helperapi.EnterRequest) string { return homeKey(s.uid, a.IP4) },
			func(_ context.Context, s *session, a helperapi.EnterRequest) (outcome, error) {
				return outcome{}, s.homes.Enter(a.IP4, a.Pid)
			}),
		helperapi.OpRemoveHome: of(
			func(s *session, a helperapi.RemoveHomeRequest) string {
				uid, ip4, ok := homes.Key(a.Path)
				if !ok || !policy.Allows(helperapi.OpRemoveHome, s.uid, uid) {
					uid, ip4 = s.uid, netip.Addr{} // it is refused, and waits for no other user
				}
				return homeKey(uid, ip4)
			},
			func(ctx context.Context, s *session, a helperapi.RemoveHomeRequest) (outcome, error) {
				return outcome{}, s.homes.Remove(ctx, a.Path, a.Kill)
			}),
		helperapi.OpSweep: of(nil, func(_ context.Context, s *session, _ none) (outcome, error) {
			swept, err := s.homes.Sweep()
			return outcome{result: swept}, err
		}),
		helperapi.OpListenWeb: of(nil, listenWeb),
		helperapi.OpSetHosts: of(
			// One list after the other, so that the last one counts.
			func(s *session, _ helperapi.SetHostsRequest) string { return fmt.Sprintf("names %p", s) },
			func(ctx context.Context, s *session, a helperapi.SetHostsRequest) (outcome, error) {
				refused, err := s.names.Set(ctx, a.Hosts)
				return outcome{result: helperapi.SetHostsReply{Refused: refused}}, err
			}),
		helperapi.OpOwners: of(nil, func(ctx context.Context, s *session, _ none) (outcome, error) {
			f, err := s.live.Owners(ctx)
			if err != nil {
				return outcome{}, err
			}
			g := &helperapi.Grant{}
			g.Add(helperapi.FileOwners, f)
			return outcome{grant: g}, nil
		}),
		helperapi.OpEndOwners: of(nil, func(ctx context.Context, s *session, _ none) (outcome, error) {
			return outcome{}, s.live.Leave(ctx)
		}),
		helperapi.OpTap: of(nil, func(_ context.Context, s *session, a helperapi.TapRequest) (outcome, error) {
			rep, err := s.taps.Start(a)
			return tapStarted(s, rep, err)
		}),
		helperapi.OpTapUnix: of(nil, func(_ context.Context, s *session, a helperapi.TapUnixRequest) (outcome, error) {
			rep, err := s.taps.StartUnix(a)
			return tapStarted(s, rep, err)
		}),
		helperapi.OpTapRings: of(nil, func(_ context.Context, s *session, a helperapi.TapRingsRequest) (outcome, error) {
			files, err := s.taps.Rings(a.ID, a.First)
			if err != nil {
				return outcome{}, err
			}
			g := &helperapi.Grant{}
			g.Add(helperapi.FileRing, files...)
			return outcome{grant: g}, nil
		}),
		helperapi.OpTapCounts: of(nil, func(_ context.Context, s *session, a helperapi.TapIDRequest) (outcome, error) {
			counts, err := s.taps.Counts(a.ID)
			return outcome{result: counts}, err
		}),
		helperapi.OpSecrets: of(nil, startSecrets),
		helperapi.OpProbe:   probe,
		helperapi.OpSecretCounts: of(nil, func(_ context.Context, s *session, _ none) (outcome, error) {
			counts, err := s.probes.Counts()
			return outcome{result: counts}, err
		}),
		helperapi.OpEndSecrets: of(nil, func(_ context.Context, s *session, _ none) (outcome, error) {
			counts, err := s.probes.End()
			return outcome{result: counts}, err
		}),
		helperapi.OpEndTap: of(nil, func(_ context.Context, s *session, a helperapi.TapIDRequest) (outcome, error) {
			counts, err := s.taps.End(a.ID)
			return outcome{result: counts}, err
		}),
	}
	out := map[string]operation{}
	for _, r := range policy.Rules() {
		if d := decoders[r.Op]; d != nil {
			out[r.Op] = operation{rule: r, decode: d}
		}
	}
	return out
}

// homeKey orders what is done to one user's home at an address. What other users
// do there does not hold it up: they are refused by the claims.
func homeKey(uid uint32, ip4 netip.Addr) string { return fmt.Sprintf("home %d %s", uid, ip4) }

func createHome(ctx context.Context, s *session, a helperapi.CreateHomeRequest) (outcome, error) {
	rep, g, err := s.homes.Create(ctx, a.IP4, a.Strict)
	if err != nil {
		return outcome{}, err
	}
	return outcome{result: rep, grant: g, undo: func() error {
		return s.homes.Remove(context.Background(), rep.Path, true)
	}}, nil
}

// listenWeb opens a web port for this client, if it is this user's: see
// docs/reference/names.md. The user keeps it until the last session that asked has ended.
func listenWeb(_ context.Context, s *session, a helperapi.ListenWebRequest) (outcome, error) {
	reserved := s.all.options.WebUser
	key := claims.Port(a.Port)
	switch allowed, known := policy.WebPort(a.Port, s.uid, reserved); {
	case !known:
		return outcome{}, fmt.Errorf("listen on port %d: only 80 and 443 are given out", a.Port)
	case !allowed:
		return outcome{}, &policy.NotYoursError{What: key, Owner: reserved}
	}
	if err := s.claims.Take(key); err != nil {
		return outcome{}, err
	}
	addrs, g, err := listenLocal(a.Port)
	if err != nil {
		s.claims.Release(key)
		return outcome{}, err
	}
	return outcome{result: helperapi.ListenWebReply{Listening: addrs}, grant: g, undo: func() error {
		s.claims.Release(key)
		return nil
	}}, nil
}

// tapStarted is the outcome of a tap that was started, or of why not.
func tapStarted(s *session, rep helperapi.TapReply, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	return outcome{result: rep, undo: func() error {
		_, err := s.taps.End(rep.ID)
		return err
	}}, nil
}

func startSecrets(ctx context.Context, s *session, _ none) (outcome, error) {
	rep, f, err := s.probes.Start(ctx)
	if err != nil {
		return outcome{}, err
	}
	g := &helperapi.Grant{}
	g.Add(helperapi.FileRing, f)
	return outcome{result: rep, grant: g, undo: func() error {
		_, err := s.probes.End()
		return err
	}}, nil
}

// probe reads the one request that brings a file.
func probe(raw json.RawMessage) (action, error) {
	var args helperapi.ProbeRequest
	if err := helperapi.DecodeArgs(raw, &args); err != nil {
		return action{}, err
	}
	return action{do: func(_ context.Context, s *session, f *os.File) (outcome, error) {
		if f == nil {
			return outcome{}, errors.New("probe file: no descriptor came with the request")
		}
		return outcome{}, s.probes.Add(f, args.Kind, args.Offset)
	}}, nil
}

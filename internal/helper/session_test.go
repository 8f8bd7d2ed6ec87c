package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/internal/fdpass"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// rig is a session whose operations are the test's: "slow" is done when the test
// says so, "quick" at once.
type rig struct {
	t    *testing.T
	conn *net.UnixConn
	// begun is told of each slow call that begins, release lets one go on.
	begun   chan string
	release chan struct{}
	undone  chan string
	ended   chan error
	// finishes is set before the first call.
	all *shared
}

type slowRequest struct {
	Name string `json:"name"`
	Key  string `json:"key,omitempty"`
	// File: it answers with a descriptor, which is the test's to watch.
	File bool `json:"file,omitempty"`
	// Deaf: it does not hear that it is given up.
	Deaf bool `json:"deaf,omitempty"`
}

func newRig(t *testing.T, slow policy.Rule) (*rig, func(f *os.File)) {
	t.Helper()
	a, b := socketPair(t)
	_ = a.SetDeadline(time.Now().Add(patience))
	r := &rig{t: t, conn: a, begun: make(chan string), release: make(chan struct{}), undone: make(chan string, 1), ended: make(chan error, 1), all: newShared(Options{})}
	var give *os.File
	slow.Op = helperapi.OpOwners // so that there are slots for it
	r.all.operations = map[string]operation{
		"slow": {slow, of(
			func(_ *session, q slowRequest) string { return q.Key },
			func(ctx context.Context, _ *session, q slowRequest) (outcome, error) {
				r.begun <- q.Name
				if q.Deaf {
					ctx = context.WithoutCancel(ctx)
				}
				select {
				case <-r.release:
				case <-ctx.Done():
					return outcome{}, context.Cause(ctx)
				}
				out := outcome{undo: func() error { r.undone <- q.Name; return nil }}
				if q.File {
					out.grant = &helperapi.Grant{}
					out.grant.Add("file", give)
				}
				return out, nil
			})},
		"quick": {policy.Rule{Op: helperapi.OpHello}, of(nil, func(context.Context, *session, none) (outcome, error) {
			return outcome{result: "done"}, nil
		})},
	}
	s := newSession(b, 1000, 1000, r.all, func(bool) {})
	go func() { r.ended <- s.serve(context.Background()) }()
	return r, func(f *os.File) { give = f }
}

func (r *rig) send(id uint64, op string, args any) {
	r.t.Helper()
	req := &helperapi.Request{ID: id, Op: op}
	if args != nil {
		b, err := json.Marshal(args)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Args = b
	}
	if err := helperapi.SendRequest(r.conn, req); err != nil {
		r.t.Fatal(err)
	}
}

// reply returns the next reply, which must be that of the call id.
func (r *rig) reply(id uint64) *helperapi.Reply {
	r.t.Helper()
	rep, g, err := helperapi.ReceiveReply(r.conn)
	if err = errors.Join(err, g.Close()); err != nil || rep.ID != id {
		r.t.Fatalf("%+v, %v; want the reply to call %d", rep, err, id)
	}
	return rep
}

func (r *rig) begins(name string) {
	r.t.Helper()
	select {
	case got := <-r.begun:
		if got != name {
			r.t.Fatalf("%s begins, want %s", got, name)
		}
	case <-time.After(patience):
		r.t.Fatalf("%s does not begin", name)
	}
}

// end closes the connection and waits for the end of the session.
func (r *rig) end() {
	r.t.Helper()
	if err := errors.Join(r.conn.Close(), <-r.ended); err != nil {
		r.t.Error(err)
	}
	if n := len(r.all.order.lines); n > 0 {
		r.t.Errorf("%d lines are left", n)
	}
	if n := len(r.all.users.byUser); n > 0 {
		r.t.Errorf("%d users are left", n)
	}
}

func TestASlowCallHoldsUpNoOther(t *testing.T) {
	r, _ := newRig(t, policy.Rule{})
	r.send(1, "slow", slowRequest{Name: "a", Key: "a"})
	r.begins("a")
	for id := range uint64(5) {
		r.send(10+id, "quick", nil)
		if rep := r.reply(10 + id); string(rep.Result) != `"done"` {
			t.Errorf("%+v", rep)
		}
	}
	r.release <- struct{}{}
	if rep := r.reply(1); rep.Error != "" {
		t.Errorf("%+v", rep)
	}
	r.end()
}

func TestCallsOfOneKeyAreDoneInOrder(t *testing.T) {
	r, _ := newRig(t, policy.Rule{})
	for id := range uint64(3) {
		r.send(id+1, "slow", slowRequest{Name: fmt.Sprint("a", id), Key: "a"})
	}
	r.begins("a0")
	r.send(4, "slow", slowRequest{Name: "b", Key: "b"})
	r.begins("b") // another key
	r.send(2, helperapi.OpCancel, nil)
	if rep := r.reply(2); rep.Code != helperapi.Canceled {
		t.Errorf("given up before its turn: %+v", rep)
	}
	r.send(1, helperapi.OpCancel, nil)
	if rep := r.reply(1); rep.Code != helperapi.Canceled {
		t.Errorf("given up: %+v", rep)
	}
	r.begins("a2")
	r.release <- struct{}{}
	r.release <- struct{}{}
	for range 2 {
		if rep, _, err := helperapi.ReceiveReply(r.conn); err != nil || rep.Error != "" {
			t.Errorf("%+v, %v", rep, err)
		}
	}
	r.end()
}

// What a call makes although it was given up is undone, and its descriptors are
// closed.
func TestAGivenUpCallIsUndone(t *testing.T) {
	r, give := newRig(t, policy.Rule{})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	give(write)
	r.send(1, "slow", slowRequest{Name: "a", File: true, Deaf: true})
	r.begins("a")
	r.send(1, helperapi.OpCancel, nil)
	r.send(2, "quick", nil)
	r.reply(2) // the helper has read what gives it up
	r.release <- struct{}{}
	if rep := r.reply(1); rep.Code != helperapi.Canceled {
		t.Errorf("%+v", rep)
	}
	if name := <-r.undone; name != "a" {
		t.Errorf("undone: %s", name)
	}
	if _, err := read.Read(make([]byte, 1)); err == nil {
		t.Error("a descriptor stays open")
	}
	// What is over is not given up any more.
	r.send(1, helperapi.OpCancel, nil)
	r.send(3, "quick", nil)
	r.reply(3)
	r.end()
}

func TestACallThatFinishesIsNotGivenUp(t *testing.T) {
	r, _ := newRig(t, policy.Rule{Finishes: true})
	r.send(1, "slow", slowRequest{Name: "a"})
	r.begins("a")
	r.send(1, helperapi.OpCancel, nil)
	r.send(2, "quick", nil)
	r.reply(2)
	r.release <- struct{}{}
	if rep := r.reply(1); rep.Error != "" {
		t.Errorf("%+v", rep)
	}
	r.end()
}

// A client that goes takes its calls with it, those that wait as well.
func TestCallsOfAClientThatHasGone(t *testing.T) {
	r, give := newRig(t, policy.Rule{})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	give(write)
	r.send(1, "slow", slowRequest{Name: "a", Key: "a", File: true, Deaf: true})
	r.begins("a")
	for id := range uint64(5) {
		r.send(2+id, "slow", slowRequest{Name: "b", Key: "a"})
	}
	if err := r.conn.Close(); err != nil {
		t.Fatal(err)
	}
	// It may begin once more if its client's end is seen late.
	var stop sync.WaitGroup
	over := make(chan struct{})
	stop.Go(func() {
		for {
			select {
			case <-r.begun:
			case r.release <- struct{}{}:
			case <-r.undone:
			case <-over:
				return
			}
		}
	})
	err = <-r.ended
	close(over)
	stop.Wait()
	if err != nil {
		t.Error(err)
	}
	if _, err := read.Read(make([]byte, 1)); err == nil {
		t.Error("a descriptor stays open")
	}
	if n := len(r.all.order.lines); n > 0 {
		t.Errorf("%d lines are left", n)
	}
}

// The calls under way on a connection are bounded, and so are those of one
// operation that are being done for one user.
func TestCallsAreBounded(t *testing.T) {
	atOnce := 0
	for _, rule := range policy.Rules() {
		if rule.Op == helperapi.OpOwners {
			atOnce = rule.AtOnce
		}
	}
	r, _ := newRig(t, policy.Rule{})
	for id := range uint64(helperapi.CallsUnderWay) {
		r.send(id+1, "slow", slowRequest{Name: "a", Key: fmt.Sprint(id)})
	}
	for range atOnce {
		r.begins("a")
	}
	r.send(1000, "quick", nil)
	if rep := r.reply(1000); rep.Code != helperapi.TooManyCalls {
		t.Errorf("one more: %+v", rep)
	}
	// The others begin when one is over, and not before.
	for done := range helperapi.CallsUnderWay {
		select {
		case <-r.begun:
			t.Fatalf("more than %d are done at once, after %d", atOnce, done)
		case r.release <- struct{}{}:
		}
		if rep, _, err := helperapi.ReceiveReply(r.conn); err != nil || rep.Error != "" {
			t.Fatalf("%+v, %v", rep, err)
		}
		if done < helperapi.CallsUnderWay-atOnce {
			r.begins("a")
		}
	}
	r.send(1001, "quick", nil)
	if rep := r.reply(1001); rep.Error != "" {
		t.Errorf("after all: %+v", rep)
	}
	r.end()
}

func TestANumberThatIsInUse(t *testing.T) {
	r, _ := newRig(t, policy.Rule{})
	r.send(1, "slow", slowRequest{Name: "a"})
	r.begins("a")
	r.send(1, "quick", nil)
	if rep := r.reply(1); !strings.Contains(rep.Error, "a call with that number is under way") {
		t.Errorf("%+v", rep)
	}
	r.release <- struct{}{}
	r.reply(1)
	r.end()
}

// Arguments that cannot be read cost the client only that call.
func TestBadArguments(t *testing.T) {
	r, _ := newRig(t, policy.Rule{})
	for id, text := range []string{`{"id":0,"op":"slow","args":{"unknown":1}}`, `{"id":1,"op":"slow","args":[]}`} {
		if _, err := fdpass.Write(r.conn, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
		if rep := r.reply(uint64(id)); !strings.Contains(rep.Error, "operation slow: read arguments") {
			t.Errorf("%+v", rep)
		}
	}
	r.send(7, "quick", nil)
	r.reply(7)
	r.end()
}

// Each operation of the policy is one that the helper does.
func TestEveryRuleHasAnOperation(t *testing.T) {
	have := operations()
	for _, r := range policy.Rules() {
		if have[r.Op].decode == nil {
			t.Errorf("%s cannot be done", r.Op)
		}
	}
	if len(have) != len(policy.Rules()) {
		t.Errorf("%d operations, %d rules", len(have), len(policy.Rules()))
	}
}

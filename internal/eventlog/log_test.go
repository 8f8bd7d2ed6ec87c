package eventlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lodge/internal/event"
)

// rig is a stream that is recorded.
type rig struct {
	*Log
	t    *testing.T
	path string
	bus  *event.Bus
	past Past
}

func open(t *testing.T, path string) (*rig, error) {
	t.Helper()
	l, past, err := Open(path, "boot", "fresh")
	r := &rig{Log: l, t: t, path: path, past: past, bus: event.NewBus(past.Stream, 1000)}
	r.bus.Resume(past.Events, past.Last)
	r.bus.Keep(l.Append)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, err
}

func fresh(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil { // as lodge's own: only there a file is set aside
		t.Fatal(err)
	}
	r, err := open(t, filepath.Join(dir, "events.jsonl"))
	if !errors.Is(err, ErrNone) || r.past.Stream != "fresh" || r.past.Last != 0 {
		t.Fatalf("a first one: %+v, %v", r.past, err)
	}
	return r
}

// again opens the record as the next process does.
func (r *rig) again() *rig {
	r.t.Helper()
	next, err := open(r.t, r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	return next
}

func fromKeeper(id string, n uint64) event.Event {
	return event.Event{
		Kind: event.KindService, Source: event.Source{Name: event.SourceKeeper, ProjectID: id, Stream: "k-" + id, Number: n},
		Subject: event.Subject{ProjectID: id, Service: "web"}, Service: &event.Service{Reason: strings.Repeat("x", 100)},
	}
}

func up(id string, pid int) event.Event {
	return event.Event{Kind: event.KindProject, Subject: event.Subject{ProjectID: id}, Project: &event.Project{Change: event.ProjectUp, KeeperPID: pid}}
}

func named(host, change string) event.Event {
	return event.Event{Kind: event.KindName, Subject: event.Subject{ProjectID: "a"}, Name: &event.Name{Change: change, Host: host}}
}

func contiguous(t *testing.T, list []event.Event, last uint64) {
	t.Helper()
	for i, e := range list {
		if want := last - uint64(len(list)-1-i); e.Number != want {
			t.Fatalf("event %d of %d has number %d, want %d", i, len(list), e.Number, want)
		}
	}
}

func TestAStreamGoesOn(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1), up("b", 2), fromKeeper("a", 7), named("x", event.Added), named("y", event.Added))
	r.bus.Publish(named("x", event.Removed), event.Event{Kind: event.KindProject, Subject: event.Subject{ProjectID: "b"}, Project: &event.Project{Change: event.ProjectDown}})
	next := r.again()
	if next.past.Stream != "fresh" || next.past.Last != 7 || len(next.past.Events) != 7 {
		t.Errorf("got %+v", next.past)
	}
	st := next.State()
	if st.Sources["a"] != (event.Position{Stream: "k-a", Number: 7}) || len(st.Up) != 1 || st.Up["a"].Project.KeeperPID != 1 || len(st.Names) != 1 || st.Names["y"].Name == nil {
		t.Errorf("got %+v", st)
	}
	if n := next.bus.Publish(up("c", 3)); n != 8 {
		t.Errorf("the next number is %d", n)
	}
	if third := next.again(); third.past.Last != 8 || len(third.State().Up) != 2 {
		t.Errorf("got %+v", third.past)
	}
}

// What the events before the files said is in the header.
func TestTheFilesAreBounded(t *testing.T) {
	r := fresh(t)
	r.size = 4 << 10
	r.bus.Publish(up("quiet", 5), fromKeeper("quiet", 3), named("q", event.Added))
	for n := range uint64(500) {
		r.bus.Publish(fromKeeper("loud", n+1))
	}
	for _, p := range []string{r.path, r.older()} {
		fi, err := os.Stat(p)
		if err != nil || fi.Size() > r.size+2<<10 {
			t.Errorf("%s: %v, %v", p, fi, err)
		}
	}
	next := r.again()
	contiguous(t, next.past.Events, 503)
	if next.past.Last != 503 || len(next.past.Events) < 10 || len(next.past.Events) > 100 {
		t.Errorf("%d events up to %d", len(next.past.Events), next.past.Last)
	}
	if !reflect.DeepEqual(next.State(), r.State()) || next.State().Sources["quiet"].Number != 3 || next.State().Up["quiet"].Project.KeeperPID != 5 {
		t.Errorf("got %+v, want %+v", next.State(), r.State())
	}
}

// TestKilledAnywhere ends the record after each of its bytes: what was written whole
// is there, and the stream goes on after it.
func TestKilledAnywhere(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1), fromKeeper("a", 1))
	r.bus.Publish(fromKeeper("a", 2))
	whole, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.IndexByte(whole, '\n') + 1
	for n := range len(whole) + 1 {
		if err := os.WriteFile(r.path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		next, err := open(t, r.path)
		if n < header {
			if err == nil || errors.Is(err, ErrNone) || next.past.Last != 0 {
				t.Fatalf("%d bytes: %+v, %v", n, next.past, err)
			}
			continue
		}
		want := uint64(bytes.Count(whole[header:n], []byte{'\n'}))
		if err != nil || next.past.Last != want || len(next.past.Events) != int(want) {
			t.Fatalf("%d bytes: %+v, %v; want %d events", n, next.past, err, want)
		}
		next.bus.Publish(fromKeeper("a", 9))
		if third := next.again(); third.past.Last != want+1 {
			t.Fatalf("%d bytes, and one more event: %+v", n, third.past)
		}
	}
}

func TestKilledBetweenTwoFiles(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1), fromKeeper("a", 1))
	if err := os.Rename(r.path, r.older()); err != nil {
		t.Fatal(err)
	}
	next := r.again()
	if next.past.Last != 2 || next.Err() != nil {
		t.Fatalf("got %+v, %v", next.past, next.Err())
	}
	next.bus.Publish(fromKeeper("a", 2))
	if third := next.again(); third.past.Last != 3 || third.State().Sources["a"].Number != 2 {
		t.Errorf("got %+v", third.past)
	}
}

func TestAnotherStreamBeginsWhereTheRecordCannotBeContinued(t *testing.T) {
	for name, spoil := range map[string]func(path string, b []byte) error{
		"damaged": func(path string, b []byte) error {
			return os.WriteFile(path, bytes.Replace(b, []byte(`"number":2`), []byte(`"number":"`), 1), 0o600)
		},
		"a gap": func(path string, b []byte) error {
			return os.WriteFile(path, bytes.Replace(b, []byte(`"number":2`), []byte(`"number":4`), 1), 0o600)
		},
		"another boot": func(path string, b []byte) error {
			return os.WriteFile(path, bytes.Replace(b, []byte(`"boot_id":"boot"`), []byte(`"boot_id":"other"`), 1), 0o600)
		},
		"a newer format": func(path string, b []byte) error {
			return os.WriteFile(path, bytes.Replace(b, []byte(`"version":1`), []byte(`"version":2`), 1), 0o600)
		},
		"of two streams": func(path string, b []byte) error {
			return os.WriteFile(path+".1", bytes.ReplaceAll(b, []byte(`"fresh"`), []byte(`"older"`)), 0o600)
		},
		"empty":     func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"directory": func(path string, _ []byte) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := fresh(t)
			r.bus.Publish(up("a", 1), fromKeeper("a", 1))
			b, err := os.ReadFile(r.path)
			if err == nil {
				err = spoil(r.path, b)
			}
			if err != nil {
				t.Fatal(err)
			}
			l, past, err := Open(r.path, "boot", "second")
			if err == nil || errors.Is(err, ErrNone) || past.Stream != "second" || past.Last != 0 || len(past.Events) > 0 || len(l.State().Up) > 0 {
				t.Errorf("got %+v, %v", past, err)
			}
			if l.Err() != nil || !l.Intact() {
				t.Errorf("the second one is not recorded: %v", l.Err())
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if l, past, err := Open(r.path, "boot", "third"); err != nil || past.Stream != "second" {
				t.Errorf("the one after it: %+v, %v", past, err)
			} else if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARemovedRecordIsWrittenAnew(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1), fromKeeper("a", 1), named("x", event.Added), named("x", event.Removed))
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	if r.Intact() {
		t.Error("it is said to be there")
	}
	r.bus.Publish(fromKeeper("a", 2))
	if err := r.Restore(r.bus.Kept()); err != nil || !r.Intact() {
		t.Fatal(err)
	}
	next := r.again()
	contiguous(t, next.past.Events, 5)
	if next.past.Last != 5 || len(next.past.Events) != 5 || !reflect.DeepEqual(next.State(), r.State()) {
		t.Errorf("got %+v, %+v", next.past, next.State())
	}
}

// A full disk: /dev/full takes what is written as one does (null(4)).
func TestAFullDisk(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full: ", err)
	}
	_ = r.file.Close()
	r.file = full
	if n := r.bus.Publish(fromKeeper("a", 1)); n != 2 {
		t.Errorf("the number is %d", n)
	}
	if r.Err() == nil || r.Intact() {
		t.Error("nothing is said of it")
	}
	// A daemon that is killed now must not give the number 2 again.
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a record that lacks events is left: %v", err)
	}
	r.bus.Publish(fromKeeper("a", 2))
	if err := r.Restore(r.bus.Kept()); err != nil {
		t.Fatal(err)
	}
	if next := r.again(); next.past.Last != 3 || len(next.past.Events) != 3 || next.State().Sources["a"].Number != 2 {
		t.Errorf("once there is room: %+v", next.past)
	}
}

func socket() event.Event {
	return event.Event{Kind: event.KindSocket, Socket: &event.Socket{Change: event.SocketOpen, Command: strings.Repeat("x", 1000)}}
}

// Events of sockets take no room, and their numbers are not given again.
func TestSocketsAreCounted(t *testing.T) {
	r := fresh(t)
	r.size = 4 << 10
	r.bus.Publish(up("a", 1), socket(), socket(), fromKeeper("a", 1)) // 1 to 4
	for range 1000 {
		r.bus.Publish(socket())
	}
	if next := r.again(); next.past.Last != 1004 || len(next.past.Events) != 2 || next.past.Events[1].Number != 4 {
		t.Fatalf("got %+v", next.past)
	}
	for range 100 { // more than a file
		r.bus.Publish(fromKeeper("a", 2), socket())
	}
	next := r.again()
	if n := len(next.past.Events); next.past.Last != 1204 || n < 10 || next.past.Events[n-1].Number != 1203 {
		t.Errorf("up to %d, %d events", next.past.Last, n)
	}
	if n := next.bus.Publish(socket()); n != 1205 {
		t.Errorf("the next number is %d", n)
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	if err := next.Restore(next.bus.Kept()); err != nil {
		t.Fatal(err)
	}
	if third := next.again(); third.past.Last != 1205 {
		t.Errorf("up to %d after the record was written anew", third.past.Last)
	}
}

// A record that an older lodge wrote has no place for the number of sockets.
func TestARecordWithoutSockets(t *testing.T) {
	r := fresh(t)
	r.bus.Publish(up("a", 1))
	b, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Replace(b, []byte(`,"sockets":"00000000000000000000"`), nil, 1)
	if bytes.Equal(old, b) {
		t.Fatalf("the header: %s", b)
	}
	if err := os.WriteFile(r.path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	next := r.again()
	next.bus.Publish(socket(), fromKeeper("a", 1), socket())
	if third := next.again(); third.past.Last != 4 || len(third.past.Events) != 2 {
		t.Errorf("got %+v", third.past)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"stream":"s","boot_id":"b","last":0,"state":{}}`+"\n"+`{"number":1}`+"\n{"), true)
	f.Fuzz(func(t *testing.T, b []byte, newest bool) {
		h, events, whole, err := parse(b, newest)
		if err != nil {
			return
		}
		if h.State == nil || whole > len(b) || whole < len(b) && !newest || len(events) > bytes.Count(b, []byte{'\n'}) {
			t.Errorf("%d of %d bytes, %d events", whole, len(b), len(events))
		}
	})
}

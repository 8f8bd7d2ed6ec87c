package projects

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/stall"
	"lodge/internal/stall/stalltest"
)

// A keeper may be stopped after it has said that it ends.
func TestAKeeperThatStopsWhileItEnds(t *testing.T) {
	keeper := exec.Command("sleep", "1000")
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = keeper.Process.Kill()
		_ = keeper.Wait() // it was killed
	}()
	stalltest.Stop(t, keeper.Process.Pid)
	p := &Project{rec: keeperapi.Record{PID: keeper.Process.Pid, Config: keeperapi.Config{Name: "shop"}}, gone: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var why *stall.Error
	if err := p.awaitEnd(ctx); !errors.As(err, &why) || why.PID != keeper.Process.Pid {
		t.Errorf("%v, want that its keeper is stopped", err)
	}
	close(p.gone)
	if err := unix.Kill(keeper.Process.Pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := p.awaitEnd(ctx); err != nil {
		t.Errorf("it has ended: %v", err)
	}
}

// An older state never takes the place of a newer one, in whatever order they come.
func TestStatesOfAKeeperInAnyOrder(t *testing.T) {
	p := &Project{rec: keeperapi.Record{PID: 7}}
	p.lost("it does not answer")
	if st := p.State(); st.Unresponsive == "" {
		t.Errorf("a keeper that cannot be reached: %+v", st)
	}
	for _, c := range []struct {
		seq   uint64
		newer bool
		last  uint64
	}{{2, true, 2}, {1, false, 2}, {2, false, 2}, {3, true, 3}} {
		_, newer := p.take(keeperapi.Project{ID: "shop-1", Seq: c.seq})
		if newer != c.newer || p.told().Seq != c.last {
			t.Errorf("state %d: newer %v, then %d", c.seq, newer, p.told().Seq)
		}
	}
	if st := p.State(); st.Unresponsive != "" {
		t.Errorf("a keeper that told its state: %+v", st)
	}
}

package supervisor

import (
	"testing"

	"lodge/internal/service"
)

func onRequest(s *service.Spec) { s.OnRequest = true }

func TestOnRequestServicesRestUntilTheyAreAskedFor(t *testing.T) {
	r := newRig(t)
	r.define(
		r.spec("db", forever),
		r.spec("lazy", forever, onRequest, needs("db")),
		r.spec("needed", forever, onRequest),
		r.spec("web", forever, needs("needed")),
	)
	r.up()
	if st := r.get("lazy"); st.State != service.Idle || st.PID != 0 || !st.OnRequest {
		t.Errorf("got %+v", st)
	}
	if st := r.get("needed"); st.State != service.Up {
		t.Errorf("one that another needs: %+v", st)
	}
	if r.Idle() {
		t.Error("the project counts as at its end while a request may come")
	}
	// The request.
	r.up("lazy")
	first := r.awaitState("lazy", service.Up).PID
	// Nobody asked for a long time.
	if err := r.Rest(r.ctx, []string{"lazy"}); err != nil {
		t.Fatal(err)
	}
	if st := r.get("lazy"); st.State != service.Idle || st.PID != 0 {
		t.Errorf("got %+v", st)
	}
	r.up() // a second `lodge up` changes nothing
	if st := r.get("lazy"); st.State != service.Idle {
		t.Errorf("got %+v", st)
	}
	// A restart of everything leaves it alone, one of it starts it.
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if st := r.get("lazy"); st.State != service.Idle {
		t.Errorf("got %+v", st)
	}
	if err := r.Restart(r.ctx, []string{"lazy"}); err != nil {
		t.Fatal(err)
	}
	if st := r.awaitState("lazy", service.Up); st.PID == first {
		t.Errorf("got %+v", st)
	}
	r.stop()
	for _, n := range []string{"db", "lazy", "needed", "web"} {
		if st := r.get(n); st.State != service.Stopped {
			t.Errorf("%s: %+v", n, st)
		}
	}
	if !r.Idle() {
		t.Error("not at its end")
	}
}

func TestOneThatFailedWaitsForTheNextRequest(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("lazy", "exit 3", onRequest, restarts("never"), listens))
	r.up()
	fails(t, r.Up(r.ctx, []string{"lazy"}), "lazy", "ended with status 3")
	if st := r.get("lazy"); st.State != service.Failed {
		t.Errorf("got %+v", st)
	}
	r.up()
	if st := r.get("lazy"); st.State != service.Idle {
		t.Errorf("got %+v", st)
	}
}

package supervisor

import (
	"net/netip"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// TestNeedMoves: what was told the port of a service is restarted when that is
// another; what was told the right one is not.
func TestNeedMoves(t *testing.T) {
	r := newRig(t)
	at := func(ports ...uint16) {
		var eps []loopback.Endpoint
		for _, p := range ports {
			eps = append(eps, loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.93.7.3"), Port: p, Service: "db", Inode: uint32(p)})
		}
		r.fake.mu.Lock()
		r.fake.ports["db"] = eps
		r.fake.mu.Unlock()
	}
	at(5000)
	r.define(
		r.spec("db", forever, listens),
		r.spec("api", `echo $DB_PORT >port.new; mv port.new port-$DB_PORT; `+forever, needs("db")),
		r.spec("other", forever),
	)
	r.up()
	r.file("port-5000")
	at(5000, 6000)
	if err := r.Restart(r.ctx, []string{"db"}); err != nil {
		t.Fatal(err)
	}
	at(7000)
	if err := r.Restart(r.ctx, []string{"db"}); err != nil {
		t.Fatal(err)
	}
	r.file("port-7000")
	if st := r.awaitState("api", service.Up); st.Restarts != 1 {
		t.Errorf("api was restarted %d times, want once", st.Restarts)
	}
	if st := r.get("other"); st.Restarts != 0 {
		t.Errorf("a service that needs nothing was restarted %d times", st.Restarts)
	}
}

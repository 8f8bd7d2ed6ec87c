package supervisor

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

func auto(s *service.Spec) { s.AutoPort = true }

func TestALeasedPortIsGivenAndKept(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `echo $PORT >> ports; `+forever, auto))
	r.up()
	st := r.get("web")
	if st.Port < loopback.DynamicFirst || r.fake.leases[st.Port] != "web" {
		t.Fatalf("port %d, leases %v", st.Port, r.fake.leases)
	}
	r.file("ports")
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	want := strconv.Itoa(int(st.Port))
	if !within(func() bool { return r.file("ports") == want+"\n"+want }) {
		t.Errorf("ports: %q, want %s twice", r.file("ports"), want)
	}
	r.stop()
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	if len(r.fake.leases) != 0 || r.get("web").Port != 0 {
		t.Errorf("kept after the stop: %v", r.fake.leases)
	}
}

func TestALeasedPortIsWhereItMustListen(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, auto, listens))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	st := r.await("web", "listening elsewhere", func(st service.Status) bool { return len(st.Endpoints) > 0 })
	select {
	case err := <-done:
		t.Fatalf("ready: %v", err)
	default:
	}
	r.fake.listen("web", 80, st.Port)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestLeasesThatAreTaken(t *testing.T) {
	t.Run("all but a few", func(t *testing.T) {
		r := newRig(t)
		for p := loopback.DynamicFirst; p <= loopback.DynamicLast; p++ {
			r.fake.refused[uint16(p)] = p%8 != 0
		}
		r.define(r.spec("web", forever, auto))
		r.up()
		if p := r.get("web").Port; p%8 != 0 {
			t.Errorf("got %d", p)
		}
	})
	t.Run("all", func(t *testing.T) {
		r := newRig(t)
		for p := loopback.DynamicFirst; p <= loopback.DynamicLast; p++ {
			r.fake.refused[uint16(p)] = true
		}
		r.define(r.spec("web", forever, auto))
		fails(t, r.Up(r.ctx, nil), "web", "lease a port: ")
	})
	t.Run("not by this engine", func(t *testing.T) {
		r := newRig(t)
		r.fake.noLeases = true
		r.define(r.spec("web", `echo $PORT > port; `+forever, auto))
		r.up()
		if got := r.file("port"); got != strconv.Itoa(int(r.get("web").Port)) || got == "0" {
			t.Errorf("port %s", got)
		}
	})
}

// The program gets the socket as sd_listen_fds(3) says, and the same one after
// a restart: who connects meanwhile waits and is not refused.
func TestAPassedSocketOutlivesRestarts(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `echo "$$ $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES $PORT $(readlink /proc/$$/fd/3)" >> facts; `+forever,
		listens, auto, func(s *service.Spec) { s.Listen = true }))
	r.up()
	first := strings.Fields(r.file("facts"))
	port := r.get("web").Port
	if len(first) != 6 || first[0] != first[1] || first[2] != "1" || first[3] != "web" || first[4] != strconv.Itoa(int(port)) || !strings.HasPrefix(first[5], "socket:[") {
		t.Fatalf("got %q", first)
	}
	if first[0] != strconv.Itoa(r.get("web").PID) {
		t.Errorf("process %d, LISTEN_PID %s", r.get("web").PID, first[0])
	}
	at := netip.AddrPortFrom(netip.MustParseAddr("127.93.7.3"), port).String()
	c, err := net.DialTimeout("tcp", at, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { return strings.Count(r.file("facts"), "\n") == 1 }) {
		t.Fatalf("facts: %q", r.file("facts"))
	}
	second := strings.Fields(strings.Split(r.file("facts"), "\n")[1])
	if second[5] != first[5] || second[0] == first[0] || second[0] != second[1] {
		t.Errorf("got %q after %q", second, first)
	}
	r.stop()
	if c, err := net.DialTimeout("tcp", at, patience); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("after the stop: %v", err)
		if err == nil {
			_ = c.Close()
		}
	}
}

func TestAPassedSocketOfAFailedServiceIsClosed(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "while ! test -e fall; do sleep 0.01; done; exit 1", listens, auto, restarts("never"), func(s *service.Spec) { s.Listen = true }))
	r.up()
	at := netip.AddrPortFrom(netip.MustParseAddr("127.93.7.3"), r.get("web").Port).String()
	r.write("fall", "")
	r.awaitState("web", service.Failed)
	if !within(func() bool {
		c, err := net.DialTimeout("tcp", at, patience)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED)
	}) {
		t.Error("connections to it wait for ever")
	}
}

func TestAFixedPort(t *testing.T) {
	free, err := net.Listen("tcp", "127.93.7.3:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(free.Addr().(*net.TCPAddr).Port)
	passed := func(s *service.Spec) { s.Port, s.Listen = port, true }
	t.Run("that somebody has", func(t *testing.T) {
		r := newRig(t)
		r.define(r.spec("web", forever, listens, passed))
		fails(t, r.Up(r.ctx, nil), "web", "lease a port: listen on 127.93.7.3:"+strconv.Itoa(int(port))+": address already in use")
	})
	_ = free.Close()
	t.Run("that is free", func(t *testing.T) {
		r := newRig(t)
		r.define(r.spec("web", `echo $PORT > port; `+forever, listens, passed))
		r.up()
		if r.file("port") != strconv.Itoa(int(port)) {
			t.Errorf("port %s", r.file("port"))
		}
		// Another definition gives it up.
		r.define(r.spec("web", `echo "$PORT $LISTEN_FDS" > port2; `+forever, func(s *service.Spec) { s.Port = 99 }))
		if got := r.file("port2"); got != "99" {
			t.Errorf("got %q", got)
		}
		if _, err := net.DialTimeout("tcp", "127.93.7.3:"+strconv.Itoa(int(port)), time.Second); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("it still listens: %v", err)
		}
	})
}

func TestAPortOfTheServicesOwnWins(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `echo "$PORT $PYTHONUNBUFFERED $LODGE_PROJECT $LODGE_SERVICE $LODGE_HOME" > got; `+forever, func(s *service.Spec) {
		s.Port, s.Env = 80, []string{"PORT=81", "PYTHONUNBUFFERED="}
	}))
	r.up()
	if got := r.file("got"); got != "81  shop web 127.93.7.3" {
		t.Errorf("got %q", got)
	}
}

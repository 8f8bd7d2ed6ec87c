package sockets

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// pidAddress is an address that tells who made a socket: 127.x.y.z with the
// process's id.
func pidAddress(pid int) string {
	return fmt.Sprintf("127.%d.%d.%d", pid>>16&0xff, pid>>8&0xff, pid&0xff)
}

// churn starts and ends short-lived processes all the time, arg at once, until
// its input ends.
func (r *role) churn() {
	n, err := strconv.Atoi(r.arg)
	r.check(err, "read count")
	r.ready()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), roleVariable+"=child")
				r.check(cmd.Run(), "run child")
			}
		})
	}
	r.stay()
	close(stop)
	wg.Wait()
}

// child opens and closes sockets on the address that names it, and ends. One
// of them it keeps until then: a reading that takes long, on a machine with
// many sockets or much to do, finds the holder of that one too.
func (r *role) child() {
	ip := pidAddress(os.Getpid())
	r.listener(unix.AF_INET, addr4(ip, 0), 8)
	for range 3000 {
		l := r.listener(unix.AF_INET, addr4(ip, 0), 8)
		c := r.bound(unix.AF_INET, unix.SOCK_STREAM, addr4(ip, 0))
		r.check(unix.Connect(c, r.nameOf(l)), "connect")
		s, _, err := unix.Accept(l)
		r.check(err, "accept")
		u := r.bound(unix.AF_INET, unix.SOCK_DGRAM, addr4(ip, 0))
		// Without a TIME_WAIT: there would soon be thousands.
		r.check(unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), "set linger")
		for _, fd := range []int{c, s, l, u} {
			r.check(unix.Close(fd), "close")
		}
	}
}

// While processes and sockets come and go, nothing is an error, and nobody is
// named who did not make the socket.
func TestVanishingIsNormal(t *testing.T) {
	space, _ := newSpace(t)
	a := start(t, space, "churn 4", nil)
	seen, owned := 0, 0
	round := 0
	for ; round < 40 || owned < 40; round++ {
		if round == 3000 {
			t.Fatalf("of %d sockets %d had a holder", seen, owned)
		}
		q := Query{Details: round%2 == 0}
		table := listIn(t, space, q)
		for i := range table.Rows {
			row := &table.Rows[i]
			if row.Local == nil || !row.Local.IP.Is4() || !strings.HasPrefix(row.Local.IP.String(), "127.") {
				t.Errorf("not made here: %+v", row)
				continue
			}
			seen++
			if row.Unknown {
				// Processes of others may not be read on some machines; then
				// nothing can be said.
				continue
			}
			for _, p := range row.Processes {
				owned++
				if pidAddress(p.PID) != row.Local.IP.String() {
					t.Errorf("socket at %v is said to be process %d's (%s)", row.Local, p.PID, p.Command)
				}
				if p.Start == 0 || p.StartedAt == nil {
					t.Errorf("process without start: %+v", p)
				}
			}
			if row.State == "time_wait" && len(row.Processes) != 0 {
				t.Errorf("TIME_WAIT with holder: %+v", row)
			}
		}
	}
	a.end()
	t.Logf("%d readings, %d sockets, %d holders", round, seen, owned)
}

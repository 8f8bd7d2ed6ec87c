package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/ring"
	"lodge/internal/procfs"
)

// TestTapShortLived: the process of each packet, of clients that are gone at once.
func TestTapShortLived(t *testing.T) {
	s := newTapSpace(t)
	d := tapLo(t, s.taps, TapSpec{AllUsers: true})
	ln := s.listen(0, "tcp", "127.0.0.1:0")
	port := ln.Addr().(*net.TCPAddr).Port
	const clients = 60
	heard := make(chan error, 1)
	go func() {
		for range clients {
			c, err := ln.Accept()
			if err == nil {
				_, err = io.Copy(io.Discard, c)
				err = errors.Join(err, c.Close())
			}
			if err != nil {
				heard <- err
				return
			}
		}
		heard <- nil
	}()
	pids := map[string]bool{}
	s.do(0, func() error {
		for range clients {
			cmd := exec.Command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/$1; printf "from $$" >&3`, "bash", strconv.Itoa(port))
			if err := cmd.Run(); err != nil {
				return err
			}
			pids["from "+strconv.Itoa(cmd.Process.Pid)] = true
		}
		return nil
	})
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	d.end()
	asked := 0
	for i := range d.packets {
		p := &d.packets[i]
		if p.to == port && p.tcp&2 != 0 && (p.Comm != "bash" || p.PID == 0) {
			t.Errorf("SYN of %d %q", p.PID, p.Comm)
		}
		if len(p.payload) == 0 {
			continue
		}
		if !pids[string(p.payload)] {
			t.Errorf("payload %q", p.payload)
		}
		asked++
		if fmt.Sprint("from ", p.PID) != string(p.payload) || p.Comm != "bash" || p.Flags&ring.InProcess == 0 || p.Start == 0 {
			t.Errorf("%q of process %d %q", p.payload, p.PID, p.Comm)
		}
	}
	if asked != clients {
		t.Errorf("%d of %d clients asked", asked, clients)
	}
}

// TestTapThreads: the thread of each packet.
func TestTapThreads(t *testing.T) {
	s := newTapSpace(t)
	d := tapLo(t, s.taps, TapSpec{AllUsers: true})
	start, err := procfs.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	u, w := s.packet(0, "127.0.0.1:0"), s.packet(0, "127.0.0.1:0")
	for range 20 {
		s.do(0, func() error {
			_, err := u.WriteTo([]byte(strconv.Itoa(unix.Gettid())), w.LocalAddr())
			return err
		})
	}
	d.end()
	if len(d.packets) != 20 {
		t.Errorf("%d packets", len(d.packets))
	}
	for i := range d.packets {
		p := &d.packets[i]
		if strconv.Itoa(int(p.TID)) != string(p.payload) || int(p.PID) != os.Getpid() || p.Start != start {
			t.Errorf("%q of thread %d of process %d, started at %d; want process %d, started at %d", p.payload, p.TID, p.PID, p.Start, os.Getpid(), start)
		}
	}
	runtime.KeepAlive(u)
}

// prefork is a server whose processes accept from one listener and say who they are.
const prefork = `
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(64)
for _ in range(4):
    if os.fork() == 0:
        while True:
            c, _ = s.accept()
            c.recv(100)
            c.sendall(str(os.getpid()).encode())
            c.close()
print(s.getsockname()[1], flush=True)
sys.stdin.read()
os.killpg(0, 9)
`

// TestTapForkedWorkers: the process that answers, and not the one that listens.
func TestTapForkedWorkers(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs the program python3 as a server that forks")
	}
	s := newTapSpace(t)
	d := tapLo(t, s.taps, TapSpec{AllUsers: true})
	cmd := exec.Command("setsid", "python3", "-c", prefork)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.do(0, cmd.Start)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSpace(line)
	for range 50 {
		c := s.dial(0, "tcp", "127.0.0.1:"+port)
		if _, err := io.WriteString(c, "who"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = in.Close()
	_ = cmd.Wait() // it is killed
	d.end()
	answers := 0
	for i := range d.packets {
		p := &d.packets[i]
		if strconv.Itoa(p.from) != port || len(p.payload) == 0 {
			continue
		}
		answers++
		if strconv.Itoa(int(p.PID)) != string(p.payload) || !strings.HasPrefix(p.Comm, "python3") || p.DstPID != uint32(os.Getpid()) {
			t.Errorf("%q of process %d %q to %d", p.payload, p.PID, p.Comm, p.DstPID)
		}
	}
	if answers != 50 {
		t.Errorf("%d answers", answers)
	}
}

// TestTapStream: the process of each packet of a stream, most of which the kernel
// sends when the receiver makes room, in the receiver's context.
func TestTapStream(t *testing.T) {
	s := newTapSpace(t)
	d := tapStopped(t, s.taps, TapSpec{AllUsers: true, Snaplen: 100})
	ln := s.listen(0, "tcp", "127.0.0.1:0")
	port := ln.Addr().(*net.TCPAddr).Port
	const size = 64 << 20
	d.read()
	cmd := exec.Command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/$1; exec head -c $2 /dev/zero >&3`, "bash", strconv.Itoa(port), strconv.Itoa(size))
	s.do(0, cmd.Start)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := errors.Join(c.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	counts := d.end()
	sum, remembered, segments := 0, 0, 0
	for i := range d.packets {
		p := &d.packets[i]
		if p.to != port || p.OrigLen <= 66 || p.tcp&2 != 0 {
			continue
		}
		sum += p.OrigLen - 66
		if int(p.PID) != cmd.Process.Pid || p.Comm != "head" {
			t.Errorf("packet %d is of process %d %q, not %d, flags %x", i, p.PID, p.Comm, cmd.Process.Pid, p.Flags)
		}
		if p.Flags&ring.Remembered != 0 {
			remembered++
		}
		if p.Segment > 0 {
			segments++
		}
		if len(p.Data) != min(100, p.OrigLen) {
			t.Errorf("%d bytes of %d", len(p.Data), p.OrigLen)
		}
	}
	t.Logf("%d packets, %d sent outside of the process, %d with several segments: %+v", len(d.packets), remembered, segments, counts)
	if sum < size {
		t.Errorf("%d bytes of payload in the packets, %d were sent", sum, size)
	}
}

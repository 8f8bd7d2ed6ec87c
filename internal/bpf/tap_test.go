package bpf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/ring"
)

// tapPatience bounds what a test waits for.
const tapPatience = 30 * time.Second

// newLo makes a network namespace whose lo is up.
func newLo(t testing.TB) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: loads eBPF programs")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip to make network namespaces")
	}
	ns, name := newNamespace(t, int(time.Now().UnixNano()%1e9))
	ip(t, "-n", name, "link", "set", "lo", "up")
	return ns
}

// packetTaps opens them without the senders, as an old kernel has them.
func packetTaps(t testing.TB, ns *os.File) *Taps {
	t.Helper()
	taps, err := openTaps(ns, false)
	if err != nil {
		t.Fatal(err)
	}
	return closeAfter(t, taps)
}

func closeAfter(t testing.TB, taps *Taps) *Taps {
	t.Cleanup(func() {
		if err := taps.Close(); err != nil {
			t.Error(err)
		}
	})
	return taps
}

// seenPacket is a packet that a test has read, with a copy of its bytes.
type seenPacket struct {
	ring.Packet
	// from and to are the ports.
	from, to  int
	transport []byte // header and payload
	payload   []byte
	tcp       byte // flags
}

// tapped is a tap with its reader.
type tapped struct {
	t       testing.TB
	tap     *Tap
	source  *ring.Rings
	packets []seenPacket
	cancel  context.CancelFunc
	done    chan error
}

// tapLo starts a tap and reads it.
func tapLo(t testing.TB, taps *Taps, spec TapSpec) *tapped {
	t.Helper()
	d := tapStopped(t, taps, spec)
	d.read()
	return d
}

// tapStopped starts a tap that is not read until read is called.
func tapStopped(t testing.TB, taps *Taps, spec TapSpec) *tapped {
	t.Helper()
	if spec.RingBytes == 0 {
		spec.RingBytes = 4 << 20
	}
	tap, err := taps.Add(spec, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &tapped{t: t, tap: tap}
	t.Cleanup(func() {
		if err := tap.Close(); err != nil {
			t.Error(err)
		}
	})
	var files []*os.File
	for _, r := range tap.Rings() {
		f, err := r.File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if d.source, err = ring.Open(files, spec.RingBytes); err != nil {
		t.Fatal(err)
	}
	return d
}

// read reads the tap and keeps all packets.
func (d *tapped) read() {
	d.run(func(p *ring.Packet) { d.packets = append(d.packets, copyPacket(p)) })
}

// discard reads the tap and keeps nothing.
func (d *tapped) discard() { d.run(func(*ring.Packet) {}) }

func (d *tapped) run(handle func(*ring.Packet)) {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan error, 1)
	go func() {
		d.done <- d.source.Run(ctx, func(p *ring.Packet) error {
			handle(p)
			return nil
		})
	}()
}

// end ends the tap and its reader, and checks that what was counted is what was
// read.
func (d *tapped) end() TapCounts {
	d.t.Helper()
	if err := d.tap.Close(); err != nil {
		d.t.Error(err)
	}
	d.cancel()
	select {
	case err := <-d.done:
		if err != nil {
			d.t.Error(err)
		}
	case <-time.After(tapPatience):
		d.t.Fatal("the reader does not end")
	}
	got := d.source.Counts()
	if err := d.source.Close(); err != nil {
		d.t.Error(err)
	}
	c, err := d.tap.Counts()
	if err != nil {
		d.t.Fatal(err)
	}
	if !c.addsUp() {
		d.t.Errorf("%+v: seen is not the sum of the others", c)
	}
	if got.Packets != c.Delivered.Packets || got.Bytes != c.Delivered.Bytes {
		d.t.Errorf("read %+v of what was delivered: %+v", got, c.Delivered)
	}
	if got.Lost > c.Lost().Packets {
		d.t.Errorf("the rings say that %d are lost, the counts %d", got.Lost, c.Lost().Packets)
	}
	return c
}

// copyPacket keeps a packet of IPv4 or IPv6.
func copyPacket(p *ring.Packet) seenPacket {
	s := seenPacket{Packet: *p}
	s.Data = append([]byte(nil), p.Data...)
	b := s.Data
	if len(b) < 34 {
		return s
	}
	proto, at := b[23], 14+int(b[14]&15)*4
	if b[12] == 0x86 {
		proto, at = b[20], 54
		if proto == 0 { // hop-by-hop, which a long segment has
			proto, at = b[54], at+8+int(b[55])*8
		}
	}
	if (proto != 6 && proto != 17) || len(b) < at+8 {
		return s
	}
	s.transport = b[at:]
	b = s.transport
	s.from, s.to = int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])
	if proto == 17 {
		s.payload = b[8:]
		return s
	}
	s.tcp = b[13]
	s.payload = b[int(b[12]>>4)*4:]
	return s
}

// transmitted returns how many packets lo of a namespace has sent.
func transmitted(t testing.TB, ns *os.File) uint64 {
	t.Helper()
	var n uint64
	inNamespace(t, ns, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 10 && f[0] == "lo:" {
				n, err = strconv.ParseUint(f[10], 10, 64)
				return err
			}
		}
		return errors.New("no lo")
	})
	return n
}

func TestTapTCP(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			space := newTapSpace(t)
			ns, taps := space.ns, space.taps
			before := transmitted(t, ns)
			all := tapLo(t, taps, TapSpec{AllUsers: true, Others: true, Acks: true})
			some := tapLo(t, taps, TapSpec{AllUsers: true})
			var ln net.Listener
			var client net.Conn
			addr := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
			inNamespace(t, ns, func() (err error) { ln, err = net.Listen(network, addr); return err })
			defer ln.Close()
			inNamespace(t, ns, func() (err error) { client, err = net.Dial(network, ln.Addr().String()); return err })
			server, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			const text = "what is asked"
			started := time.Now()
			if _, err := io.WriteString(client, text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(server, make([]byte, len(text))); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(server, "what is answered"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, len("what is answered"))); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(client.Close(), server.Close()); err != nil {
				t.Fatal(err)
			}
			c, cs := all.end(), some.end()
			if sent := transmitted(t, ns) - before; sent != c.Seen.Packets || c.Delivered != c.Seen {
				t.Errorf("lo has sent %d packets, seen are %+v", sent, c)
			}
			if cs.Seen != c.Seen || cs.Acks.Packets == 0 {
				t.Errorf("without acknowledgements: %+v", cs)
			}
			var payloads []string
			for i := range some.packets {
				p := &some.packets[i]
				if len(p.payload) == 0 {
					continue
				}
				payloads = append(payloads, string(p.payload))
				if int(p.PID) != os.Getpid() || p.Flags&ring.InProcess == 0 || p.Flags&ring.ChecksumPartial == 0 || p.Cookie == 0 || p.Inode == 0 ||
					p.DstInode == 0 || p.DstCookie == 0 || p.Comm == "" || p.UID != 0 || p.DstUID != 0 || p.Start == 0 {
					t.Errorf("%+v", p.Packet)
				}
				if d := p.Time.Sub(started); d < -time.Second || d > time.Minute {
					t.Errorf("sent at %v, started at %v", p.Time, started)
				}
			}
			if got, want := fmt.Sprint(payloads), fmt.Sprint([]string{text, "what is answered"}); got != want {
				t.Errorf("payloads %s, want %s", got, want)
			}
		})
	}
}

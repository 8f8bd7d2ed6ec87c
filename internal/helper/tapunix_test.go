package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lodge/internal/capture/ring"
	"lodge/internal/capture/unixcalls"
	"lodge/internal/decode"
	"lodge/internal/fdpass"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// sent is a sink that keeps what clients sent.
type sent struct{ text string }

func (s *sent) Open(*unixcalls.Conn) {}
func (s *sent) Data(_ *unixcalls.Conn, side decode.Side, p unixcalls.Piece) {
	if side == decode.Client {
		s.text += string(p.Data)
	}
}
func (s *sent) End(*unixcalls.Conn, decode.Side, time.Time, int64, decode.End) {}
func (s *sent) Refused(unixcalls.Attempt)                                      {}

// asSender makes the test binary a process that sends to itself by a Unix socket, and
// does nothing else with such sockets, as a script's interpreter might.
const asSender = "as-sender"

func sendToItself(path string) error {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer ln.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return err
	}
	in, err := ln.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.ReadFull(in, make([]byte, len("hello\n")))
	return err
}

// TestTapUnix: taps of Unix sockets of two clients, without what the clients' own process
// sends, and nothing left of them.
func TestTapUnix(t *testing.T) {
	s := newSpace(t)
	all := newShared(Options{})
	clients := s.tapClients(all, 0, alice, mallory, mallory+1)
	for i, c := range clients[:2] {
		for _, bad := range []helperapi.TapUnixRequest{{RingBytes: 5}, {MaxCall: -1}, {RingBytes: 1 << 40}} {
			if _, _, err := helperapi.StartTapUnix(t.Context(), c, bad); err == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
		tap, files, err := helperapi.StartTapUnix(t.Context(), c, helperapi.TapUnixRequest{RingBytes: 1 << 18})
		var e *helperapi.Error
		if errors.As(err, &e) && e.Code == helperapi.NoTap {
			t.Skip("needs Linux 5.19: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if tap.Kind != helperapi.TapCalls || tap.Rings != len(files) || tap.RingBytes != 1<<18 {
			t.Errorf("%+v", tap.TapReply)
		}
		records, err := ring.OpenRecords(files, tap.RingBytes, unixcalls.RecordSize)
		if err != nil {
			t.Fatal(errors.Join(err, fdpass.Close(files)))
		}
		path := filepath.Join(t.TempDir(), "x")
		// Both ends in one process, which is not the client's.
		s.do(0, func() error {
			out, err := exec.Command("/proc/self/exe", "-test.run=^$", asSender, path).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return err
		})
		own := filepath.Join(t.TempDir(), "own")
		s.do(0, func() error {
			ln, err := net.Listen("unix", own)
			if err != nil {
				return err
			}
			defer ln.Close()
			c, err := net.Dial("unix", own)
			if err != nil {
				return err
			}
			_, err = c.Write([]byte("by the tap's own process"))
			return errors.Join(err, c.Close())
		})
		counts, err := tap.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tap.End(t.Context()); err == nil {
			t.Error("a tap is ended twice")
		}
		var got sent
		a := unixcalls.New(&got)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := records.Run(ctx, a.Record); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if err := records.Close(); err != nil {
			t.Error(err)
		}
		// Alice has no part in it.
		want, text := uint64(1), "hello\n"
		if i == 1 {
			want, text = 0, ""
		}
		if counts.Seen.Packets != want || counts.Lost() != (helperapi.TapCount{}) || got.text != text {
			t.Errorf("client %d: %+v, %q", i, counts, got.text)
		}
	}
	var open []*helperapi.Tap
	more := func(c *helperapi.Client) (n int) {
		t.Helper()
		for ; len(open) <= policy.UnixTaps; n++ {
			tap, files, err := helperapi.StartTapUnix(t.Context(), c, helperapi.TapUnixRequest{RingBytes: 1 << 16})
			var e *helperapi.Error
			if errors.As(err, &e) && e.Code == helperapi.TooManyTaps {
				break
			}
			if err = errors.Join(err, fdpass.Close(files)); err != nil {
				t.Fatal(err)
			}
			open = append(open, tap)
		}
		return n
	}
	// One user does not take another one's, and all of them not root's.
	for i, want := range []int{1: policy.UserUnixTaps, 2: policy.UnixTaps - policy.SpareUnixTaps - policy.UserUnixTaps, 3: 0, 4: policy.SpareUnixTaps} {
		if i == 0 {
			continue
		}
		if got := more(clients[i%4]); got != want {
			t.Errorf("client %d has %d taps, want %d", i, got, want)
		}
	}
	for _, tap := range open {
		if _, err := tap.End(t.Context()); err != nil {
			t.Error(err)
		}
	}
	open = nil
	if got := more(clients[3]); got != policy.UserUnixTaps {
		t.Errorf("after the others' end: %d taps", got)
	}
	for _, tap := range open {
		if _, err := tap.End(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

package shim

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

func TestOrder(t *testing.T) {
	for _, o := range []Order{
		{Path: "/bin/true", Args: []string{"true"}, Env: []string{}},
		{Closed: 5, Dir: "/tmp", Path: "p", Args: []string{"a", "", "c d"}, Env: []string{"A=b", "C="}},
	} {
		b, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeOrder(b[4:])
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, o) {
			t.Errorf("got %+v, want %+v", got, o)
		}
		for n := range b[4:] {
			if _, err := decodeOrder(b[4 : 4+n]); err == nil {
				t.Errorf("no error for the first %d bytes", n)
			}
		}
		if _, err := decodeOrder(append(b[4:], 0)); err == nil {
			t.Error("no error for a byte too many")
		}
	}
	o := Order{Path: "a\x00b", Args: []string{"a"}}
	if _, err := o.Encode(); !errors.Is(err, unix.EINVAL) {
		t.Error("zero byte:", err)
	}
	o = Order{Path: "a", Args: []string{strings.Repeat("x", orderMax)}}
	if _, err := o.Encode(); !errors.Is(err, unix.E2BIG) {
		t.Error("too long:", err)
	}
}

func TestReply(t *testing.T) {
	for _, r := range []Reply{{Kind: replyReady}, {Kind: ReplyError, stage: stageExec, errno: unix.ENOENT}} {
		got, err := DecodeReply(r.encode())
		if err != nil || got != r {
			t.Errorf("got %+v, %v, want %+v", got, err, r)
		}
	}
	for _, b := range []string{"", "r", "x\x00\x00\x00\x00\x00\x00\x00", "e\x00\x00\x00\x00\x00\x00\x00", "r\x00\x00\x00\x01\x00\x00\x00", "e\x09\x00\x00\x01\x00\x00\x00", "e\x00\x01\x00\x01\x00\x00\x00", "e\x00\x00\x00\xff\xff\x00\x00"} {
		if r, err := DecodeReply([]byte(b)); err == nil {
			t.Errorf("%q: %+v", b, r)
		}
	}
}

func FuzzOrder(f *testing.F) {
	for _, o := range []Order{{Path: "/bin/true", Args: []string{"true"}}, {Closed: 7, Dir: "/", Path: "p", Args: []string{"a", "b"}, Env: []string{"A=b"}}} {
		b, err := o.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeOrder(b)
		if err != nil {
			return
		}
		again, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again[4:], b) {
			t.Errorf("%q became %q", b, again[4:])
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(Reply{Kind: ReplyError, stage: stageExec, errno: unix.ENOENT}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeReply(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.encode(), b) {
			t.Errorf("%q became %q", b, r.encode())
		}
		_ = r.Err().Error()
	})
}

func FuzzAddress(f *testing.F) {
	f.Add([]byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, int32(16))
	f.Fuzz(func(t *testing.T, b []byte, n int32) {
		a := unotify.Address{Len: n}
		copy(a.Bytes[:], b)
		for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
			got, ok := a.Inet(domain, true, true)
			if !ok {
				continue
			}
			c := a
			c.Set(got)
			if again, ok := c.Inet(domain, false, true); !ok || again.Port() != got.Port() || again.Addr() != got.Addr() {
				t.Errorf("%v became %v", got, again)
			}
		}
	})
}

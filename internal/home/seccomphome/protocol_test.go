package seccomphome

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOrder(t *testing.T) {
	for _, o := range []order{
		{path: "/bin/true", args: []string{"true"}, env: []string{}},
		{closed: 5, dir: "/tmp", path: "p", args: []string{"a", "", "c d"}, env: []string{"A=b", "C="}},
	} {
		b, err := o.encode()
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
	o := order{path: "a\x00b", args: []string{"a"}}
	if _, err := o.encode(); !errors.Is(err, unix.EINVAL) {
		t.Error("zero byte:", err)
	}
	o = order{path: "a", args: []string{strings.Repeat("x", orderMax)}}
	if _, err := o.encode(); !errors.Is(err, unix.E2BIG) {
		t.Error("too long:", err)
	}
}

func TestReply(t *testing.T) {
	for _, r := range []reply{{kind: replyReady}, {kind: replyError, stage: stageExec, errno: unix.ENOENT}} {
		got, err := decodeReply(r.encode())
		if err != nil || got != r {
			t.Errorf("got %+v, %v, want %+v", got, err, r)
		}
	}
	for _, b := range []string{"", "r", "x\x00\x00\x00\x00\x00\x00\x00", "e\x00\x00\x00\x00\x00\x00\x00", "r\x00\x00\x00\x01\x00\x00\x00", "e\x09\x00\x00\x01\x00\x00\x00", "e\x00\x01\x00\x01\x00\x00\x00", "e\x00\x00\x00\xff\xff\x00\x00"} {
		if r, err := decodeReply([]byte(b)); err == nil {
			t.Errorf("%q: %+v", b, r)
		}
	}
}

func FuzzOrder(f *testing.F) {
	for _, o := range []order{{path: "/bin/true", args: []string{"true"}}, {closed: 7, dir: "/", path: "p", args: []string{"a", "b"}, env: []string{"A=b"}}} {
		b, err := o.encode()
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
		again, err := o.encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again[4:], b) {
			t.Errorf("%q became %q", b, again[4:])
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(reply{kind: replyError, stage: stageExec, errno: unix.ENOENT}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReply(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.encode(), b) {
			t.Errorf("%q became %q", b, r.encode())
		}
		_ = r.err().Error()
	})
}

func FuzzProcText(f *testing.F) {
	f.Add("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", "Tgid:\t12\nflags:\t02004002\n")
	f.Fuzz(func(t *testing.T, line, status string) {
		if s, ok := parseStat(line); ok && s.state == 0 {
			t.Errorf("%q: %+v", line, s)
		}
		statusField(status, "Tgid")
		environ([]byte(status), envHome)
	})
}

func FuzzAddress(f *testing.F) {
	f.Add([]byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, int32(16))
	f.Fuzz(func(t *testing.T, b []byte, n int32) {
		a := address{n: n}
		copy(a.b[:], b)
		for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
			got, ok := a.inet(domain, true, true)
			if !ok {
				continue
			}
			c := a
			c.set(got)
			if again, ok := c.inet(domain, false, true); !ok || again.Port() != got.Port() || again.Addr() != got.Addr() {
				t.Errorf("%v became %v", got, again)
			}
		}
	})
}

func TestRecent(t *testing.T) {
	var r recent
	keep := sixAddr(1)
	r.put(0, keep)
	for i := uint64(1); i < 10*recentMax; i++ {
		r.put(i, sixAddr(2))
		if i%1000 == 0 {
			if a, ok := r.get(0); !ok || a != keep {
				t.Fatal("what is asked for was forgotten")
			}
		}
	}
	if n := len(r.young) + len(r.old); n > 2*recentMax {
		t.Errorf("%d entries", n)
	}
	if _, ok := r.get(1); ok {
		t.Error("what nobody asked for is still there")
	}
}

func TestWithEnv(t *testing.T) {
	got := withEnv([]string{"A=1", envHome + "=x", "B=2"}, envHome, "y", envService, "z")
	if want := []string{"A=1", "B=2", envHome + "=y", envService + "=z"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseStat(t *testing.T) {
	// Linux 6.18, a process whose name is "a) R 1 (b".
	s, ok := parseStat("1234 (a) R 1 (b) S 77 1234 1234 0 -1 4194304 95 0 0 0 0 0 0 0 20 0 1 0 5678 2625536 220 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0")
	if !ok || s != (stat{'S', 77, 5678}) {
		t.Errorf("%+v, %v", s, ok)
	}
	for _, bad := range []string{"", "1", "1 (a", "1 (a) S", "1 (a) S x 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23"} {
		if s, ok := parseStat(bad); ok {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

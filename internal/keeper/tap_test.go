package keeper

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"lodge/internal/home"
	"lodge/internal/keeperapi"
)

// TestTap: the client gets the socket on which the engine tells, which outlives the request.
func TestTap(t *testing.T) {
	r := newRig(t)
	told := make(chan *net.UnixConn, 1)
	r.k.inside = telling{r.k.inside, told}
	feed, err := keeperapi.Tap(r.ctx, r.Client)
	if err != nil {
		t.Fatal(err)
	}
	out := <-told
	if _, err := out.Write([]byte("what it tells")); err != nil {
		t.Fatal(err)
	}
	if err := feed.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(feed)
	if err != nil || string(b) != "what it tells" {
		t.Fatalf("read %q, %v", b, err)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
}

// telling is an engine that can tap.
type telling struct {
	home.Inside
	told chan *net.UnixConn
}

func (e telling) Tap(out *net.UnixConn) error {
	e.told <- out
	return nil
}

// TestTapUnsupported: an engine that cannot tap says so, and leaves nothing open.
func TestTapUnsupported(t *testing.T) {
	r := newRig(t)
	_, err := keeperapi.Tap(r.ctx, r.Client)
	var e *keeperapi.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "unsupported") || e.Hint == "" {
		t.Fatal(err)
	}
}

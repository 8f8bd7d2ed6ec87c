package tlskeys

import (
	"fmt"
	"testing"
)

// TestLoose: a loose secret and the connection that it belongs to find each other,
// whichever comes first, by label and transcript.
func TestLoose(t *testing.T) {
	var l Log
	a, b := random(1), random(2)
	l.AddLoose(ServerHandshake, []byte("hash a"), "sh a")
	l.AddLoose(ClientHandshake, []byte("hash a"), "ch a")
	l.Bind(&a, ServerHandshake, []byte("hash a"))
	l.Bind(&b, ServerHandshake, []byte("hash b"))
	if s := l.Secrets(&a); s == nil || s.Len() != 1 || s.Get(ServerHandshake) != "sh a" {
		t.Errorf("the secret came first: %+v", s)
	}
	if s := l.Secrets(&b); s != nil {
		t.Errorf("a secret of another connection: %+v", s)
	}
	l.AddLoose(ServerHandshake, []byte("hash b"), "sh b")
	if s := l.Secrets(&b); s == nil || s.Get(ServerHandshake) != "sh b" {
		t.Errorf("the connection came first: %+v", s)
	}
	if !l.Add(&b, "CLIENT_TRAFFIC_SECRET_0", "c0") || l.Add(&b, "EXPORTER_SECRET", "ex") {
		t.Error("labels of a key log")
	}
	if s := l.Secrets(&b); s.Len() != 2 || s.Get(ClientTraffic) != "c0" {
		t.Errorf("a line of a key log: %+v", s)
	}
}

func TestLooseForgets(t *testing.T) {
	var l Log
	for i := range 2*maxLoose + 10 {
		l.AddLoose(ServerTraffic, fmt.Append(nil, i), "s")
		r := random(i)
		l.Bind(&r, ClientTraffic, fmt.Append(nil, i))
	}
	if n, m := len(l.loose.secrets.of), len(l.loose.waiting.of); n != maxLoose || m != maxLoose || len(l.loose.secrets.order) > 2*maxLoose {
		t.Errorf("%d secrets, %d waiting, order of %d", n, m, len(l.loose.secrets.order))
	}
	r := random(1)
	l.Bind(&r, ServerTraffic, fmt.Append(nil, maxLoose+9))
	if l.Secrets(&r) != nil {
		t.Error("the oldest is kept")
	}
	l.Bind(&r, ServerTraffic, fmt.Append(nil, maxLoose+10))
	if l.Secrets(&r) == nil {
		t.Error("the oldest of those that there is room for is forgotten")
	}
}

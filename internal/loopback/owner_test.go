package loopback

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestOwner(t *testing.T) {
	for _, c := range []struct {
		e    Endpoint
		text string
	}{
		{Endpoint{Protocol: TCP, IP: netip.MustParseAddr("127.64.0.1"), Port: 80}, `{"protocol":"tcp","ip":"127.64.0.1","port":80}`},
		{Endpoint{Protocol: TCP, IP: netip.MustParseAddr("127.64.0.1"), Port: 80, Owner: OwnedBy(0)}, `{"protocol":"tcp","ip":"127.64.0.1","port":80,"uid":0}`},
		{Endpoint{Protocol: TCP, IP: netip.IPv6Loopback(), Port: 80, RealPort: 41234, Owner: OwnedBy(1000)}, `{"protocol":"tcp","ip":"::1","port":80,"real_port":41234,"uid":1000}`},
	} {
		b, err := json.Marshal(c.e)
		if err != nil || string(b) != c.text {
			t.Errorf("%s, %v; want %s", b, err, c.text)
		}
		var got Endpoint
		if err := json.Unmarshal(b, &got); err != nil || got != c.e {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	if !(Owner{}).Is(5) || !OwnedBy(5).Is(5) || OwnedBy(0).Is(5) {
		t.Error("whose a socket may be")
	}
	e := Endpoint{Protocol: TCP, IP: netip.IPv6Loopback(), Port: 80, RealPort: 41234}
	if e.AddrPort().String() != "[::1]:41234" || e.String() != "tcp [::1]:80" {
		t.Errorf("%v at %v", e, e.AddrPort())
	}
	if err := json.Unmarshal([]byte(`{"uid":-1}`), &e); err == nil {
		t.Error("user -1")
	}
}

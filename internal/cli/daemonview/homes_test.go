package daemonview

import (
	"net/netip"
	"reflect"
	"testing"

	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

func TestHomesOf(t *testing.T) {
	got := localapi.Homes([]localapi.Project{
		{Name: "shop", ID: "a", Home: "127.83.20.7", Home6: "fd00::1"},
		{Name: "nothing", ID: "b", Home: "somewhere"},
		{Name: "fix", ID: "c", Home: "127.83.20.8"},
	})
	want := []sockets.Home{
		{Project: "shop", ID: "a", IP4: netip.MustParseAddr("127.83.20.7"), IP6: netip.MustParseAddr("fd00::1")},
		{Project: "fix", ID: "c", IP4: netip.MustParseAddr("127.83.20.8")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

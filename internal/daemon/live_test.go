package daemon

import (
	"errors"
	"os"
	"testing"

	"lodge/internal/daemon/doctor"
	"lodge/internal/helperapi"
	"lodge/internal/localapi"
	"lodge/internal/sockets/holders"
)

func capability(d localapi.Doctor, name string) localapi.Capability {
	for _, c := range d.Capabilities {
		if c.Name == name {
			return c
		}
	}
	return localapi.Capability{}
}

// The live map is asked by the API, and doctor says whether it can be had.
func TestTheLiveMap(t *testing.T) {
	for _, there := range []bool{true, false} {
		r := newRig(t)
		switch _, err := os.Stat(helperapi.SystemSocket); {
		case there && os.Geteuid() != 0:
			continue // an ordinary user's daemon starts no helper
		case !there && os.Geteuid() == 0:
			r.cfg.Helper = "/nonexistent/lodge-helper"
		case !there && err == nil:
			t.Skip("a helper is installed here")
		}
		d := r.start()
		if there {
			if !within(func() bool { _, err := r.api.Owners(r.ctx); return err == nil }) {
				t.Error("the map gives no answer")
			}
			// It is in the helper that does everything else.
			if c := d.helper.Current(); c == nil || c.Err() != nil {
				t.Error("there is no helper")
			}
		} else if _, err := r.api.Owners(r.ctx); !errors.Is(err, holders.ErrNoLive) {
			t.Errorf("without a helper: %v", err)
		}
		doc, err := r.api.Doctor(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "yes", false: "no"}[there]
		if c := capability(doc, doctor.LiveMap); c.Status != want || c.Reason == "" {
			t.Errorf("helper %v: doctor says %+v", there, c)
		}
	}
}

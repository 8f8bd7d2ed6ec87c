package helperapi

import (
	"testing"
)

func TestParsePlace(t *testing.T) {
	const mount = "/sys/fs/cgroup"
	good := mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7"
	p, err := ParsePlace(mount, good)
	if err != nil || p.UID != 1000 || p.IP4.String() != "127.83.20.7" || p.Path() != good {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{
		"", "/", mount, mount + "/lodge-1000-0a1b2c3d", mount + "/lodge-1000-0a1b2c3d/",
		"/elsewhere/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/x/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/../cgroup/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "//lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7/in",
		mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7/",
		mount + "/lodge-1000-0a1b2c3d/home-127.0.0.1",
		mount + "/lodge-1000-0a1b2c3d/home-10.0.0.1",
		mount + "/lodge-1000-0a1b2c3d/home-127.083.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-::ffff:127.83.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-",
		mount + "/lodge-1000-/home-127.83.20.7",
		mount + "/lodge-1000-XY/home-127.83.20.7",
		mount + "/lodge-01000-ab/home-127.83.20.7",
		mount + "/lodge--1-ab/home-127.83.20.7",
		mount + "/lodge-4294967296-ab/home-127.83.20.7",
		mount + "/lodge-1000-ab-cd/home-127.83.20.7",
		mount + "/lodge-1000/home-127.83.20.7",
		"lodge-1000-ab/home-127.83.20.7",
	} {
		if p, err := ParsePlace(mount, bad); err == nil {
			t.Errorf("%q: %+v, want an error", bad, p)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	f.Add("/m/lodge-1000-0a1b2c3d/home-127.83.20.7")
	f.Fuzz(func(t *testing.T, path string) {
		p, err := ParsePlace("/m", path)
		if err == nil && p.Path() != path {
			t.Errorf("%q read as %q", path, p.Path())
		}
	})
}

package holders

import (
	"testing"

	"lodge/internal/loopback"
)

func TestCgroupHome(t *testing.T) {
	for path, want := range map[string]string{
		"/lodge-0-ab12/home-127.83.20.7/in/web":        "127.83.20.7 web",
		"/lodge-0-ab12/home-127.83.20.7/in/web/deeper": "127.83.20.7 web",
		"/lodge-1000-0/home-127.83.20.7/in/a%2eb%20c":  "127.83.20.7 a.b c",
		"/lodge-0-ab12/home-127.83.20.7/keeper":        "",
		"/lodge-0-ab12/home-127.83.20.7/in":            "",
		"/lodge-0-ab12/home-127.83.20.7/in/":           "",
		"/lodge-0-ab12/home-127.83.20.7/in/a%2":        "",
		"/lodge-0-ab12/home-127.83.20.7/in/a%zz":       "",
		"/lodge-0-ab12/home-127.0.0.1/in/web":          "",
		"/lodge-0-ab12/home-x/in/web":                  "",
		"/lodge-0-ab12/127.83.20.7/in/web":             "",
		"/user.slice/lodge-0-ab/home-127.83.20.7/in/x": "",
		"/": "", "": "",
	} {
		ip, service, ok := cgroupHome(path)
		got := ""
		if ok {
			got = ip.String() + " " + service
		}
		if got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func FuzzHome(f *testing.F) {
	f.Add([]byte("/lodge-0-ab12/home-127.83.20.7/in/web%2e1"))
	f.Add([]byte("A=b\x00LODGE_HOME_ID=x\x00LODGE_SERVICE=db\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = environHome(b)
		if ip, service, ok := cgroupHome(string(b)); ok && (!loopback.HomeRange.Contains(ip) || service == "") {
			t.Errorf("%q: %v %q", b, ip, service)
		}
	})
}

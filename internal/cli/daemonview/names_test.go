package daemonview

import (
	"strings"
	"testing"

	"lodge/internal/cli/clitest"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

func TestServiceNamed(t *testing.T) {
	shop := localapi.Project{ID: "1", Name: "shop", Label: "shop", Path: "/p/shop", Services: []service.Status{{Name: "web"}, {Name: "redis"}, {Name: "only"}}}
	fix := localapi.Project{ID: "2", Name: "shop", Label: "fix-shop", Path: "/p/fix", Services: []service.Status{{Name: "web"}, {Name: "redis"}}}
	all := []localapi.Project{shop, fix}
	l := &View{Projects: all, own: daemonAt{projects: all}}
	for _, c := range []struct {
		word, dir string
		other     bool // the word means something else, too
		want      string
	}{
		{"web", "/p/fix/deep/inside", false, "fix-shop/web"},
		{"redis", "/p/shop", true, "shop/redis"},
		{"redis", "/elsewhere", true, ""},
		{"only", "/elsewhere", false, "shop/only"},
		{"web", "/elsewhere", false, "find service web: 2 projects have one"},
		{"none", "/p/shop", false, ""},
		{"fix-shop/web", "/", false, "fix-shop/web"},
		{"shop/web", "/", false, "shop/web"},
		{"shop/none", "/", false, "find service none: shop has no such service"},
		{"shop/a/page", "/", false, ""},
		{"other/web", "/", false, ""},
		{"web:80", "/p/shop", false, ""},
		{"web.shop", "/p/shop", false, ""},
	} {
		n, err := l.ServiceNamed(c.word, c.dir, c.other)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case n != nil:
			got = n.Project.Label + "/" + n.Status.Name
		}
		if got != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.word, c.dir, got, c.want)
		}
	}
}

func TestFindName(t *testing.T) {
	ps := []localapi.Project{
		{ID: "1", Name: "shop", Label: "shop", State: "up", Home: "127.83.20.7", Services: []service.Status{
			{Name: "web", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:8000")}, {Name: "api", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:9000")},
			{Name: "db", State: service.Up, Scheme: "postgres", Endpoints: clitest.ListensAt("127.83.20.7:5432")},
		}},
		{ID: "2", Name: "two", Label: "two", DefaultService: "b", Services: []service.Status{{Name: "a", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.8:1")}, {Name: "b", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.8:2")}}},
	}
	for host, want := range map[string]string{
		"web.shop.localhost":   "shop web",
		"a.web.shop.localhost": "shop web",
		"web.shop.test":        "shop web tcp",
		"a.web.shop.test":      "",
		"shop.localhost":       "shop candidates web,api",
		"two.localhost":        "two b",
		"shop.test":            "shop tcp",
		"x.shop.localhost":     "shop missing x candidates web,api,db",
		"x.shop.test":          "shop missing x tcp candidates web,api,db",
		"nobody.localhost":     "",
		"web.nobody.test":      "",
		"localhost":            "",
		"test":                 "",
		"example.com":          "",
		"":                     "",
	} {
		got := ""
		if f := FindIn(ps, host); f != nil {
			got = f.Project.Name
			if f.Service != nil {
				got += " " + f.Service.Name
			}
			if f.Missing != "" {
				got += " missing " + f.Missing
			}
			if f.TCP {
				got += " tcp"
			}
			if len(f.Candidates) > 0 {
				got += " candidates " + strings.Join(f.Candidates, ",")
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

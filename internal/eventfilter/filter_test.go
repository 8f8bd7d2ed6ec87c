package eventfilter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/internal/event"
	"lodge/internal/query"
)

func samples() map[string]*event.Event {
	code := 137
	shop := event.Subject{ProjectID: "shop-1", Project: "shop", Service: "web"}
	return map[string]*event.Event{
		"web": {Kind: event.KindService, Number: 4, Subject: shop, Service: &event.Service{
			Change: event.ChangeState, From: "ready", To: "backoff", PID: 7, ExitStatus: &code,
			Endpoints: []event.Endpoint{{Protocol: "tcp", IP: "127.80.0.1", Port: 3000}},
		}},
		"name": {Kind: event.KindName, Subject: shop, Name: &event.Name{Change: event.Added, Host: "web.shop.localhost", Targets: []string{"127.80.0.1", "127.80.0.1:3001"}}},
		"up":   {Kind: event.KindProject, Subject: event.Subject{ProjectID: "shop-1", Project: "shop"}, Project: &event.Project{Change: event.ProjectUp, KeeperPID: 5}},
		"sock": {Kind: event.KindSocket, Subject: shop, Socket: &event.Socket{
			Change: event.SocketOpen, Protocol: "tcp", State: "established", PID: 8, Process: "node",
			Local: &event.SocketAddress{IP: "127.0.0.1", Port: 3000}, Remote: &event.SocketAddress{IP: "127.0.0.1", Port: 40000},
		}},
		"lost":  {Kind: event.KindLost, Lost: &event.Lost{Reason: event.LostTooOld}},
		"lost2": {Kind: event.KindLost, Lost: &event.Lost{Reason: event.LostTooOld, Of: event.KindSocket}},
	}
}

func TestFilter(t *testing.T) {
	for words, want := range map[string]string{
		"":                                 "web name up sock lost lost2",
		"shop":                             "web name up lost",
		"project=shop":                     "web name up sock lost lost2",
		"project=shop-1":                   "web name up sock lost lost2",
		"web":                              "web name lost",
		"shop/web":                         "web name lost",
		"shop-1/web":                       "web name lost",
		"shop/db":                          "lost",
		"other":                            "lost",
		"backoff":                          "web lost lost2",
		"shop backoff":                     "web lost",
		"shop failed":                      "lost",
		"kind=service":                     "web lost",
		"service":                          "web lost",
		"kind=service,name":                "web name lost",
		"name":                             "name lost",
		"kind=socket":                      "sock lost lost2",
		"socket":                           "sock lost lost2",
		"kind=socket shop/web":             "sock lost lost2",
		"socket service=db":                "lost lost2",
		"not kind=name":                    "web up sock lost lost2",
		"web.shop.localhost":               "name lost",
		"host=web.shop.localhost":          "name lost lost2",
		"state=failed,backoff service=web": "web lost",
		"from=ready":                       "web lost lost2",
		"change=added":                     "name lost lost2",
		"pid=7 project=shop":               "web lost lost2",
		"pid 8":                            "sock lost lost2",
		"port=3000":                        "web sock lost lost2",
		"port=40000":                       "sock lost lost2",
		"port=3001":                        "name lost lost2",
		"exit>128":                         "web lost lost2",
		"name=node":                        "sock lost lost2",
		"kind=socket node":                 "sock lost lost2",
		"number=4":                         "web lost lost2",
	} {
		f, err := Parse(strings.Fields(words), Options{Now: time.Now()})
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		var got []string
		all := samples()
		for _, name := range []string{"web", "name", "up", "sock", "lost", "lost2"} {
			if f.Match(all[name]) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", words, got, want)
		}
		if has := strings.Contains(want, "lost2"); f.Sockets() != has {
			t.Errorf("%q: sockets %v", words, f.Sockets())
		}
	}
}

func TestErrors(t *testing.T) {
	for _, bad := range []string{"colour=red", "kind=other", "pid=x", "time>yesterday"} {
		_, err := Parse([]string{bad}, Options{Now: time.Now()})
		var q *query.Error
		if !errors.As(err, &q) || q.Hint == "" || !strings.Contains(q.Text, bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

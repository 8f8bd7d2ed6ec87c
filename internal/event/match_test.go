package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	web := Event{Kind: KindService, Subject: Subject{ProjectID: "shop-1", Project: "shop", Service: "web"}, Service: &Service{Change: ChangeState, From: "ready", To: "backoff", PID: 7}}
	name := Event{Kind: KindName, Subject: web.Subject, Name: &Name{Change: Added, Host: "web.shop.localhost"}}
	lost := Event{Kind: KindLost, Lost: &Lost{Reason: LostTooOld}}
	for words, want := range map[string]string{
		"":                                 "web name lost",
		"shop":                             "web name lost",
		"shop-1":                           "web name lost",
		"web":                              "web name lost",
		"shop/web":                         "web name lost",
		"shop/db":                          "lost",
		"other":                            "lost",
		"backoff":                          "web lost",
		"shop backoff":                     "web lost",
		"shop failed":                      "lost",
		"kind=service":                     "web lost",
		"kind=service,name":                "web name lost",
		"name":                             "name lost",
		"web.shop.localhost":               "name lost",
		"host=web.shop.localhost":          "name lost",
		"state=failed,backoff service=web": "web lost",
		"from=ready":                       "web lost",
		"from=":                            "lost",
		"change=added":                     "name lost",
		"pid=7 project=shop":               "web lost",
	} {
		match, err := Match(strings.Fields(words))
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		var got []string
		for i, e := range []Event{web, name, lost} {
			if match(e) {
				got = append(got, []string{"web", "name", "lost"}[i])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q matches %v, want %s", words, got, want)
		}
	}
	for _, bad := range []string{"colour=red", "kind=other", "=x"} {
		if _, err := Match([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestJSON(t *testing.T) {
	code := 3
	e := Event{
		Stream: "s", Number: 4, Time: time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC), Kind: KindService,
		Source:  Source{Name: SourceKeeper, ProjectID: "shop-1", Stream: "k", Number: 2},
		Subject: Subject{ProjectID: "shop-1", Project: "shop", Service: "web"},
		Service: &Service{Change: ChangeState, From: "ready", To: "backoff", Type: "service", ExitStatus: &code, Reason: "ended", Restarts: 1},
	}
	const want = `{"stream":"s","number":4,"time":"2026-01-02T03:04:05.6Z","kind":"service",` +
		`"source":{"name":"keeper","project_id":"shop-1","stream":"k","number":2},` +
		`"subject":{"project_id":"shop-1","project":"shop","service":"web"},` +
		`"service":{"change":"state","from":"ready","to":"backoff","type":"service","exit_status":3,"reason":"ended","restarts":1}}`
	got, err := json.Marshal(e)
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

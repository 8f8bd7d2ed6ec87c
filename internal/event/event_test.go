package event

import (
	"encoding/json"
	"testing"
	"time"
)

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

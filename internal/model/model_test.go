package model

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"reflect"
	"testing"
)

// TestFindingJSON holds the names of the fields, and that what is written can be
// read.
func TestFindingJSON(t *testing.T) {
	f := Finding{
		Code: "held_by_process", Operation: Bind, Sure: true, Summary: "node has it.", Hint: "end it", PIDs: []int{7}, Order: 3,
		Evidence: []Evidence{
			Fact("one"),
			{Kind: KindSocket, Text: "two", Socket: &Socket{
				Protocol: "tcp", State: "listen", Local: &Endpoint{IP: netip.MustParseAddr("127.0.0.1"), Port: 80}, Processes: []Process{{PID: 7, Start: 11}},
			}},
		},
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"code":"held_by_process","operation":"bind","sure":true,"summary":"node has it.","evidence":["one","two"],` +
		`"evidence_items":[{"kind":"fact","text":"one"},{"kind":"socket","text":"two","socket":{"protocol":"tcp","state":"listen",` +
		`"local":{"ip":"127.0.0.1","port":80},"processes":[{"pid":7,"start_ticks":11}]}}],"hint":"end it","pids":[7]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back Finding
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	f.Order = 0
	if !reflect.DeepEqual(back, f) {
		t.Errorf("got  %+v\nwant %+v", back, f)
	}
	if b, err = json.Marshal(Finding{Code: "x"}); err != nil || string(b) != `{"code":"x","operation":"","sure":false,"summary":"","evidence":[],"evidence_items":[]}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"code":"x","evidence":["one"]}`), &back); err != nil || !reflect.DeepEqual(back.Evidence, Facts("one")) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestDistinct(t *testing.T) {
	got := Distinct([]Finding{{Code: "a", Summary: "1", Order: 1}, {Code: "a", Summary: "2"}, {Code: "a", Summary: "1", Order: 2}, {Code: "b", Summary: "1"}})
	if len(got) != 3 || got[0].Order != 1 || got[2].Code != "b" {
		t.Errorf("%+v", got)
	}
}

func TestError(t *testing.T) {
	e := &Error{Operation: "end", Object: "process 7", Cause: fs.ErrPermission}
	if e.Error() != "end process 7: permission denied" || !errors.Is(e, fs.ErrPermission) {
		t.Error(e)
	}
	if s := (&Error{Operation: "read"}).Error(); s != "read" {
		t.Error(s)
	}
	if s := (&Error{Cause: fs.ErrExist}).Error(); s != "file already exists" {
		t.Error(s)
	}
}

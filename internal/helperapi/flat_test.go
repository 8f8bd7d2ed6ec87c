package helperapi

import (
	"encoding/json"
	"testing"
)

func TestRequestsOfVersion3(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":1,"op":"hello"}`:                                    "",
		`{"id":1,"op":"create_home","ip4":"127.83.20.7"}`:          `{"ip4":"127.83.20.7"}`,
		`{"id":1,"op":"create_home","args":{"ip4":"127.83.20.7"}}`: `{"ip4":"127.83.20.7"}`,
	} {
		var r Request
		if err := json.Unmarshal([]byte(in), &r); err != nil || r.ID != 1 || r.Op == "" || string(r.Args) != want {
			t.Errorf("%s: %+v (%s), %v", in, r, r.Args, err)
		}
	}
	var r Request
	if err := json.Unmarshal([]byte(`{"id":1,"op":"create_home","args":{},"ip4":"127.83.20.7"}`), &r); err == nil {
		t.Error("fields at two places were read")
	}
}

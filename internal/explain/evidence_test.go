package explain

import (
	"encoding/json"
	"testing"
)

// TestEvidenceItems holds the two forms of evidence in the JSON: item i is sentence i,
// and has the object that its kind names.
func TestEvidenceItems(t *testing.T) {
	seen := make(map[string]bool)
	for name, f := range situations(t) {
		b, err := json.Marshal(Report(f))
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Causes []struct {
				Code     string           `json:"code"`
				Evidence []string         `json:"evidence"`
				Items    []map[string]any `json:"evidence_items"`
			} `json:"causes"`
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Causes {
			if c.Evidence == nil || c.Items == nil || len(c.Evidence) != len(c.Items) {
				t.Errorf("%s: %s: %d sentences, %d items", name, c.Code, len(c.Evidence), len(c.Items))
				continue
			}
			for i, item := range c.Items {
				kind, _ := item["kind"].(string)
				seen[kind] = true
				if item["text"] != c.Evidence[i] {
					t.Errorf("%s: %s: item %d is %v, sentence is %q", name, c.Code, i, item["text"], c.Evidence[i])
				}
				if _, ok := item[kind].(map[string]any); ok == (kind == "fact") || kind == "" {
					t.Errorf("%s: %s: item %d: %v", name, c.Code, i, item)
				}
			}
		}
	}
	for _, kind := range []string{"fact", "socket", "process", "rule", "route", "file", "sysctl", "counter", "limit", "name", "service", "address"} {
		if !seen[kind] {
			t.Errorf("no cause has evidence of kind %s", kind)
		}
	}
}

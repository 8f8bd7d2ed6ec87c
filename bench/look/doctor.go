package main

import (
	"encoding/json"
	"strings"
)

// parseLive reads lodge doctor --json for the live map: "" where there is one,
// else why not.
func parseLive(doctor []byte) string {
	var d struct {
		Capabilities []struct {
			Name   string `json:"name"`
			Status string `json:"status"`
			Reason string `json:"reason"`
		} `json:"capabilities"`
	}
	if err := json.Unmarshal(doctor, &d); err != nil {
		return "lodge doctor: " + err.Error()
	}
	for _, c := range d.Capabilities {
		if !strings.Contains(c.Name, "live") {
			continue
		}
		if c.Status == "yes" {
			return ""
		}
		return c.Status + ": " + c.Reason
	}
	return "this lodge has none"
}

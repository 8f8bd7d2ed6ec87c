package probe

import (
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/probe/answer"
)

// TestBrokenAnswerText has the words for answers that broke off, also where
// the page was not answered at all.
func TestBrokenAnswerText(t *testing.T) {
	for want, x := range map[string]*answer.Answer{
		"HTTP/1.1, only interim answers (103) within 7s":                                  {Protocol: "http", Failure: answer.Timeout, HTTP: &answer.HTTP{Version: "1.1", Path: "/", Interim: 103}},
		"HTTP/1.1, only interim answers (100), then it closes the connection within":      {Protocol: "http", Failure: answer.ClosedEarly, HTTP: &answer.HTTP{Version: "1.1", Interim: 100}},
		"HTTP/1.1 200 OK, then it resets the connection within the answer":                {Protocol: "http", Failure: answer.Reset, HTTP: &answer.HTTP{Version: "1.1", Status: 200, Reason: "OK"}},
		`HTTP/1.1 200, malformed: bad Content-Length "-5"`:                                {Protocol: "http", Failure: answer.BadAnswer, HTTP: &answer.HTTP{Version: "1.1", Status: 200, Problem: `bad Content-Length "-5"`}},
		"HTTP/1.0, and no answer to GET /x":                                               {Protocol: "http", HTTP: &answer.HTTP{Version: "1.0", Path: "/x"}},
		`something that lodge does not know: "Wel", then it resets the connection within`: {Protocol: "unknown", FirstBytes: "Wel", Failure: answer.Reset},
		"MQTT (asks for no password)":                                                     {Protocol: "mqtt", Auth: "none"},
		"MQTT (refuses: not authorized)":                                                  {Protocol: "mqtt", Refusal: "not authorized"},
		"RTSP, GStreamer RTSP server, connect ":                                           {Protocol: "rtsp", Product: "GStreamer RTSP server"},
		"NEWER, 1.0":                                                                      {Protocol: "newer", Version: "1.0"},
		"HTTP, then it closes":                                                            {Protocol: "http", Failure: answer.ClosedEarly},
	} {
		var out strings.Builder
		printAnswer(&kit.Kit{Out: &out}, answered("80", "localhost", "127.0.0.1", 80, x), 7*time.Second)
		if got, _ := strings.CutPrefix(out.String(), "127.0.0.1:80 answers: "); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

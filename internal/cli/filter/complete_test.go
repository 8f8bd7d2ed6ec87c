package filter

import (
	"strings"
	"testing"
)

func TestFilterWords(t *testing.T) {
	for begun, want := range map[string]string{
		"po": "port=", "s": "state= scope= service= sendq= sent=", "state=l": "state=listen state=last_ack", "state!=time": "state!=time_wait",
		"protocol=tcp,u": "protocol=tcp,udp protocol=tcp,unix", "port=": "", "nope=": "", "5432": "",
	} {
		if got := strings.Join(Words(&Sockets(false).Schema, begun), " "); got != want {
			t.Errorf("%q: got %q, want %q", begun, got, want)
		}
	}
}

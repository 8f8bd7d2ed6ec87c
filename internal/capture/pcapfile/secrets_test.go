package pcapfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// ReadSecrets finds what reading all packets finds, before, between and behind them, in
// files that are whole and in files that end anywhere.
func TestReadSecrets(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{LinkType: 1}); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"before\n", "between\n", "behind\n"} {
		err := errors.Join(
			w.WriteSecrets(Secrets{Type: SecretsTLS, Data: []byte(text), Comments: []string{text}}),
			w.WriteSecrets(Secrets{Type: SecretsTLS + 1, Data: []byte{byte(i)}}),
		)
		if i < 2 {
			err = errors.Join(err, w.WriteProcess(Process{PID: 1, Name: "x"}), w.WritePacket(&Record{Time: time.Unix(1, 0), LinkType: 1, Data: make([]byte, 60), OrigLen: 60}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{"written": file.Bytes()}
	names, err := filepath.Glob("testdata/*.pcap*")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		for size := range len(data) + 1 {
			if len(data) > 16<<10 && size%1001 != 0 && size < len(data) {
				continue
			}
			var want []Secrets
			if r, err := Open(bytes.NewReader(data[:size])); err == nil {
				for err == nil {
					_, err = r.Next()
				}
				want = r.Secrets()
			}
			if got := ReadSecrets(bytes.NewReader(data[:size])); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Fatalf("%s, %d bytes: got %v, want %v", name, size, got, want)
			}
		}
	}
	if got := ReadSecrets(bytes.NewReader(file.Bytes())); len(got) != 6 {
		t.Errorf("%d secrets", len(got))
	}
}

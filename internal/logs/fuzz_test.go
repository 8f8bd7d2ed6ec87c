package logs

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzRead puts any bytes in log files. Nothing may panic, the ways to read
// must agree on a file whose times are in order, and a writer must get along
// with what it finds.
func FuzzRead(f *testing.F) {
	f.Add([]byte("2026-03-04T12:00:00.000000000Z a\n2026-03-04T12:00:01.000000000Z b\n"), 20, 1, int64(0))
	f.Add([]byte("2026-03-04T12:00:00Z a\n\n\x00\xff torn"), 3, 2, int64(1))
	f.Add([]byte("2026-03-04T12:00:00.0000000000 a\n2026-03-04T12:00:00.000000000Z"), 0, 0, int64(5))
	f.Fuzz(func(t *testing.T, data []byte, cut, n int, seconds int64) {
		dir := t.TempDir()
		cut = min(max(cut, 0), len(data))
		check(t, os.WriteFile(filepath.Join(dir, "web.log.1"), data[:cut], 0o600))
		check(t, os.WriteFile(filepath.Join(dir, "web.log"), data[cut:], 0o600))
		check(t, os.WriteFile(filepath.Join(dir, "db.log"), data, 0o600))
		all := readAll(t, dir, Query{Services: []string{"web"}})
		n = min(max(n, 1), len(all)+1)
		tail := readAll(t, dir, Query{Services: []string{"web"}, Tail: n})
		want := texts(all[max(0, len(all)-n):])
		equal(t, "tail", texts(tail), want)
		since := noon.Add(time.Duration(seconds%1000) * time.Second)
		readAll(t, dir, Query{Since: since, Until: since.Add(time.Minute), Tail: n})
		readAll(t, dir, Query{Since: since})

		st, err := Open(dir, Options{})
		check(t, err)
		defer st.Close()
		w := st.Writer("web")
		_, err = w.Write(data)
		check(t, err)
		_, err = w.Write([]byte("\nlast\n"))
		check(t, err)
		check(t, w.Close())
		if got := readAll(t, dir, Query{Services: []string{"web"}}); len(got) == 0 || got[len(got)-1].Text != "last" {
			t.Fatal("the new line is not the last")
		}
	})
}

package projects

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"lodge/internal/daemon/store"
	"lodge/internal/keeperapi"
	"lodge/internal/rawjson"
	"lodge/internal/statefile"
)

// records reads the records in a directory. One that cannot be read is set
// aside.
func records(dir string, log *slog.Logger) []keeperapi.Record {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // it is not there, or not ours to read: the other ways remain
	}
	var out []keeperapi.Record
	for _, e := range entries {
		n := filepath.Join(dir, e.Name())
		if filepath.Ext(n) != ".json" {
			continue
		}
		var rec keeperapi.Record
		b, err := statefile.Read(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err == nil {
			err = rawjson.Unmarshal(b, &rec)
		}
		if err != nil || !store.ValidID(rec.Config.ID) {
			aside, aerr := statefile.SetAside(n)
			log.Warn("set aside a keeper's record that is not readable", "file", n, "as", aside, "err", errors.Join(err, aerr))
			continue
		}
		out = append(out, rec)
	}
	return out
}

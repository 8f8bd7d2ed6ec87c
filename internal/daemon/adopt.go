package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"lodge/internal/keeperapi"
	"lodge/internal/procfs"
	"lodge/internal/rawjson"
	"lodge/internal/statefile"
)

// adopter takes over what an earlier daemon left: keepers that run, and the rest of others.
type adopter struct{ opener }

// adopt takes back the keepers that outlived the daemon before this one, and
// clears after those that did not. No single file is needed for it: a keeper has
// a record in the runtime directory and one in the state directory, and one that
// has lost both has its configuration in its environment.
func (d *adopter) adopt(ctx context.Context) {
	dead := make(map[string]keeperapi.Record)
	boot := procfs.BootID()
	for _, dir := range []string{d.cfg.Dirs.Keepers(), d.cfg.Dirs.Spare()} {
		for _, rec := range d.records(dir) {
			id := rec.Config.ID
			switch {
			case rec.BootID != "" && rec.BootID != boot || !procfs.Alive(rec.PID, rec.StartTime):
				dead[id] = rec
			default:
				d.take(rec)
			}
		}
	}
	for _, rec := range keeperapi.Running(d.cfg.Dirs.Keepers()) {
		if validID(rec.Config.ID) {
			d.take(rec)
		}
	}
	for id, rec := range dead {
		if _, alive := d.get(id); alive {
			continue // an old record of it
		}
		if rec.BootID != "" && rec.BootID != boot {
			// Nothing of it has survived, and its process id means another one.
			if err := removeFiles(rec.Config); err != nil {
				d.cfg.Log.Warn("remove the record of a keeper of before the last boot", "project", id, "err", err)
			}
			continue
		}
		if err := d.clear(ctx, rec); err != nil {
			d.cfg.Log.Warn("clear after a keeper that died", "project", id, "err", err)
		}
	}
	d.sweep(ctx)
}

// take follows a keeper that runs, unless it is followed already.
func (d *adopter) take(rec keeperapi.Record) {
	c := rec.Config
	if p, ok := d.get(c.ID); ok {
		if p.rec.PID != rec.PID {
			d.cfg.Log.Warn("two keepers of one project", "project", c.ID, "used", p.rec.PID, "other", rec.PID)
		}
		return
	}
	d.store.keep(remembered{ID: c.ID, Name: c.Name, Path: c.Dir, Home: c.Home.IP4, Used: rec.Started})
	d.follow(rec, nil)
}

// records reads the records in a directory. One that cannot be read is set
// aside.
func (d *adopter) records(dir string) []keeperapi.Record {
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
			continue // it ended just now
		}
		if err == nil {
			err = rawjson.Unmarshal(b, &rec)
		}
		if err != nil || !validID(rec.Config.ID) {
			aside, aerr := statefile.SetAside(n)
			d.cfg.Log.Warn("set aside a keeper's record that is not readable", "file", n, "as", aside, "err", errors.Join(err, aerr))
			continue
		}
		out = append(out, rec)
	}
	return out
}

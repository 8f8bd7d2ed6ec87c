package keeper

import (
	"context"
	"errors"
	"io"

	"lodge/internal/logs"
)

// ReadLogs hands the lines that are on disk to each.
func ReadLogs(dir string, q logs.Query, each func(logs.Line) error) error {
	if len(q.Services) == 0 {
		q.Services = nil // all
	}
	for l, err := range logs.Read(dir, q) {
		if err != nil {
			return err
		}
		if err := each(l); err != nil {
			return err
		}
	}
	return nil
}

// followLogs hands the past lines to each and then those that come, none lost
// and none twice, until ctx ends.
func followLogs(ctx context.Context, store *logs.Store, q logs.Query, each func(logs.Line) error) error {
	f, err := store.ReadAndFollow(q)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		l, err := f.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the keeper ends
			}
			return err
		}
		if err := each(l); err != nil {
			return err
		}
	}
}

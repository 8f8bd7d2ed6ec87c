package keeper

import (
	"context"
	"errors"
	"io"

	"lodge/internal/logs"
)

// A batch of lines ends at this many, or when their texts have this many bytes.
const (
	batchLines = 1000
	batchBytes = 256 << 10
)

// followLogs hands the past lines to each and then those that come, none lost
// and none twice, until ctx ends: as many at once as are there.
func followLogs(ctx context.Context, store *logs.Store, q logs.Query, each func([]logs.Line) error) error {
	f, err := store.ReadAndFollow(q)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		l, err := f.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil // the keeper ends
		}
		if err != nil {
			return err
		}
		batch, size, more := []logs.Line{l}, len(l.Text), true
		for more && err == nil && len(batch) < batchLines && size < batchBytes {
			if l, more, err = f.TryNext(ctx); more {
				batch = append(batch, l)
				size += len(l.Text)
			}
		}
		// What ended the batch comes again with the next look.
		if err := each(batch); err != nil {
			return err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

package keeperapi

import (
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

package mysql_test

import (
	"path/filepath"
	"testing"

	"lodge/internal/decode/captest"
	"lodge/internal/decode/mysql"
)

// captures returns the files of testdata.
func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("list captures: %v, %d files", err, len(files))
	}
	return files
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			captest.Golden(t, file, mysql.Protocol())
			captest.Splits(t, file, mysql.Protocol())
		})
	}
}

// FuzzMySQL holds that no bytes make the decoder panic or stand still.
func FuzzMySQL(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(t *testing.T, data []byte) { captest.Play(data, mysql.Protocol()) })
}

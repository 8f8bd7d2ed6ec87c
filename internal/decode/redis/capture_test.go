package redis_test

import (
	"path/filepath"
	"testing"

	"lodge/internal/decode/captest"
	"lodge/internal/decode/redis"
)

// captures returns the captures of the tests: those that testdata/make.sh made,
// and zeek's.
func captures(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, glob := range []string{"testdata/*.pcap", "testdata/zeek/*.pcap*"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if filepath.Ext(f) != ".golden" {
				all = append(all, f)
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d captures", len(all))
	}
	return all
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			captest.Golden(t, file, redis.Protocol())
			captest.Splits(t, file, redis.Protocol())
		})
	}
}

func FuzzRedis(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	captest.Seeds(f, "testdata/zeek/[a-e]*.pcap")
	p := redis.Protocol()
	f.Fuzz(func(t *testing.T, input []byte) { captest.Play(input, p) })
}

package tap

import (
	"fmt"
	"os"

	"lodge/internal/bounded"
	"lodge/internal/cli/kit"
	"lodge/internal/decode/protobuf"
)

// maxDescriptors bounds a file of descriptors, in bytes.
const maxDescriptors = 64 << 20

// readDescriptors reads what is known of gRPC's services.
func readDescriptors(k *kit.Kit, names []string) (*protobuf.Files, error) {
	files := new(protobuf.Files)
	for _, name := range names {
		b, err := readBounded(k.Path(name), maxDescriptors)
		if err == nil {
			err = files.AddSet(b)
		}
		if err != nil {
			return nil, &kit.Hinted{
				Err:  fmt.Errorf("tap: read descriptors of %s: %w", name, cause(err)),
				Hint: "protoc --include_imports --descriptor_set_out=FILE x.proto makes such a file",
			}
		}
	}
	return files, nil
}

// readBounded reads a file of at most most bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	return bounded.ReadAll(f, most)
}

package outcome

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Event is a line of `go test -json` (go doc test2json).
type Event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// Read calls f with each event of the stream, and other with each line that is
// no event, such as an error of the go command.
func Read(in io.Reader, f func(Event), other func(line string)) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e Event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e.Action == "" {
			other(sc.Text())
			continue
		}
		f(e)
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read test events: %w", err)
	}
	return nil
}

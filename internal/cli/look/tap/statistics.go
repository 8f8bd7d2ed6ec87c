package tap

import (
	"bytes"
	"fmt"
	"strconv"

	"lodge/internal/show"
	"lodge/internal/show/table"
	"lodge/internal/tap/stat"
)

// statTable is what --stat prints: a row for each endpoint or statement, the most
// frequent first.
func statTable(rows []stat.Row) string {
	var out bytes.Buffer
	t := table.NewTabs(&out)
	fmt.Fprintln(t, "COUNT\tFAILED\tP50\tP99\tMAX\tBYTES\tPROTOCOL\tSERVER\tREQUEST")
	for i := range rows {
		r := &rows[i]
		failed := "0"
		if r.Failed > 0 {
			failed = fmt.Sprintf("%d (%d%%)", r.Failed, (r.Failed*100+r.Count-1)/r.Count)
		}
		server := r.Server
		if r.Port != 0 {
			server += ":" + strconv.Itoa(int(r.Port))
		}
		asked := r.Group
		if r.Method != "" && !beginsWith(r.Group, r.Method) {
			asked = r.Method + " " + r.Group
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Count, failed, latency(r.P50US), latency(r.P99US), latency(r.MaxUS),
			show.Bytes(float64(r.Bytes)), r.Protocol, clean(server), clean(asked))
	}
	_ = t.Flush() // to memory
	return out.String()
}

func clean(s string) string { return show.CleanLine(show.OneLine(s), false) }

func latency(us *float64) string {
	if us == nil {
		return "-"
	}
	return show.Latency(*us)
}

func beginsWith(s, word string) bool {
	return len(s) >= len(word) && bytes.EqualFold([]byte(s[:len(word)]), []byte(word))
}

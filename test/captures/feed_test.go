package captures

import (
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/tap"
)

// feed gives packets to an engine again and again, each time an hour later, so that the
// connections of before are over.
func feed(t *testing.T, e *tap.Engine, packets []*pcapfile.Record, times int) {
	t.Helper()
	var p packet.Packet
	for i := range times {
		for _, rec := range packets {
			if err := packet.Parse(packet.LinkType(rec.LinkType), rec.Data, int(rec.OrigLen), &p); err != nil {
				continue
			}
			p.Time = rec.Time.Add(time.Duration(i) * time.Hour)
			e.Packet(&p, &tap.Origin{})
			e.Expire(p.Time)
		}
	}
}

package pcapfile_test

import (
	"bytes"
	"fmt"
	"log"
	"time"

	"lodge/internal/capture/pcapfile"
)

// A packet on lo is written with the processes at both ends, and read again.
func Example() {
	var file bytes.Buffer
	w, err := pcapfile.NewWriter(&file, pcapfile.WriterOptions{Application: "example"})
	if err != nil {
		log.Fatal(err)
	}
	lo, err := w.AddInterface(pcapfile.Interface{Name: "lo", LinkType: pcapfile.LinkEthernet})
	if err != nil {
		log.Fatal(err)
	}
	at := time.Unix(1796019841, 0)
	for _, p := range []pcapfile.Process{
		{PID: 4242, Name: "curl", Started: at.Add(-time.Second)},
		{PID: 17, Name: "api", Started: at.Add(-time.Hour)},
	} {
		if err := w.WriteProcess(p); err != nil {
			log.Fatal(err)
		}
	}
	err = w.WritePacket(&pcapfile.Record{
		Time:      at,
		LinkType:  pcapfile.LinkEthernet,
		Interface: lo,
		Data:      []byte("a frame"),
		Flags:     pcapfile.Outbound | pcapfile.ChecksumNotReady,
		Comments:  []string{"curl (4242) → api (17)"},
		Processes: []pcapfile.ProcessRef{{PID: 4242, TID: 4243}, {PID: 17}},
	})
	if err != nil {
		log.Fatal(err)
	}

	r, err := pcapfile.Open(&file)
	if err != nil {
		log.Fatal(err)
	}
	rec, err := r.Next()
	if err != nil {
		log.Fatal(err)
	}
	for _, ref := range rec.Processes {
		p, ok := r.Process(ref.PID, rec.Time)
		fmt.Println(ref.PID, p.Name, ok)
	}
	// Output:
	// 4242 curl true
	// 17 api true
}

package stat

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "duration"))
		m := middle(bucket(d))
		if diff := m - d; diff < -d/64-1 || diff > d/64+1 {
			t.Fatalf("%d is in a bucket round %d", d, m)
		}
		if e := time.Duration(rapid.Int64Range(int64(d), 1<<51).Draw(t, "longer")); bucket(e) < bucket(d) {
			t.Fatalf("%d is in a lower bucket than %d", e, d)
		}
	})
}

func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, 1e10), 1, 300).Draw(t, "list")
		var h histogram
		for _, d := range list {
			h.add(time.Duration(d))
		}
		slices.Sort(list)
		for _, percent := range []int{50, 99, 100} {
			want, q := float64(list[(percent*len(list)+99)/100-1])/1000, float64(percent)/100
			if got := *h.quantile(q); got < want*0.98-0.002 || got > want*1.02+0.002 {
				t.Fatalf("quantile %v of %d: %v, want %v", q, len(list), got, want)
			}
		}
	})
	if (&histogram{}).quantile(0.5) != nil {
		t.Error("nothing has a quantile")
	}
}

func record(method, target, group string, took time.Duration, failed bool) *tap.Record {
	at := time.Unix(100, 0)
	return &tap.Record{
		Server:   tap.End{Address: netip.MustParseAddrPort("127.0.0.1:80"), Processes: []model.Process{{Name: "nginx"}}},
		Exchange: &decode.Exchange{Protocol: "http", Kind: decode.KindRequest, Method: method, Target: target, Group: group, Started: at, Answered: at.Add(took), Failed: failed, Request: decode.Message{Bytes: 10}, Response: decode.Message{Bytes: 90}},
	}
}

func TestTable(t *testing.T) {
	table := New()
	for i := range 10 {
		table.Add(record("GET", "/items/7", "/items/{id}", time.Duration(i+1)*time.Millisecond, i == 0))
	}
	table.Add(record("GET", "/", "", time.Second, false))
	table.Add(&tap.Record{Failure: tap.Refused, Server: tap.End{Address: netip.MustParseAddrPort("127.0.0.1:5432")}})
	rows := table.Rows()
	if len(rows) != 3 {
		t.Fatalf("rows %+v", rows)
	}
	r := rows[0]
	if r.Key != (Key{"nginx", 80, "http", "GET", "/items/{id}"}) || r.Count != 10 || r.Failed != 1 || r.Bytes != 1000 || *r.MaxUS != 10_000 {
		t.Errorf("first %+v", r)
	}
	if rows[1].Server != "127.0.0.1" || rows[1].Method != "refused" || rows[1].Failed != 1 || rows[1].P50US != nil {
		t.Errorf("refused %+v", rows[1])
	}
	if rows[2].Group != "/" {
		t.Errorf("last %+v", rows[2])
	}
}

// The table is bounded: what comes when it is full is counted, all in one row.
func TestTableIsBounded(t *testing.T) {
	table := New()
	for i := range maxRows + 500 {
		table.Add(record("GET", time.Duration(i).String(), "", time.Millisecond, false))
	}
	rows := table.Rows()
	if len(rows) != maxRows+1 || rows[0].Group != Others || rows[0].Count != 500 {
		t.Errorf("%d rows, first %+v", len(rows), rows[0])
	}
}

// A process may serve at several Unix sockets.
func TestUnixSockets(t *testing.T) {
	table := New()
	for _, path := range []string{"/a", "/b", "/a", ""} {
		r := record("GET", "/", "", time.Second, false)
		r.Server.Address, r.Server.Path = netip.AddrPort{}, path
		table.Add(r)
	}
	var got []string
	for _, r := range table.Rows() {
		got = append(got, fmt.Sprint(r.Server, " ", r.Count))
	}
	slices.Sort(got)
	if want := []string{"nginx 1", "nginx unix:/a 2", "nginx unix:/b 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

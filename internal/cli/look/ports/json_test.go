package ports

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/show"
	"lodge/internal/sockets"
)

// anyValue draws a value of any type that a row is made of. Pointers to one
// process are drawn from a few, as in a real table.
func anyValue(t *rapid.T, v reflect.Value, processes []*sockets.Process) {
	switch v.Type() {
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(anyAddress(t)))
		return
	case reflect.TypeFor[time.Time]():
		at := time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		v.Set(reflect.ValueOf(at.In(time.FixedZone("", 60*rapid.IntRange(-800, 800).Draw(t, "zone")))))
		return
	case reflect.TypeFor[*sockets.Process]():
		if len(processes) == 0 {
			return
		}
		if i := rapid.IntRange(-1, len(processes)-1).Draw(t, "process"); i >= 0 {
			v.Set(reflect.ValueOf(processes[i]))
		}
		return
	case reflect.TypeFor[[]*sockets.Process]():
		all := []*sockets.Process{} // never nil: a row without holders has an empty list
		if len(processes) > 0 {
			all = append(all, rapid.SliceOfN(rapid.SampledFrom(processes), 0, 3).Draw(t, "processes")...)
		}
		v.Set(reflect.ValueOf(all))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(anyText(t))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.OneOf(rapid.Just[uint64](0), rapid.Uint64()).Draw(t, "number") & (1<<(8*v.Type().Size()) - 1))
	case reflect.Int:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			anyValue(t, v.Elem(), processes)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			anyValue(t, v.Field(i), processes)
		}
	default:
		t.Fatalf("a %s: teach the test to draw one", v.Type())
	}
}

func anyText(t *rapid.T) string {
	return rapid.OneOf(
		rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"a<b>&c", "\u2028\u2029", "\xff\xfe", "\x00\x1f\x7f\b\f\n\r\t\"\\", "ü…", "\xe2\x80"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	).Draw(t, "text")
}

func anyAddress(t *rapid.T) netip.Addr {
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip4")))
	case 2:
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip6"))).WithZone(anyText(t))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip6")))
}

// The fast way prints what encoding/json prints: every field, also one that is
// added to a row later.
func TestTableJSONIsThatOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		processes := make([]*sockets.Process, rapid.IntRange(0, 3).Draw(t, "how many"))
		for i := range processes {
			processes[i] = new(sockets.Process)
			anyValue(t, reflect.ValueOf(processes[i]).Elem(), nil)
		}
		table := &sockets.Table{
			Rows:          make([]sockets.Row, rapid.IntRange(0, 3).Draw(t, "rows")),
			UnknownOwners: rapid.Int().Draw(t, "unknown"),
			Warnings:      []string{anyText(t)},
		}
		for i := range table.Rows {
			anyValue(t, reflect.ValueOf(&table.Rows[i]).Elem(), processes)
		}
		var got, plain, compact, want bytes.Buffer
		if err := writeTableJSON(&got, newTableSource(table.Rows), nil, table.UnknownOwners, table.Warnings); err != nil {
			t.Fatal(err)
		}
		if err := show.JSONLines(&plain).Encode(table); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&compact, got.Bytes()); err != nil {
			t.Fatalf("not JSON: %v\n%s", err, got.Bytes())
		}
		if err := json.Compact(&want, plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(compact.Bytes(), want.Bytes()) {
			t.Fatalf("\n got %s\nwant %s", compact.Bytes(), want.Bytes())
		}
	})
}

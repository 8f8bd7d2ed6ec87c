package captures

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode/captest"
)

// differences returns where tshark 4.0 says something else than lodge, by file,
// connection and kind, with who is right and why.
func differences(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/differences")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, why, ok := strings.Cut(line, ": ")
		if !ok || !slices.ContainsFunc([]string{"lodge", "tshark", "both", "neither"}, func(who string) bool { return strings.HasPrefix(why, who+", ") }) {
			t.Fatalf("testdata/differences: %q does not say who is right", line)
		}
		out[key] = why
	}
	return out
}

// found are texts by connection and kind.
type found map[string][]string

func (f found) add(key, kind, text string) {
	key += " " + kind
	f[key] = append(f[key], text)
}

// The exchanges of each file are those that tshark finds, in number and order, with their
// texts.
func TestTshark(t *testing.T) {
	known := differences(t)
	compared, texts := 0, 0
	for _, f := range files(t) {
		if !f.compared {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			b, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			r := read(t, b)
			if len(r.records) == 0 && r.account.Streams.PayloadBytes == 0 {
				return // tshark has nothing to say of it either, or does not read it
			}
			got, flows := ours(r)
			want := theirs(t, f.path, flows)
			compared++
			keys := map[string]bool{}
			for _, m := range []found{got, want} {
				for k := range m {
					keys[k] = true
				}
			}
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				a, b := got[key], want[key]
				if strings.HasSuffix(key, joined) {
					a, b = apart(strings.Join(a, ""), strings.Join(b, ""))
				}
				texts += len(b)
				if slices.EqualFunc(a, b, same) {
					continue
				}
				what := "differs"
				if slices.EqualFunc(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)), same) {
					what = "order"
				}
				name := f.name + " " + key
				if known[name] == "" {
					t.Errorf("%s %s:\n  tshark %.1500q\n  lodge  %.1500q", name, what, b, a)
				}
			}
		})
	}
	t.Logf("%d files are compared with tshark, %d texts", compared, texts)
}

// apart returns two texts from a little before the first byte that differs, as lists.
func apart(a, b string) (x, y []string) {
	if a == b {
		return nil, nil
	}
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	i = max(0, i-60)
	return []string{a[i:]}, []string{b[i:]}
}

// same reports whether two texts are equal as far as both were captured.
func same(a, b string) bool { return a == b }

// theirs returns what tshark finds. flows has the protocol that lodge found at each pair
// of ports: tshark goes by the server's port.
func theirs(t *testing.T, path string, flows map[string]flow) found {
	t.Helper()
	fields := []string{"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "frame.protocols"}
	common := len(fields)
	for _, v := range views {
		for _, f := range v.fields {
			if !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
	}
	args := []string{"-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\x02", "-o", "tcp.reassemble_out_of_order:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	as := map[string]bool{}
	for _, f := range flows {
		if name := tsharkNames[f.protocol]; name != "" {
			as[fmt.Sprintf("%s.port==%d,%s", f.transport, f.server, name)] = true
		}
	}
	for _, a := range slices.Sorted(maps.Keys(as)) {
		args = append(args, "-d", a)
	}
	out := found{}
	for _, line := range captest.Tshark(t, path, args...) {
		line = append(line, make([]string, len(fields))...)
		row := map[string][]string{}
		for i, f := range fields[common:] {
			if s := line[common+i]; s != "" {
				row[f] = strings.Split(s, "\x02")
			}
		}
		transport, src, dst := "tcp", line[0], line[1]
		if src == "" {
			transport, src, dst = "udp", line[2], line[3]
		}
		// Only the innermost ports count, as those of a tunnel are outside.
		src, dst = src[strings.LastIndexByte(src, 2)+1:], dst[strings.LastIndexByte(dst, 2)+1:]
		key := pair(transport, src, dst)
		client := flows[key].client == "" && number(src) > number(dst) || flows[key].client == src
		for _, v := range views {
			if strings.Contains(line[4], v.layer) {
				v.theirs(row, client, func(kind, text string) { out.add(key, v.name+" "+kind, text) })
			}
		}
	}
	return out
}

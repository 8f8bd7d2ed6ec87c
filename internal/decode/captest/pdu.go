package captest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
)

// PDU is one message as tshark decodes it.
type PDU struct {
	// Stream is tshark's number of the connection, after "tcp" or "udp".
	Stream string
	// From is the source port.
	From   string
	fields any
}

// PDUs returns the messages of a protocol that tshark finds in a capture, in their
// order. More arguments go to tshark, such as -d for a port that it does not know.
func PDUs(t testing.TB, file, protocol string, more ...string) []PDU {
	t.Helper()
	args := append([]string{"-Y", protocol, "-T", "json", "--no-duplicate-keys", "-J", "tcp udp " + protocol}, more...)
	var packets []struct {
		Source struct {
			Layers map[string]any
		} `json:"_source"`
	}
	if err := json.Unmarshal(TsharkOutput(t, file, args...), &packets); err != nil {
		t.Fatalf("read tshark's JSON: %v", err)
	}
	var all []PDU
	for _, p := range packets {
		transport := "tcp"
		if p.Source.Layers[transport] == nil {
			transport = "udp"
		}
		at := PDU{fields: p.Source.Layers[transport]}
		layers, several := p.Source.Layers[protocol].([]any)
		if !several {
			layers = []any{p.Source.Layers[protocol]}
		}
		for _, l := range layers {
			all = append(all, PDU{Stream: transport + at.First(transport+".stream"), From: at.First(transport + ".srcport"), fields: l})
		}
	}
	return all
}

// All returns the values of a field, wherever it is in the message, in their
// order.
func (p PDU) All(name string) []string { return values(p.fields, name, nil) }

// First returns the first of [PDU.All], or "".
func (p PDU) First(name string) string {
	if all := p.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// values relies on encoding/json for nothing but the tree: maps have lost their
// order, so that a field must not be in two parts of a message if its order counts.
func values(tree any, name string, all []string) []string {
	switch v := tree.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch x := v[key].(type) {
			case string:
				if key == name {
					all = append(all, x)
				}
			case []any:
				for _, element := range x {
					if s, ok := element.(string); ok && key == name {
						all = append(all, s)
					} else {
						all = values(element, name, all)
					}
				}
			default:
				all = values(x, name, all)
			}
		}
	case []any:
		for _, x := range v {
			all = values(x, name, all)
		}
	}
	return all
}

// Text returns a field of bytes, which tshark writes as 61:62, as the bytes.
func (p PDU) Text(name string) string {
	var b strings.Builder
	for pair := range strings.SplitSeq(p.First(name), ":") {
		var c byte
		for _, d := range []byte(pair) {
			c = c<<4 | hexDigit(d)
		}
		if pair != "" {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func hexDigit(d byte) byte {
	if d >= 'a' {
		return d - 'a' + 10
	}
	return d - '0'
}

// InOrder compares exchanges with those that tshark has, as lines: ours in the
// order in which they began. Those that began with one segment have no order.
func InOrder(t *testing.T, ours []*decode.Exchange, line func(*decode.Exchange) string, theirs []string) {
	t.Helper()
	ours = slices.Clone(ours)
	slices.SortStableFunc(ours, func(a, b *decode.Exchange) int { return a.Started.Compare(b.Started) })
	var a, b []string
	for len(ours) > 0 {
		n := 1
		for n < len(ours) && ours[n].Started.Equal(ours[0].Started) {
			n++
		}
		var group []string
		for _, e := range ours[:n] {
			group = append(group, line(e))
		}
		other := slices.Clone(theirs[:min(n, len(theirs))])
		slices.Sort(group)
		slices.Sort(other)
		a, b = append(a, group...), append(b, other...)
		ours, theirs = ours[n:], theirs[len(other):]
	}
	b = append(b, theirs...)
	if d := difference(strings.Join(b, "\n")+"\n", strings.Join(a, "\n")+"\n"); d != "" {
		t.Errorf("other exchanges than tshark has (-):\n%s", d)
	}
}

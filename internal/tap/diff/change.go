package diff

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// change is one difference of two contents.
type change struct {
	part Part
	name string // of a header, of a detail; a path of JSON with [] for indexes
	at   string // where exactly, for people: a path with its indexes, a line
	what what

	old, new string
	// x and y are the lines of whatLine as they are compared.
	x, y           string
	removed, added int // lines, of whatText
}

// what is how something differs.
type what uint8

const (
	whatValue   what = iota
	whatAdded        // only in the second
	whatRemoved      // only in the first
	whatType         // a value of another type
	whatLength       // a list with another number of elements
	whatOrder        // the same elements in another order
	whatLine         // one line of a text
	whatText         // lines were added or removed
)

func checksum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:6])
}

// compare calls f for each difference of two contents of a group.
func compare(va, vb *viewer, a, b *content, f func(change)) {
	compareFacets(slices.Clone(va.facets(a)), vb.facets(b), f)
	for _, p := range []Part{PartRequestBody, PartResponseBody} {
		ma, mb := &a.x.Request, &b.x.Request
		if p == PartResponseBody {
			ma, mb = &a.x.Response, &b.x.Response
		}
		if a.bodyless || b.bodyless || va.marks.level(va.group, p, "") >= markPresence {
			continue
		}
		switch {
		case len(ma.Body) > 0 && len(mb.Body) > 0:
			va.body(p, ma).compare(vb.body(p, mb), f)
		case len(ma.Body) > 0 && mb.BodyBytes == 0 && !mb.Incomplete:
			f(change{part: p, what: whatRemoved, old: excerpt(ma.Body)})
		case len(mb.Body) > 0 && ma.BodyBytes == 0 && !ma.Incomplete:
			f(change{part: p, what: whatAdded, new: excerpt(mb.Body)})
		}
	}
}

func excerpt(b []byte) string {
	if !isText(b, true) {
		return describeBytes(b)
	}
	return strings.ToValidUTF8(string(b[:min(len(b), 200)]), "")
}

// compareFacets compares facets: those of one name in their order.
func compareFacets(a, b []facet, f func(change)) {
	type key struct {
		part Part
		name string
	}
	in := make(map[key][]*facet, len(b))
	for i := range b {
		k := key{b[i].part, b[i].name}
		in[k] = append(in[k], &b[i])
	}
	var order []key
	of := make(map[key][]*facet, len(a))
	for i := range a {
		k := key{a[i].part, a[i].name}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], &a[i])
	}
	for _, k := range order {
		x, y := of[k], in[k]
		if sameValues(x, y) {
			continue
		}
		for i := range max(len(x), len(y)) {
			c := change{part: k.part, name: k.name}
			switch {
			case i >= len(y):
				c.what, c.old = whatRemoved, x[i].raw
			case i >= len(x):
				c.what, c.new = whatAdded, y[i].raw
			case x[i].value == y[i].value:
				continue
			default:
				c.old, c.new = x[i].raw, y[i].raw
			}
			f(c)
		}
	}
	for i := range b {
		if k := (key{b[i].part, b[i].name}); of[k] == nil {
			f(change{part: k.part, name: k.name, what: whatAdded, new: b[i].raw})
		}
	}
}

// sameValues reports whether two lists have the same values in any order.
func sameValues(x, y []*facet) bool {
	if len(x) != len(y) {
		return false
	}
	if len(x) == 1 {
		return x[0].value == y[0].value
	}
	values := func(list []*facet) []string {
		out := make([]string, len(list))
		for i, f := range list {
			out[i] = f.value
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(values(x), values(y))
}

package query

import "slices"

// Bound returns a list of which every row that e matches has at least one, or
// false where there is no such list: so an engine may leave out what has none
// of them, before rows are made. of tells what a term asks for: the values,
// where a row matches the term only if it has one of them, else false. It is
// called with positive comparisons only.
//
// A list may be empty: then no row matches.
func Bound[T any](e Expr, of func(*Term) ([]T, bool)) ([]T, bool) {
	return bound(Simplify(e), of)
}

func bound[T any](e Expr, of func(*Term) ([]T, bool)) ([]T, bool) {
	switch x := e.(type) {
	case And:
		var best []T
		found := false
		for _, y := range x {
			if vs, ok := bound(y, of); ok && (!found || len(vs) < len(best)) {
				best, found = vs, true
			}
		}
		return best, found
	case Or:
		var all []T
		for _, y := range x {
			vs, ok := bound(y, of)
			if !ok {
				return nil, false
			}
			all = append(all, vs...)
		}
		return all, true
	case Not:
		return opposite(x.X, of)
	case *Term:
		if vs, ok := of(x); ok {
			return vs, true
		}
	}
	return nil, false
}

// opposite is bound of the negation of e.
func opposite[T any](e Expr, of func(*Term) ([]T, bool)) ([]T, bool) {
	switch x := e.(type) {
	case And: // one of them does not match
		list := make(Or, 0, len(x))
		for _, y := range x {
			list = append(list, Not{y})
		}
		return bound(list, of)
	case Or:
		list := make(And, 0, len(x))
		for _, y := range x {
			list = append(list, Not{y})
		}
		return bound(list, of)
	case Not:
		return bound(x.X, of)
	case *Term:
		if t, ok := x.complement(); ok {
			return bound(t, of)
		}
	}
	return nil, false
}

// complement returns the term of the other words of a closed list, where each
// row has one of them.
func (t *Term) complement() (*Term, bool) {
	if !t.Field.Single || t.Field.Type != Choice || t.Op != Eq {
		return nil, false
	}
	out := &Term{Field: t.Field, Op: Eq}
	for _, w := range t.Field.Words {
		if !slices.ContainsFunc(t.Values, func(v Value) bool { return v.Text == w }) {
			out.Values = append(out.Values, Value{Text: w})
		}
	}
	return out, true
}

// Package rounds is what many short measurements in turns say: ratios within a
// round, their medians, and whether they hold. It measures nothing itself.
package rounds

import (
	"math"
	"slices"
)

// Spread is a set of ratios, one a round.
type Spread struct {
	Median float64 `json:"median"`
	P25    float64 `json:"p25"`
	P75    float64 `json:"p75"`
	// Low and High hold the true median with a likelihood of 95 %, whatever the
	// distribution (order statistics, the sign test turned around).
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Rounds int     `json:"rounds"`
}

// SpreadOf takes what was measured, in any order.
func SpreadOf(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	v = slices.Sorted(slices.Values(v))
	k := signRank(len(v))
	return Spread{
		Median: quantile(v, 0.5), P25: quantile(v, 0.25), P75: quantile(v, 0.75),
		Low: v[k], High: v[len(v)-1-k], Rounds: len(v),
	}
}

// Ratios divides pair by pair: a[i] and b[i] were measured in one round.
func Ratios(a, b []float64) []float64 {
	out := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

// quantile interpolates in a sorted slice.
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	lo := int(at)
	if lo+1 >= len(v) {
		return v[len(v)-1]
	}
	f := at - float64(lo)
	return v[lo]*(1-f) + v[lo+1]*f
}

// signRank returns the largest k for which the k-th smallest and the k-th
// largest of n values, counted from 0, hold the median between them with a
// likelihood of 95 %.
func signRank(n int) int {
	k, p := -1, math.Exp2(-float64(n)) // P(fewer than one of n below the median)
	for sum := p; sum <= 0.025; {
		k++
		p *= float64(n-k) / float64(k+1)
		sum += p
	}
	return max(k, 0)
}

// Mean is 0 for nothing.
func Mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// Rotated returns the contenders of a round in their order, which changes with
// every round.
func Rotated[T any](v []T, by int) []T {
	by %= max(len(v), 1)
	return append(slices.Clone(v[by:]), v[:by]...)
}

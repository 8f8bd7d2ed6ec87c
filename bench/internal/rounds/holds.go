package rounds

// Missing is a row that could not be measured here.
type Missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Held is one thing that must hold, and whether it did in this run.
type Held struct {
	What    string `json:"what"`
	Found   string `json:"found"`
	Verdict string `json:"verdict"` // yes, no, cannot tell
}

// The verdicts.
const (
	Yes        = "yes"
	No         = "NO"
	CannotTell = "cannot tell"
)

// Within reports whether a ratio lies between lo and hi. Where the range that
// surely has the true median reaches over a bound, a median outside of it tells
// nothing.
func Within(s Spread, lo, hi float64) string {
	switch {
	case s.Rounds == 0:
		return CannotTell
	case s.Median >= lo && s.Median <= hi:
		return Yes
	case s.Low <= hi && s.High >= lo:
		return CannotTell
	}
	return No
}

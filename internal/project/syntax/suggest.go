package syntax

import "strings"

// Nearest returns the candidate that was probably meant by word, or "". The
// first of several equally near ones wins.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)
	for _, c := range candidates {
		// A third of the longer word may differ: "comand" is near "command",
		// "db" is not near "web".
		limit := max(1, max(len(word), len(c))/3)
		if len(word) <= 2 && len(c) <= 2 {
			limit = 0
		}
		d := distance(strings.ToLower(word), c)
		if d <= limit && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean makes a hint from a suggestion, or "" from none.
func DidYouMean(suggestion string) string {
	if suggestion == "" {
		return ""
	}
	return `did you mean "` + suggestion + `"?`
}

// distance counts the insertions, deletions, replacements and exchanges of
// neighbours that make b of a (optimal string alignment). It compares bytes
// and gives up on words that are no likely typing mistake.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	next := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

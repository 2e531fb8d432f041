package config

import (
	"slices"
	"strings"
)

// Near finds the name that was probably meant: the one closest to name, if it
// is at most a slip of the pen away. Ties fall to the first in order.
func Near(name string, names []string) string {
	const maxName = 253
	if name == "" || len(name) > maxName {
		return ""
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	best, distance := "", slips(name)+1
	for _, n := range sorted {
		if n == name || len(n) > maxName {
			continue
		}
		if d := Distance(name, n); d < distance {
			best, distance = n, d
		}
	}
	if best != "" {
		return best
	}
	for _, more := range []int{0, 1} { // the same words in another order, or one more: "db-redis" and "redis"
		for _, n := range sorted {
			if n != name && sameWords(name, n, more) {
				return n
			}
		}
	}
	return ""
}

// slips are the single changes that a name of this length may be away: short
// names are alike by chance.
func slips(name string) int {
	switch {
	case len(name) <= 3:
		return 0
	case len(name) <= 6:
		return 1
	case len(name) <= 12:
		return 2
	}
	return 3
}

// sameWords tells whether the words of one name are all among the other's, with
// so many words more.
func sameWords(a, b string, more int) bool {
	wa, wb := strings.Split(a, "-"), strings.Split(b, "-")
	if len(wa) > len(wb) {
		wa, wb = wb, wa
	}
	if len(wb)-len(wa) != more || len(wa) == 1 && len(wa[0]) < 4 {
		return false
	}
	for _, w := range wa {
		if !slices.Contains(wb, w) {
			return false
		}
	}
	return true
}

// Distance is the number of single changes (a character more, less, another,
// or two swapped) that turn a into b.
func Distance(a, b string) int {
	var before, row, next []int
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := 1; i <= len(a); i++ {
		next = append(next[:0], i)
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			next = append(next, d)
		}
		before, row, next = row, slices.Clone(next), before
	}
	return row[len(b)]
}

package theme

// Window returns height of the lines, from top on.
func Window(lines []Line, top, height int) []Line {
	top = min(max(top, 0), len(lines))
	return lines[top:min(top+max(height, 0), len(lines))]
}

// Reveal moves top as little as needed so that the rows from..to are among the
// height that are shown; of a block that is taller than the screen the start is.
func Reveal(top, from, to, height int) int {
	if to >= top+height {
		top = to - height + 1
	}
	if from < top {
		top = from
	}
	return max(top, 0)
}

// Step moves a cursor over a list whose last index is given, as the keys of
// every list do. A key that means nothing here leaves it, within the list.
func Step(key string, cursor, last int) int {
	last = max(last, 0)
	cursor = min(max(cursor, 0), last)
	switch key {
	case "j", "down":
		return min(cursor+1, last)
	case "k", "up":
		return max(cursor-1, 0)
	case "g", "home":
		return 0
	case "G", "end":
		return last
	case "pgdown", "ctrl+d":
		return min(cursor+10, last)
	case "pgup", "ctrl+u":
		return max(cursor-10, 0)
	}
	return cursor
}

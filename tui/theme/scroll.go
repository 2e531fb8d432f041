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

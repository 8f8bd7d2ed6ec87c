package main

import (
	"regexp"
	"strings"
)

// formatPage returns lodge.toml(5), made of a document in the part of Markdown that
// lodge's documents use: headings, paragraphs, indented and fenced code, lists,
// tables, inline code, emphasis and links. A table's row is an item with its first
// cell as the tag.
func formatPage(version, markdown string) []byte {
	var p page
	p.title("lodge.toml", "5", version)
	p.section("Name")
	p.text("lodge.toml - the services of a project, for lodge(1)")
	p.section("Description")
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); {
		i += block(&p, lines[i:])
	}
	p.section("See also")
	p.line("\\fBlodge\\fR(1)")
	return p.bytes()
}

var item = regexp.MustCompile(`^(- |[0-9]+\. )`)

// block writes the block that lines begin with, and returns how many lines it has.
func block(p *page, lines []string) int {
	l := lines[0]
	switch {
	case strings.TrimSpace(l) == "":
		return 1
	case strings.HasPrefix(l, "# "): // the title
		return 1
	case strings.HasPrefix(l, "## "):
		p.section(plain(l[3:]))
		return 1
	case strings.HasPrefix(l, "### "):
		p.line(".SS " + inline(l[4:]))
		return 1
	case strings.HasPrefix(l, "```"):
		n := run(lines[1:], func(l string) bool { return !strings.HasPrefix(l, "```") })
		p.literal(lines[1 : 1+n])
		return min(n+2, len(lines))
	case strings.HasPrefix(l, "    "):
		n := run(lines, func(l string) bool { return strings.HasPrefix(l, "    ") || l == "" })
		code := strings.Split(strings.TrimRight(strings.Join(lines[:n], "\n"), "\n"), "\n")
		p.literal(code)
		return n
	case strings.HasPrefix(l, "|"):
		n := run(lines, func(l string) bool { return strings.HasPrefix(l, "|") })
		rows(p, lines[:n])
		return n
	case item.MatchString(l):
		n := 1 + run(lines[1:], func(l string) bool { return strings.HasPrefix(l, "  ") })
		tag := item.FindString(l)
		bullet := `\(bu`
		if tag != "- " {
			bullet = strings.TrimSpace(tag)
		}
		p.line(".IP " + bullet + " 4")
		p.line(inline(joined(append([]string{l[len(tag):]}, lines[1:n]...))))
		return n
	}
	n := run(lines, func(l string) bool {
		return l != "" && !strings.HasPrefix(l, "|") && !strings.HasPrefix(l, "#") && !item.MatchString(l)
	})
	n = max(n, 1)
	p.line(".PP\n" + inline(joined(lines[:n])))
	return n
}

// run counts the lines at the beginning for which ok holds.
func run(lines []string, ok func(string) bool) int {
	for i, l := range lines {
		if !ok(l) {
			return i
		}
	}
	return len(lines)
}

func joined(lines []string) string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSpace(l)
	}
	return strings.Join(out, " ")
}

// rows writes a table. The first two lines are its titles and a rule.
func rows(p *page, lines []string) {
	for _, l := range lines[min(2, len(lines)):] {
		cells := cellsOf(l)
		text := cells[1]
		if len(cells) > 2 && cells[2] != "" {
			text += " (" + cells[2] + ")"
		}
		p.line(".TP\n" + inline(cells[0]) + "\n" + inline(text))
	}
}

// cellsOf returns the cells of a table's row, at least two. A bar within code, or
// after a backslash, is none between cells.
func cellsOf(l string) []string {
	var cells []string
	var cell strings.Builder
	inCode := false
	l = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(l), "|"), "|")
	for i := 0; i < len(l); i++ {
		switch c := l[i]; {
		case c == '\\' && i+1 < len(l) && l[i+1] == '|':
			i++
			cell.WriteByte('|')
		case c == '|' && !inCode:
			cells = append(cells, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			if c == '`' {
				inCode = !inCode
			}
			cell.WriteByte(c)
		}
	}
	cells = append(cells, strings.TrimSpace(cell.String()))
	for len(cells) < 2 {
		cells = append(cells, "")
	}
	return cells
}

var (
	link   = regexp.MustCompile(`\[([^\]]+)\]\(([^)]*)\)`)
	strong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// inline returns a sentence as roff: code in bold, links as their text.
func inline(s string) string {
	var out strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			out.WriteString(`\fB` + special.Replace(part) + `\fR`)
			continue
		}
		part = link.ReplaceAllString(part, "$1")
		part = special.Replace(part)
		out.WriteString(strong.ReplaceAllString(part, `\fB$1\fR`))
	}
	text := out.String()
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// plain returns a heading without marks.
func plain(s string) string {
	return strings.ReplaceAll(link.ReplaceAllString(s, "$1"), "`", "")
}

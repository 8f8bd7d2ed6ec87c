package project

import (
	"slices"
	"strings"
)

// Argv returns what to execute. An array in the file is taken as it is, and so
// is a plain line of words and quotes, split as sh splits it: a program without
// a shell around it gets signals itself. Anything that means more to a shell
// becomes /bin/sh -c with the command as it is written, and shell is true. Such
// a command may be a list of several: "exec" cannot be put in front of any.
func (s Service) Argv() (argv []string, shell bool) {
	if s.Args != nil {
		return slices.Clone(s.Args), false
	}
	if argv, result := splitWords(s.Command); result == words {
		return argv, false
	}
	return []string{"/bin/sh", "-c", s.Command}, true
}

// split says what a command line turned out to be.
type split int

const (
	words    split = iota // the returned words are what sh would make of it
	forShell              // only a shell knows
	unclosed              // a quote is not closed, and no shell would take it
)

// splitWords splits a command line by the rules of the shell (POSIX.1-2024,
// XCU 2.2 Quoting and 2.3 Token Recognition) as long as it has only words and
// quotes.
func splitWords(line string) ([]string, split) {
	var out []string
	var word []byte
	inWord := false
	end := func() {
		if inWord {
			out = append(out, string(word))
		}
		word, inWord = word[:0], false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			end()
		case c == '\'':
			n := strings.IndexByte(line[i+1:], '\'')
			if n < 0 {
				return nil, unclosed
			}
			inside := line[i+1 : i+1+n]
			if hasControl(inside) {
				return nil, forShell
			}
			word, inWord = append(word, inside...), true
			i += n + 1
		case c == '"':
			inside, n, result := splitDouble(line[i+1:])
			if result != words {
				return nil, result
			}
			word, inWord = append(word, inside...), true
			i += n + 1
		case c == '\\':
			i++
			if i == len(line) || hasControl(line[i:i+1]) {
				return nil, forShell
			}
			word, inWord = append(word, line[i]), true
		case c < ' ' || c == 0x7f || strings.IndexByte("|&;<>()$`*?[]#~{}", c) >= 0:
			return nil, forShell
		case c == '=' && len(out) == 0:
			// An assignment in front of the command.
			return nil, forShell
		default:
			word, inWord = append(word, c), true
		}
	}
	end()
	if len(out) == 0 || shellWord(out[0]) {
		return nil, forShell
	}
	return out, words
}

// splitDouble reads what follows a double quote, up to and without the closing
// one, which is at the returned index.
func splitDouble(rest string) (inside []byte, closing int, result split) {
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return inside, i, words
		case c == '$' || c == '`' || hasControl(rest[i:i+1]):
			return nil, 0, forShell
		case c == '\\' && i+1 < len(rest) && strings.IndexByte("$`\"\\", rest[i+1]) >= 0:
			i++
			inside = append(inside, rest[i])
		default:
			inside = append(inside, c)
		}
	}
	return nil, 0, unclosed
}

// hasControl reports whether s has a control character other than a tab: shells
// disagree about some of them.
func hasControl(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0
}

// shellWord reports whether a shell would not look for a program of this name.
func shellWord(s string) bool { return slices.Contains(shellWords(), s) }

// shellWords returns the reserved words and the built-in utilities of dash(1) and
// bash(1).
func shellWords() []string {
	return strings.Fields(`! { } [[ ]] case coproc do done elif else esac fi for function if in select then time until while
	. : [ alias bg bind break builtin caller cd chdir command compgen complete compopt continue declare dirs disown echo enable
	eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read
	readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait`)
}

// commandProblem reports why no shell could run a command line, or "".
func commandProblem(line string) string {
	if strings.Trim(line, " \t\r\n") == "" {
		return "the command is empty"
	}
	argv, result := splitWords(line)
	switch {
	case result == unclosed:
		return "a quote in the command is not closed"
	case result == words && argv[0] == "":
		return "the program's name is empty"
	}
	return ""
}

// quoteWords writes an argument list as a line that a shell splits into it.
func quoteWords(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		plain := a != "" && strings.IndexFunc(a, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r))
		}) < 0
		if !plain {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out[i] = a
	}
	return strings.Join(out, " ")
}

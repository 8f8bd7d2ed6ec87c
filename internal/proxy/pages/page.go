// Package pages has the answers that come from lodge and from no service: why a
// request is refused, that a service starts, is down or does not answer. A
// browser gets HTML, a program JSON or text, and a call of gRPC its status.
package pages

import (
	"bytes"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"

	"lodge/internal/show"
)

// Page is an answer that comes from lodge.
type Page struct {
	Status int
	Cause  string // what failed, one line
	Call   int    // the status for a call of gRPC; 0: the one that goes with Status

	code   string // for programs: the "error" field of JSON
	title  string
	text   string
	hint   string // what to do about it
	names  []string
	log    []string
	fields [][2]string // further header fields
	// refresh makes a browser ask again after a moment.
	refresh bool
}

// logLines and logWidth bound what a page shows of a service's output.
const (
	logLines = 50
	logWidth = 500
)

func itoa(n int) string { return strconv.Itoa(n) }

// printable returns a line without escape sequences and control characters, of at
// most logWidth bytes.
func printable(line string) string {
	line = show.Plain(line)
	return strings.ToValidUTF8(line[:min(len(line), logWidth)], "\uFFFD")
}

const (
	typeHTML = "text/html; charset=utf-8"
	typeJSON = "application/json"
	typeText = "text/plain; charset=utf-8"
)

// Render returns the page in the form that Accept asks for: HTML for browsers,
// JSON for programs that want it, and text for curl and all others.
func (p *Page) Render(accept []byte) (contentType string, body []byte) {
	switch {
	case bytes.Contains(accept, []byte("text/html")):
		return typeHTML, p.html()
	case bytes.Contains(accept, []byte("application/json")):
		return typeJSON, p.json()
	}
	return typeText, p.plain()
}

func (p *Page) html() []byte {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, map[string]any{
		"Title": p.title, "Text": p.text, "Cause": p.Cause, "Hint": p.hint, "Names": p.names, "Log": strings.Join(p.log, "\n"), "Refresh": p.refresh,
	}); err != nil {
		return p.plain() // it cannot fail: the template has no calls
	}
	return b.Bytes()
}

func (p *Page) json() []byte {
	b, err := json.Marshal(struct {
		Error  string   `json:"error"`
		Status int      `json:"status"`
		Title  string   `json:"title"`
		Text   string   `json:"text,omitempty"`
		Cause  string   `json:"cause,omitempty"`
		Hint   string   `json:"hint,omitempty"`
		Names  []string `json:"names,omitempty"`
		Log    []string `json:"log,omitempty"`
	}{p.code, p.Status, p.title, p.text, p.Cause, p.hint, p.names, p.log})
	if err != nil {
		return p.plain() // it cannot fail: strings and a number
	}
	return append(b, '\n')
}

func (p *Page) plain() []byte {
	var b bytes.Buffer
	b.WriteString("lodge: " + p.title)
	if p.Cause != "" {
		b.WriteString(": " + p.Cause)
	}
	if p.hint != "" {
		b.WriteString(" (hint: " + p.hint + ")")
	}
	b.WriteByte('\n')
	if p.text != "" {
		b.WriteString(p.text + "\n")
	}
	for _, n := range p.names {
		b.WriteString("  " + n + "\n")
	}
	for _, l := range p.log {
		b.WriteString("  | " + l + "\n")
	}
	return b.Bytes()
}

// Headers calls f with the header fields of every page: it runs nothing, is in no
// frame, is kept by no cache.
func (p *Page) Headers(f func(k, v string)) {
	f("X-Content-Type-Options", "nosniff")
	f("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	f("Referrer-Policy", "no-referrer")
	f("Cache-Control", "no-store")
	f("Vary", "Accept")
	for _, kv := range p.fields {
		f(kv[0], kv[1])
	}
}

// pageTemplate is parsed anew for each page: pages are rare, and a package has
// no variables.
func pageTemplate() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>{{if .Refresh}}<meta http-equiv="refresh" content="2">{{end}}
<meta name="viewport" content="width=device-width"><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.4rem}code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f4f4;padding:.8rem;overflow:auto}footer{color:#888;font-size:.85rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}pre{background:#262626}a{color:#8bf}}
</style></head><body><h1>{{.Title}}</h1>
{{with .Cause}}<p><code>{{.}}</code></p>{{end}}{{with .Text}}<p>{{.}}</p>{{end}}
{{with .Names}}<p>These names lead somewhere:</p><ul>{{range .}}<li><a href="{{.}}">{{.}}</a></li>{{end}}</ul>{{end}}
{{with .Log}}<p>Its last lines:</p><pre>{{.}}</pre>{{end}}{{with .Hint}}<p>Hint: {{.}}</p>{{end}}
<footer>lodge</footer></body></html>
`))
}

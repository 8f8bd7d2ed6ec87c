package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/show"
)

func itoa(n int) string { return strconv.Itoa(n) }

// page is an answer that comes from lodge and from no service.
type page struct {
	status int
	code   string // for programs: the "error" field of JSON
	title  string
	text   string
	cause  string // what failed, one line
	hint   string // what to do about it
	names  []string
	log    []string
	fields [][2]string // further header fields
	// refresh makes a browser ask again after a moment.
	refresh bool
	call    int // the status for a call of gRPC; 0: the one that goes with status
}

// logLines and logWidth bound what a page shows of a service's output.
const (
	logLines = 50
	logWidth = 500
)

func badRequest(status int, cause string) *page {
	return &page{status: status, code: "bad_request", title: "This is no request that lodge can read", cause: cause}
}

func loopPage(f *facts) *page {
	return &page{status: http.StatusLoopDetected, code: "loop", title: "The request goes round in a circle",
		text: "It came through lodge " + itoa(f.loops) + " times.",
		hint: "look for a service that forwards what it is asked for to " + string(f.name) + ", which leads back to it"}
}

func methodPage() *page {
	return &page{status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "lodge makes no tunnels",
		cause: "CONNECT asks a proxy for a connection to anywhere", hint: "ask for the service by its name",
		fields: [][2]string{{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}}}
}

func expectPage() *page {
	return &page{status: http.StatusExpectationFailed, code: "expectation_failed", title: "Unknown expectation", cause: "Expect has a value other than 100-continue"}
}

func movingPage() *page {
	return &page{status: http.StatusServiceUnavailable, code: "moving", title: "The service keeps moving", cause: "it was started anew again and again while the request looked for it",
		fields: [][2]string{{"Retry-After", "1"}}}
}

// gonePage is for a client that is not there any more.
func gonePage() *page {
	return &page{status: 499, code: "gone", title: "The client went away"}
}

// foreignPage does not say which names there are: it is what a page of the web
// gets that points its own name at this machine (DNS rebinding).
func foreignPage(f *facts) *page {
	return &page{status: http.StatusMisdirectedRequest, code: "foreign_host", title: "This name is not served here",
		cause: strconv.Quote(string(f.name)) + " is no name of this machine's projects", hint: "lodge ls shows their names"}
}

func unknownPage(s *snapshot, f *facts) *page {
	p := &page{status: http.StatusNotFound, code: "unknown_name", title: "No service has this name", cause: string(f.name) + " leads nowhere"}
	scheme, port := asked(f)
	for name := range s.table.names {
		if !s.table.unlisted[name] {
			p.names = append(p.names, scheme+name+port+"/")
		}
	}
	slices.Sort(p.names)
	if len(p.names) == 0 {
		p.hint = "lodge up, in a project's directory, brings its names up"
	}
	return p
}

// asked returns what stands before and behind the name in the address that the
// client asked for.
func asked(f *facts) (scheme, port string) {
	scheme = "http://"
	if f.tls {
		scheme = "https://"
	}
	if len(f.port) > 0 {
		port = ":" + string(f.port)
	}
	return scheme, port
}

// noPortPage is for a name that means a port on which the service does not
// listen. It lists the others.
func noPortPage(s *snapshot, r *route, f *facts, port uint16) *page {
	p := &page{status: http.StatusNotFound, code: "no_such_port", title: r.ID + " does not listen on port " + itoa(int(port)), text: r.Note}
	scheme, at := asked(f)
	for name, i := range s.table.names {
		if other := s.routes[i]; other == r || other.UsedAs == r.ID {
			p.names = append(p.names, scheme+name+at+"/")
		}
	}
	slices.Sort(p.names)
	return p
}

// notHTTPPage is for a browser that asks for a service without HTTP.
func notHTTPPage(r *route) *page {
	return &page{status: http.StatusNotFound, code: "not_http", title: r.ID + " does not speak HTTP", cause: r.Exit, hint: r.StartWith, text: r.Note}
}

func crossSitePage(r *route, f *facts) *page {
	from := "another site"
	if f.origin != nil && string(f.origin) != "null" {
		from = string(f.origin)
	}
	return &page{status: http.StatusForbidden, code: "cross_site", title: "A page of another site asked for this",
		text: r.ID + " is for the pages of its own project. A request that " + from + " made was refused, so that no site in your browser can use what runs on your machine.",
		hint: "if it should be allowed, set cross_site for the service in lodge.toml"}
}

func redirectPage(f *facts, port string) *page {
	to := "https://" + string(f.name)
	if port != "" {
		to += ":" + port
	}
	to += string(f.target)
	// 307: the method stays, and no browser remembers it when the setting changes.
	return &page{status: http.StatusTemporaryRedirect, code: "redirect", title: "This service is served over HTTPS", text: to, fields: [][2]string{{"Location", to}}}
}

func (e *Engine) startingPage(r *route) *page {
	return &page{status: http.StatusServiceUnavailable, code: "starting", title: r.ID + " is starting",
		text: "It is not ready yet, after " + e.lim.HoldTime.String() + ". This page asks again by itself." + after(r.Note),
		hint: "lodge logs shows what it does", log: e.tail(r), refresh: true, fields: [][2]string{{"Retry-After", "1"}}}
}

// severalPage lists what a project's own name could mean.
func severalPage(err *SeveralError) *page {
	return &page{status: http.StatusBadGateway, code: "several_services", title: err.Error(), names: err.URLs,
		hint: "default = \"SERVICE\" in lodge.toml says which of them is meant"}
}

func (e *Engine) downPage(r *route) *page {
	p := &page{status: http.StatusBadGateway, code: "down", title: r.ID + " is not running", cause: r.Exit, text: r.Note, log: e.tail(r)}
	if r.Silent {
		p.title, p.cause = r.ID+" "+r.Exit, ""
	}
	if r.NoPage {
		p.status, p.code = http.StatusNotFound, "not_http"
	}
	// One that a request starts would be started by each look.
	p.refresh = !r.OnRequest
	if r.StartWith != "" {
		p.hint = "start it with: " + r.StartWith
	}
	return p
}

func (e *Engine) failingPage(r *route) *page {
	return &page{status: http.StatusServiceUnavailable, code: "failing", title: r.ID + " fails", cause: r.Exit,
		text: "It is started again. This page asks again by itself." + after(r.Note),
		hint: "lodge logs shows what it said", log: e.tail(r), refresh: true, fields: [][2]string{{"Retry-After", "1"}}}
}

func (e *Engine) upstreamPage(r *route, err error) *page {
	return &page{status: http.StatusBadGateway, code: "no_answer", title: r.ID + " did not answer", cause: err.Error(), text: r.Note, log: e.tail(r)}
}

// after returns a sentence that follows another.
func after(sentence string) string {
	if sentence == "" {
		return ""
	}
	return " " + sentence
}

func (e *Engine) tail(r *route) []string {
	if e.cfg.Tail == nil {
		return nil
	}
	lines := e.cfg.Tail(r.ID)
	lines = lines[max(0, len(lines)-logLines):]
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = printable(l)
	}
	return out
}

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

// render writes the page in the form that Accept asks for: HTML for browsers,
// JSON for programs that want it, and text for curl and all others.
func (p *page) render(accept []byte) (contentType string, body []byte) {
	switch {
	case bytes.Contains(accept, []byte("text/html")):
		return typeHTML, p.html()
	case bytes.Contains(accept, []byte("application/json")):
		return typeJSON, p.json()
	}
	return typeText, p.plain()
}

func (p *page) html() []byte {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, map[string]any{
		"Title": p.title, "Text": p.text, "Cause": p.cause, "Hint": p.hint, "Names": p.names, "Log": strings.Join(p.log, "\n"), "Refresh": p.refresh,
	}); err != nil {
		return p.plain() // it cannot fail: the template has no calls
	}
	return b.Bytes()
}

func (p *page) json() []byte {
	b, err := json.Marshal(struct {
		Error  string   `json:"error"`
		Status int      `json:"status"`
		Title  string   `json:"title"`
		Text   string   `json:"text,omitempty"`
		Cause  string   `json:"cause,omitempty"`
		Hint   string   `json:"hint,omitempty"`
		Names  []string `json:"names,omitempty"`
		Log    []string `json:"log,omitempty"`
	}{p.code, p.status, p.title, p.text, p.cause, p.hint, p.names, p.log})
	if err != nil {
		return p.plain() // it cannot fail: strings and a number
	}
	return append(b, '\n')
}

func (p *page) plain() []byte {
	var b bytes.Buffer
	b.WriteString("lodge: " + p.title)
	if p.cause != "" {
		b.WriteString(": " + p.cause)
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

// grpc gives the fields that are the page for a client of gRPC: the answer of
// a call that failed, without a message ("Trailers-Only" in gRPC over HTTP2).
// The codes are those that gRPC itself makes of HTTP's.
func (p *page) grpc(f func(k, v string)) {
	code := 2 // UNKNOWN
	switch p.status {
	case http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge:
		code = 13 // INTERNAL
	case http.StatusForbidden:
		code = 7 // PERMISSION_DENIED
	case http.StatusNotFound, http.StatusMisdirectedRequest:
		code = 12 // UNIMPLEMENTED
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = 14 // UNAVAILABLE
	}
	if p.call != 0 {
		code = p.call
	}
	line, _, _ := bytes.Cut(p.plain(), []byte{'\n'})
	var b strings.Builder
	for _, c := range line {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	f("Content-Type", "application/grpc")
	f("Grpc-Status", itoa(code))
	f("Grpc-Message", b.String())
}

// headers are those of every page: it runs nothing, is in no frame, is kept by
// no cache.
func (p *page) headers(f func(k, v string)) {
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

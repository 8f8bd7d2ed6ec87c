package pages

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/policy"
)

// StatusGone is the status of [Gone], which no client sees.
const StatusGone = 499

// Refused returns the page for a request that is refused. httpsPort is the port of
// addresses with https:, "" for the usual one; tail returns the last lines of a
// service's output.
func Refused(d policy.Decision, t *policy.Table, r *http1.Request, httpsPort string, tail func(*policy.Service) []string) *Page {
	var s *policy.Service
	if d.Service >= 0 {
		s = t.Service(d.Service)
	}
	switch d.Refusal {
	case policy.Loop:
		return loop(r)
	case policy.Method:
		return noTunnels()
	case policy.Expectation:
		return expectation()
	case policy.UnknownName:
		return unknownName(t, r)
	case policy.NotHTTP:
		return notHTTP(s)
	case policy.CrossSite:
		return crossSite(s, r)
	case policy.Redirect:
		return redirect(r, httpsPort)
	case policy.NoPort:
		return noPort(t, s, r, d.Port)
	case policy.NotRunning:
		return Down(s, tail(s))
	}
	return foreignHost(r)
}

// BadRequest is for a request that cannot be read.
func BadRequest(status int, cause string) *Page {
	return &Page{Status: status, code: "bad_request", title: "This is no request that lodge can read", Cause: cause}
}

func loop(r *http1.Request) *Page {
	return &Page{Status: http.StatusLoopDetected, code: "loop", title: "The request goes round in a circle",
		text: "It came through lodge " + itoa(r.Loops) + " times.",
		hint: "look for a service that forwards what it is asked for to " + string(r.Name) + ", which leads back to it"}
}

func noTunnels() *Page {
	return &Page{Status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "lodge makes no tunnels",
		Cause: "CONNECT asks a proxy for a connection to anywhere", hint: "ask for the service by its name",
		fields: [][2]string{{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}}}
}

func expectation() *Page {
	return &Page{Status: http.StatusExpectationFailed, code: "expectation_failed", title: "Unknown expectation", Cause: "Expect has a value other than 100-continue"}
}

// Moving is for a service that was started anew again and again while a request
// looked for it.
func Moving() *Page {
	return &Page{Status: http.StatusServiceUnavailable, code: "moving", title: "The service keeps moving", Cause: "it was started anew again and again while the request looked for it",
		fields: [][2]string{{"Retry-After", "1"}}}
}

// Gone is for a client that is not there any more.
func Gone() *Page {
	return &Page{Status: StatusGone, code: "gone", title: "The client went away"}
}

// foreignHost does not say which names there are: it is what a page of the web
// gets that points its own name at this machine (DNS rebinding).
func foreignHost(r *http1.Request) *Page {
	return &Page{Status: http.StatusMisdirectedRequest, code: "foreign_host", title: "This name is not served here",
		Cause: strconv.Quote(string(r.Name)) + " is no name of this machine's projects", hint: "lodge ls shows their names"}
}

func unknownName(t *policy.Table, r *http1.Request) *Page {
	p := &Page{Status: http.StatusNotFound, code: "unknown_name", title: "No service has this name", Cause: string(r.Name) + " leads nowhere"}
	scheme, port := asked(r)
	t.Names(func(name string, _ *policy.Service, unlisted bool) {
		if !unlisted {
			p.names = append(p.names, scheme+name+port+"/")
		}
	})
	slices.Sort(p.names)
	if len(p.names) == 0 {
		p.hint = "lodge up, in a project's directory, brings its names up"
	}
	return p
}

// asked returns what stands before and behind the name in the address that the
// client asked for.
func asked(r *http1.Request) (scheme, port string) {
	scheme = "http://"
	if r.TLS {
		scheme = "https://"
	}
	if len(r.Port) > 0 {
		port = ":" + string(r.Port)
	}
	return scheme, port
}

// noPort is for a name that means a port on which the service does not
// listen. It lists the others.
func noPort(t *policy.Table, s *policy.Service, r *http1.Request, port uint16) *Page {
	p := &Page{Status: http.StatusNotFound, code: "no_such_port", title: s.ID + " does not listen on port " + itoa(int(port)), text: s.Note}
	scheme, at := asked(r)
	t.Names(func(name string, other *policy.Service, _ bool) {
		if other == s || other.UsedAs == s.ID {
			p.names = append(p.names, scheme+name+at+"/")
		}
	})
	slices.Sort(p.names)
	return p
}

// notHTTP is for a browser that asks for a service without HTTP.
func notHTTP(s *policy.Service) *Page {
	return &Page{Status: http.StatusNotFound, code: "not_http", title: s.ID + " does not speak HTTP", Cause: s.Exit, hint: s.StartWith, text: s.Note}
}

func crossSite(s *policy.Service, r *http1.Request) *Page {
	from := "another site"
	if r.Origin != nil && string(r.Origin) != "null" {
		from = string(r.Origin)
	}
	return &Page{Status: http.StatusForbidden, code: "cross_site", title: "A page of another site asked for this",
		text: s.ID + " is for the pages of its own project. A request that " + from + " made was refused, so that no site in your browser can use what runs on your machine.",
		hint: "if it should be allowed, set cross_site for the service in lodge.toml"}
}

func redirect(r *http1.Request, port string) *Page {
	to := "https://" + string(r.Name)
	if port != "" {
		to += ":" + port
	}
	to += string(r.Target)
	// 307: the method stays, and no browser remembers it when the setting changes.
	return &Page{Status: http.StatusTemporaryRedirect, code: "redirect", title: "This service is served over HTTPS", text: to, fields: [][2]string{{"Location", to}}}
}

// Starting is for a service that is not ready after a time.
func Starting(s *policy.Service, waited time.Duration, tail []string) *Page {
	return &Page{Status: http.StatusServiceUnavailable, code: "starting", title: s.ID + " is starting",
		text: "It is not ready yet, after " + waited.String() + ". This page asks again by itself." + after(s.Note),
		hint: "lodge logs shows what it does", log: printableTail(tail), refresh: true, fields: [][2]string{{"Retry-After", "1"}}}
}

// Several lists what a project's own name could mean.
func Several(title string, urls []string) *Page {
	return &Page{Status: http.StatusBadGateway, code: "several_services", title: title, names: urls,
		hint: "default = \"SERVICE\" in lodge.toml says which of them is meant"}
}

// Down is for a service that does not run, with the last lines of its output.
func Down(s *policy.Service, tail []string) *Page {
	p := &Page{Status: http.StatusBadGateway, code: "down", title: s.ID + " is not running", Cause: s.Exit, text: s.Note, log: printableTail(tail)}
	if s.Silent {
		p.title, p.Cause = s.ID+" "+s.Exit, ""
	}
	if s.NoPage {
		p.Status, p.code = http.StatusNotFound, "not_http"
	}
	// One that a request starts would be started by each look.
	p.refresh = !s.OnRequest
	if s.StartWith != "" {
		p.hint = "start it with: " + s.StartWith
	}
	return p
}

// Failing is for a service that ends again and again.
func Failing(s *policy.Service, tail []string) *Page {
	return &Page{Status: http.StatusServiceUnavailable, code: "failing", title: s.ID + " fails", Cause: s.Exit,
		text: "It is started again. This page asks again by itself." + after(s.Note),
		hint: "lodge logs shows what it said", log: printableTail(tail), refresh: true, fields: [][2]string{{"Retry-After", "1"}}}
}

// NoAnswer is for a service that did not answer.
func NoAnswer(s *policy.Service, err error, tail []string) *Page {
	return &Page{Status: http.StatusBadGateway, code: "no_answer", title: s.ID + " did not answer", Cause: err.Error(), text: s.Note, log: printableTail(tail)}
}

// after returns a sentence that follows another.
func after(sentence string) string {
	if sentence == "" {
		return ""
	}
	return " " + sentence
}

// printableTail returns the last lines of a service's output without what must
// not be on a page.
func printableTail(lines []string) []string {
	lines = lines[max(0, len(lines)-logLines):]
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = printable(l)
	}
	return out
}

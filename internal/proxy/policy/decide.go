package policy

import "lodge/internal/proxy/http1"

// Refusal is why a request does not reach a service.
type Refusal uint8

// The refusals.
const (
	Allowed     Refusal = iota // it is not refused
	Loop                       // it has come through lodge too often
	Method                     // CONNECT
	Expectation                // an Expect that is not known
	ForeignHost                // its Host is no name of this machine's
	UnknownName                // its Host leads nowhere
	NotHTTP                    // the service speaks no HTTP
	CrossSite                  // a page of another site made it
	Redirect                   // it is to come again over https:
	NoPort                     // the service does not listen on the port that the name means
	NotRunning                 // the service is down
)

// Decision is where a request goes.
type Decision struct {
	Refusal Refusal
	Service int    // its index in the table; -1: none
	Port    uint16 // of NoPort
	Wait    bool   // for the service: it starts, or can be started
}

// Rules are what is the same for all requests of an engine.
type Rules struct {
	TLS       bool // https: is served
	CanStart  bool // services can be started
	CanSettle bool // what a service speaks can be found out
}

// maxLoops is how often a request may come through lodge: a service that calls
// another by its name and hands all fields on is no loop yet.
const maxLoops = 10

// Decide says where a request goes by a table. only is the ID of the one service
// that the listener is for; "": all.
func (rules Rules) Decide(t *Table, r *http1.Request, only string) Decision {
	switch {
	case r.Loops >= maxLoops:
		return Decision{Refusal: Loop, Service: -1}
	case http1.String(r.Method) == "CONNECT":
		return Decision{Refusal: Method, Service: -1}
	case r.BadExpect:
		return Decision{Refusal: Expectation, Service: -1}
	}
	i, port, no := t.checkHost(r.Name, only)
	if no != Allowed {
		return Decision{Refusal: no, Service: i}
	}
	s := &t.services[i]
	switch {
	case t.crossSite(s, r, only != ""):
		return Decision{Refusal: CrossSite, Service: i}
	case s.RedirectPlain && rules.TLS && !r.TLS && only == "" && r.Target[0] == '/':
		return Decision{Refusal: Redirect, Service: i}
	case port != 0 && (s.State == Ready || s.State == Unsettled):
		return Decision{Refusal: NoPort, Service: i, Port: port}
	}
	return rules.State(t, i)
}

// State says by its state whether a service can be asked now.
func (rules Rules) State(t *Table, i int) Decision {
	d := Decision{Service: i}
	switch s := &t.services[i]; {
	case s.State == Ready, s.State == Unsettled && !rules.CanSettle:
	case s.State == Starting || s.State == Failing || s.State == Unsettled || s.OnRequest && rules.CanStart:
		d.Wait = true
	default:
		d.Refusal = NotRunning
	}
	return d
}

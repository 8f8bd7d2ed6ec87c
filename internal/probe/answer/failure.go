package answer

// Failure is the kind of a failed connection or exchange.
type Failure string

// The kinds of failures, as --json shows them.
const (
	Refused      Failure = "refused"        // no process listens (ECONNREFUSED)
	Reset        Failure = "reset"          // the other side reset the connection
	Timeout      Failure = "timeout"        // no answer in time
	NoLocalPort  Failure = "no_local_port"  // this machine's dynamic ports are used up (EADDRNOTAVAIL)
	TooManyFiles Failure = "too_many_files" // this process may open no more (EMFILE, ENFILE)
	ClosedEarly  Failure = "closed_early"   // closed before the answer was whole
	BadStatus    Failure = "bad_status"     // HTTP: a status that was not expected
	BadAnswer    Failure = "bad_answer"     // not the protocol, or not what was sent
	Unreachable  Failure = "unreachable"    // no route, or no such address here
	Denied       Failure = "denied"         // a firewall or a policy said no (EPERM, EACCES)
	TLSFailed    Failure = "tls"            // the handshake failed
	Other        Failure = "other"
)

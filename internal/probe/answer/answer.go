package answer

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Answer is what a server was found to be. What it says of itself is made
// harmless for terminals and bounded, but is otherwise its own word.
type Answer struct {
	// Protocol is the name of what it speaks: "http", "h2" (HTTP/2), "tls",
	// "postgresql", "mysql", "redis", "ssh" and so on; "unknown" where it answered
	// with something that lodge does not know.
	Protocol string `json:"protocol"`
	// Product and Version are the server's own words, where it tells them.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// Auth is "none" where lodge was let in without being asked who it is,
	// "required", or the method that the server asks for; "" where that is not known.
	Auth string `json:"auth,omitempty"`
	// User is who lodge said that it is, where the protocol asks first.
	User string `json:"user,omitempty"`
	// Refusal is the error with which the server answered, and its code.
	Refusal     string `json:"refusal,omitempty"`
	RefusalCode string `json:"refusal_code,omitempty"`
	// Offers are further things that the server says it can do: "tls", "websocket".
	Offers []string `json:"offers,omitempty"`
	// FirstBytes is how its answer begins, as in a string of Go: \r\n, \x00.
	FirstBytes string `json:"first_bytes,omitempty"`
	// Failure is how the answer broke off: Reset, or ClosedEarly; Timeout where
	// only interim responses of HTTP came in the time; BadAnswer where it is malformed.
	Failure Failure `json:"failure,omitempty"`

	HTTP *HTTP `json:"http,omitempty"`
	TLS  *TLS  `json:"tls,omitempty"`

	// Next is the exchange that would tell more: the answer shows what the server
	// is, but was to a question for another.
	Next string `json:"-"`
	// Partial reports that the answer was cut off before it was whole.
	Partial bool `json:"-"`
	// Short reports that the other side owes the rest of the answer.
	Short bool `json:"-"`
}

// Status is the page's status, zero where there is none.
func (a *Answer) Status() int {
	if a == nil || a.HTTP == nil {
		return 0
	}
	return a.HTTP.Status
}

// HTTP is the answer to GET of one page.
type HTTP struct {
	// Version is "1.0", "1.1" or "2".
	Version string `json:"version"`
	Path    string `json:"path"`
	// Status is zero where the page was not answered.
	Status int `json:"status"`
	// Interim is the status of the last interim response (RFC 9110, section 15.2),
	// where no other followed.
	Interim int `json:"interim_status,omitempty"`
	// Problem says what is malformed in the response.
	Problem     string `json:"problem,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Server      string `json:"server,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Location    string `json:"location,omitempty"`
	// Body is how the body begins, as FirstBytes.
	Body string `json:"body,omitempty"`
}

// TLS is what a handshake showed.
type TLS struct {
	Version string `json:"version,omitempty"`
	Cipher  string `json:"cipher,omitempty"`
	// ALPN is the protocol that was agreed on, "" for none.
	ALPN string `json:"alpn,omitempty"`
	// WantsClientCertificate says that the server asked for one; it got none.
	WantsClientCertificate bool         `json:"wants_client_certificate,omitempty"`
	Certificate            *Certificate `json:"certificate,omitempty"`
	// Trusted reports whether this machine's programs would accept the certificate
	// for the name that was probed; Problem says why not.
	Trusted bool   `json:"trusted"`
	Problem string `json:"problem,omitempty"`
}

// Certificate is the server's own, without its chain.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// SHA256 is the fingerprint, in hexadecimal.
	SHA256 string `json:"sha256"`
	Chain  int    `json:"chain"` // how many certificates were sent
}

// Reply is what a server has said so far on one connection.
type Reply struct {
	Sent []byte // the last question, nil if nothing was sent
	Data []byte
	// final says that no more will come: it was closed, or time or room are over.
	Final bool
}

// reader is a pure function that knows one protocol. It gives nil where the
// bytes are not of that protocol; more says that a longer answer would tell
// more, or may yet turn out to be of it. What it gives with more is used only
// when nothing else comes.
type reader func(r Reply) (a *Answer, more bool)

// readers lists all, those that cannot be mistaken first.
func readers() []reader {
	return []reader{
		readEcho, readSSH, readRTSP, ReadHTTP, ReadTLSRecord, readH2Settings, ReadPostgres, readMySQL, ReadMongo, readAMQP,
		readKafka, readMQTT, readDNSOverTCP, readNATS, readRedis, readMemcached, readIMAP, readPOP3, readSMTPOrFTP,
		readVNC, readRsync, readTelnet,
	}
}

// Recognise asks every reader. With more it is worth waiting for further bytes.
func Recognise(r Reply) (a *Answer, more bool) {
	if len(r.Data) == 0 {
		return nil, true
	}
	for _, read := range readers() {
		got, wait := read(r)
		if got != nil {
			got.FirstBytes = QuoteBytes(r.Data, 64)
			return got, wait && !r.Final
		}
		more = more || wait
	}
	return nil, more && !r.Final
}

// Unknown is an answer that no reader knows.
func Unknown(data []byte) *Answer {
	return &Answer{Protocol: "unknown", FirstBytes: QuoteBytes(data, 64)}
}

const maxText = 200

// Plain makes text of a server's harmless: one line, no control characters, no
// more than 200 characters.
func Plain(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4*maxText {
		s = s[:4*maxText]
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxText {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError || !strconv.IsPrint(r):
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// QuoteBytes returns at most limit bytes as in a string of Go, without its quotes.
func QuoteBytes(b []byte, limit int) string {
	cut := ""
	if len(b) > limit {
		b, cut = b[:limit], "…"
	}
	q := strconv.QuoteToASCII(string(b))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// line cuts the first line off, without its end. ok is false while no end of
// line has come.
func line(b []byte) (first string, rest []byte, ok bool) {
	for i, c := range b {
		if c == '\n' {
			return strings.TrimSuffix(string(b[:i]), "\r"), b[i+1:], true
		}
	}
	return string(b), nil, false
}

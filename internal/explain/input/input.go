package input

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/explain/message"
	"lodge/internal/loopback"
	"lodge/internal/target"
)

// Kind says what a person gave.
type Kind string

// The kinds of input.
const (
	KindAddress  Kind = "address"  // 127.0.0.1
	KindPort     Kind = "port"     // 3000, :3000, 53/udp, postgresql
	KindEndpoint Kind = "endpoint" // 127.0.0.1:3000
	KindName     Kind = "name"     // web.shop.localhost, localhost:3000, a URL
	KindUnix     Kind = "unix"     // /run/docker.sock
	KindError    Kind = "error"    // a message with an error in it
)

// Operation is what was tried.
type Operation = message.Operation

// The operations that fail.
const (
	Connect = message.Connect
	Bind    = message.Bind
)

// Question is what was asked about.
type Question struct {
	Text string
	Kind Kind
	// Protocol is "" where it was not said.
	Protocol loopback.Protocol
	// Name is a host name, in lower case, or "".
	Name string
	// IPs are the addresses that were written. With a Name they are those that
	// a message says were tried for it.
	IPs []netip.Addr
	// Port, if HasPort.
	Port    uint16
	HasPort bool
	// Service is the name by which the port was given.
	Service string
	// Unix is the path of a Unix socket, or "".
	Unix string
	// Operation and Errno ("ECONNREFUSED") are what a message tells, or "".
	Operation Operation
	Errno     string
	// Local is the near end of a connection that a message tells of.
	Local netip.AddrPort
	// Others are the other failures of which a message tells, at other addresses.
	Others []Question
}

// ErrNoAddress says that there is neither an address, a port nor a name in
// what was given.
var ErrNoAddress = errors.New("no address, port or name in it")

// errNoPort says that a message tells of a port that is none.
var errNoPort = errors.New("it tells of a port that is none: ports are the numbers from 0 to 65535")

// maxOthers bounds how many failures of a message are told beside the first.
const maxOthers = 2

// Parse reads what a person typed or pasted.
func Parse(text string) (Question, error) {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	if text == "" {
		return Question{}, ErrNoAddress
	}
	if strings.ContainsAny(text, " \t\n\r\x1b") || message.TellsError(text) {
		return parseMessage(text)
	}
	word := strings.Trim(text, `"'<>(),;`+"`")
	t, err := target.Parse(strings.TrimSuffix(word, "."))
	if errors.Is(err, target.ErrEmpty) {
		return Question{}, ErrNoAddress
	}
	if err != nil {
		return Question{}, err
	}
	switch {
	case t.Block.IsValid():
		return Question{}, fmt.Errorf("%q is a block of addresses, not one", word)
	case t.HasPort && t.Last != t.Port:
		return Question{}, fmt.Errorf("%q is a range of ports, not one", word)
	}
	in := Question{
		Text: text, Protocol: t.Protocol, Port: t.Port, HasPort: t.HasPort, Service: t.Service, Unix: t.Unix,
	}
	if t.IP.IsValid() {
		in.IPs = []netip.Addr{t.IP}
	} else {
		in.Name = strings.ToLower(strings.TrimSuffix(t.Host, "."))
	}
	in.kind()
	return in, nil
}

func (in *Question) kind() {
	switch {
	case in.Errno != "":
		in.Kind = KindError
	case in.Unix != "":
		in.Kind = KindUnix
	case in.Name != "":
		in.Kind = KindName
	case len(in.IPs) > 0 && in.HasPort:
		in.Kind = KindEndpoint
	case len(in.IPs) > 0:
		in.Kind = KindAddress
	default:
		in.Kind = KindPort
	}
}

// parseMessage reads a message.
func parseMessage(text string) (Question, error) {
	all := message.Read(text)
	if len(all) == 0 || !all[0].HasPort && all[0].Unix == "" {
		if number, ok := message.NoPort(text); ok && number != "" {
			return Question{}, &target.PortError{Text: number}
		} else if ok {
			return Question{}, errNoPort
		}
	}
	if len(all) == 0 {
		return Question{}, ErrNoAddress
	}
	in := fromReading(&all[0])
	in.Text = text
	for i := range all[1:min(len(all), 1+maxOthers)] {
		in.Others = append(in.Others, fromReading(&all[1+i]))
	}
	return in, nil
}

func fromReading(r *message.Reading) Question {
	in := Question{
		Protocol: r.Protocol, Name: r.Name, IPs: r.IPs, Port: r.Port, HasPort: r.HasPort, Unix: r.Unix,
		Operation: r.Operation, Errno: r.Errno, Local: r.Local,
	}
	in.kind()
	return in
}

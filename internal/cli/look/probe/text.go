package probe

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/loopback"
	"lodge/internal/probe"
	"lodge/internal/probe/answer"
	"lodge/internal/show"
	"lodge/internal/show/table"
)

// printAnswer prints what one probe found: the answer first, in one line.
func printAnswer(k *kit.Kit, r *probe.Report, timeout time.Duration) {
	at := netip.AddrPortFrom(r.IP, r.Port).String()
	if r.Protocol == loopback.UDP {
		at = "udp " + at
	}
	times := ""
	if r.ConnectUS > 0 {
		times += ", connect " + show.Latency(float64(r.ConnectUS))
	}
	if r.TLSUS > 0 {
		times += ", TLS " + show.Latency(float64(r.TLSUS))
	}
	if r.FirstByteUS > 0 {
		times += ", first byte " + show.Latency(float64(r.FirstByteUS))
	}
	fmt.Fprintf(k.Out, "%s answers: %s%s\n", at, answerText(r.Answer)+brokenText(r.Answer, timeout), times)
	w := table.NewTabs(k.Out)
	for _, d := range answerDetails(r) {
		fmt.Fprintf(w, "  %s\t%s\n", d[0], d[1])
	}
	_ = w.Flush() // a.out keeps the error
}

// answerText returns in one phrase what answers.
func answerText(x *answer.Answer) string {
	name := strings.TrimSpace(x.Product + " " + x.Version)
	titles := map[string]string{
		"ssh": "SSH", "smtp": "SMTP", "ftp": "FTP", "smtp or ftp": "SMTP or FTP", "imap": "IMAP", "pop3": "POP3", "dns": "DNS", "amqp": "AMQP",
		"vnc": "VNC", "rsync": "rsync", "telnet": "Telnet", "echo": "an echo: it sends back what it gets", "nats": "NATS", "kafka": "Kafka", "mqtt": "MQTT", "rtsp": "RTSP",
		"redis": "Redis", "memcached": "memcached", "mongodb": "MongoDB", "mysql": "MySQL", "postgresql": "PostgreSQL",
	}
	var text string
	switch x.Protocol {
	case "http", "h2", "grpc":
		text = httpText(x)
	case "tls":
		text = "TLS, and nothing more inside it"
		if x.TLS != nil && x.TLS.Version != "" {
			text = x.TLS.Version + ", and nothing more inside it"
		}
	case "unknown":
		return "something that lodge does not know: \"" + x.FirstBytes + "\""
	case "postgresql", "mysql", "redis", "memcached", "mongodb", "kafka", "nats":
		if text = name; text == "" {
			text = titles[x.Protocol]
		}
	default:
		if text = titles[x.Protocol]; text == "" {
			text = strings.ToUpper(x.Protocol)
		}
		if name != "" {
			text += ", " + name
		}
	}
	if x.TLS != nil && x.TLS.Version != "" && x.HTTP == nil && x.Protocol != "tls" && x.Protocol != "postgresql" {
		text += " in " + x.TLS.Version
	}
	if t := x.TLS; t != nil && t.WantsClientCertificate && x.HTTP == nil {
		text += ", wants a client certificate"
	}
	if auth := authText(x); auth != "" {
		text += " (" + auth + ")"
	}
	return text
}

// httpText is the protocol, the status, and the server's name.
func httpText(x *answer.Answer) string {
	if x.HTTP == nil {
		return "HTTP"
	}
	text := "HTTP/" + x.HTTP.Version
	if x.TLS != nil {
		text = "HTTPS, " + text
	}
	if x.Protocol == "grpc" {
		text = "gRPC, " + text
	}
	if x.HTTP.Status > 0 {
		text += " " + strings.TrimSpace(strconv.Itoa(x.HTTP.Status)+" "+x.HTTP.Reason)
	}
	if x.HTTP.Interim > 0 {
		text += ", only interim answers (" + strconv.Itoa(x.HTTP.Interim) + ")"
	} else if x.HTTP.Status == 0 && x.HTTP.Path != "" {
		text += ", and no answer to GET " + x.HTTP.Path
	}
	if x.HTTP.Server != "" {
		text += ", " + x.HTTP.Server
	}
	return text
}

// brokenText reports how the answer broke off.
func brokenText(x *answer.Answer, timeout time.Duration) string {
	text := ""
	switch x.Failure {
	case answer.Reset:
		text = ", then it resets the connection within the answer"
	case answer.ClosedEarly:
		text = ", then it closes the connection within the answer"
	case answer.Timeout:
		text = " within " + timeout.String()
	case answer.BadAnswer:
		text = ", malformed"
	}
	if x.HTTP != nil && x.HTTP.Problem != "" {
		text += ": " + x.HTTP.Problem
	}
	return text
}

// authText returns how a server authenticates, or what it refused.
func authText(x *answer.Answer) string {
	who := ""
	if x.User != "" {
		who = " user " + x.User
	}
	switch {
	case x.Protocol == "dns" && x.Refusal != "":
		return "does not tell its version: " + x.Refusal
	case x.Refusal != "":
		return "refuses" + who + ": " + x.Refusal
	case x.Auth == "none" && who != "":
		return "lets" + who + " in without a password"
	case x.Auth == "none":
		return "asks for no password"
	case x.Auth == "required":
		return "asks for a password"
	case x.Protocol == "amqp" || x.Protocol == "mysql" || x.Auth == "gss" || x.Auth == "sspi" || x.Auth == "kerberos":
		if x.Auth != "" {
			return "login by " + x.Auth
		}
	case x.Auth == "password":
		return "asks for a password, in the clear"
	case x.Auth != "":
		return "asks for a password: " + x.Auth
	}
	return ""
}

// answerDetails are the further lines: a name and a text each.
func answerDetails(r *probe.Report) [][2]string {
	var d [][2]string
	add := func(name, text string) {
		if text != "" {
			d = append(d, [2]string{name, text})
		}
	}
	x := r.Answer
	if len(r.Addresses) > 1 {
		var each []string
		for _, at := range r.Addresses {
			each = append(each, at.IP.String()+" "+strings.ReplaceAll(at.Result, "_", " "))
		}
		add("addresses", strings.Join(each, ", "))
	}
	if x.HTTP != nil && x.HTTP.Status > 0 {
		page := "GET " + x.HTTP.Path
		if x.HTTP.ContentType != "" {
			page += ": " + x.HTTP.ContentType
		}
		if x.HTTP.Body != "" {
			page += ", \"" + x.HTTP.Body + "\""
		}
		add("page", page)
		add("leads to", x.HTTP.Location)
	}
	if t := x.TLS; t != nil && t.Version != "" {
		text := t.Version + ", " + t.Cipher
		if t.ALPN != "" {
			text += ", ALPN " + t.ALPN
		}
		if t.WantsClientCertificate {
			text += ", asks for a client certificate"
		}
		add("tls", text)
		if c := t.Certificate; c != nil {
			subject := c.Subject
			if subject == "" {
				subject = "no subject"
			}
			if len(c.Names) > 0 {
				subject += ", for " + strings.Join(c.Names, ", ")
			}
			add("certificate", subject)
			add("issuer", c.Issuer)
			add("valid", c.NotBefore.Format("2006-01-02")+" to "+c.NotAfter.Format("2006-01-02"))
		}
		if t.Trusted {
			add("trusted", "yes, on this machine")
		} else {
			add("trusted", "no: "+t.Problem)
		}
	}
	add("offers", strings.Join(x.Offers, ", "))
	add("accept queue", queueText(r.AcceptQueue))
	if x.Protocol == "unknown" {
		add("port", portText(r))
	}
	return d
}

// portText reports what the port is for, which is not what listens there.
func portText(r *probe.Report) string {
	var parts []string
	if r.Assigned != "" {
		parts = append(parts, "assigned to "+r.Assigned)
	}
	if r.CommonUse != "" {
		parts = append(parts, "commonly "+r.CommonUse)
	}
	if len(parts) == 0 {
		return ""
	}
	return strconv.Itoa(int(r.Port)) + " is " + strings.Join(parts, "; ")
}

// unanswered returns the error of a probe that got no answer.
func unanswered(t probe.Target, r *probe.Report) error {
	if r.Result == probe.Answered {
		return nil
	}
	var at []string
	var cause string
	for _, x := range r.Addresses {
		if r.Result == probe.Result(x.Result) || x.Result == "connected" {
			at = append(at, netip.AddrPortFrom(x.IP, r.Port).String())
			cause = x.Error
		}
	}
	where := strings.Join(at, " or ")
	explain := "lodge explain " + where
	if len(at) != 1 {
		explain = "lodge explain " + net.JoinHostPort(r.Host, strconv.Itoa(int(r.Port)))
	}
	var text, hint string
	switch r.Result {
	case probe.Result(answer.Refused):
		text, hint = "nobody listens on "+where+": connection refused", explain
		if r.Protocol == loopback.UDP {
			text = "nobody has " + where + ": the port is unreachable, says ICMP"
		}
	case probe.Silent:
		text, hint = where+" takes connections, and says nothing to any question", "whether it takes connections at all: lodge probe --connect "+t.Text
	case probe.Result(answer.Reset):
		text, hint = where+" takes connections, and resets each", "its log should say why; "+explain
	case probe.Closed:
		text, hint = where+" takes connections, and closes each without a word", explain
	case probe.NoReply:
		text, hint = "no answer from "+where+", and no word that nobody is there: most UDP servers are silent when they are asked something else", explain
	case probe.Result(answer.Timeout):
		text, hint = where+" does not answer: connecting took too long", explain
	default:
		text, hint = "connect to "+where+": "+cause, explain
	}
	switch q := r.AcceptQueue; {
	case queueText(q) != "":
		text += "; its accept queue is " + queueText(q)
	case q != nil && r.Result == probe.Silent && q.Waiting != nil && *q.Waiting > 0:
		text += fmt.Sprintf("; the server does not accept them: %d wait, and %d may", *q.Waiting, *q.Limit)
	}
	return &kit.Hinted{Err: fmt.Errorf("probe %s: %s", t.Text, text), Hint: hint}
}

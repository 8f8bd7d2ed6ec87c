package answer

import (
	"bytes"
	"strings"
)

// readSSHLines knows an SSH server by what it may send before its identification
// string (RFC 4253, section 4.2), and by what OpenSSH says instead to those that
// it does not let in.
func readSSHLines(r Reply, maybe bool) (*Answer, bool) {
	for _, word := range []string{"Exceeded MaxStartups", "Not allowed at this time"} {
		if yes, may := begins(r, word+"\r\n"); yes {
			return &Answer{Protocol: "ssh", Refusal: word}, false
		} else if may {
			maybe = true
		}
	}
	if i := bytes.Index(r.Data, []byte("\nSSH-")); i >= 0 {
		r.Data = r.Data[i+1:]
		return readSSH(r)
	}
	return nil, maybe
}

// readRTSP knows a status line of RTSP (RFC 2326, section 7), also in answer to
// another protocol's question, and the Server in the header behind it.
func readRTSP(r Reply) (*Answer, bool) {
	for _, version := range []string{"1.0", "2.0"} {
		yes, maybe := begins(r, "RTSP/"+version+" ")
		if maybe {
			return nil, true
		}
		if !yes {
			continue
		}
		a := &Answer{Protocol: "rtsp"}
		for l := range strings.Lines(string(r.Data)) {
			name, value, ok := strings.Cut(strings.TrimRight(l, "\r\n"), ":")
			if ok && strings.EqualFold(name, "server") {
				a.Product = Plain(value)
			}
		}
		return a, !bytes.Contains(r.Data, []byte("\r\n\r\n"))
	}
	return nil, false
}

// Command odd is a client of HTTP/2 that does what is valid and seldom done, for a capture:
// padding, CONTINUATION, all sizes of the dynamic table, frames that mean nothing, bytes
// one at a time.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

type conn struct {
	c    net.Conn
	f    *http2.Framer
	buf  bytes.Buffer
	enc  *hpack.Encoder
	id   uint32
	done chan uint32
}

func dial(addr string, settings ...http2.Setting) *conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		panic(err)
	}
	x := &conn{c: c, f: http2.NewFramer(c, c), id: 1, done: make(chan uint32, 1000)}
	x.f.AllowIllegalWrites = true
	x.enc = hpack.NewEncoder(&x.buf)
	x.enc.SetMaxDynamicTableSizeLimit(4096)
	_, _ = io.WriteString(c, http2.ClientPreface)
	x.f.WriteSettings(settings...)
	x.f.WriteWindowUpdate(0, 1<<30)
	go func() {
		for {
			f, err := x.f.ReadFrame()
			if err != nil {
				close(x.done)
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					x.f.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !f.IsAck() {
					x.f.WritePing(true, f.Data)
				}
			case *http2.GoAwayFrame:
				fmt.Println("goaway", f.ErrCode, string(f.DebugData()))
			case *http2.RSTStreamFrame:
				fmt.Println("reset", f.StreamID, f.ErrCode)
				x.done <- f.StreamID
				continue
			}
			if f.Header().Flags.Has(http2.FlagHeadersEndStream) && (f.Header().Type == http2.FrameData || f.Header().Type == http2.FrameHeaders) {
				x.done <- f.Header().StreamID
			}
		}
	}()
	return x
}

func (x *conn) block(kv ...string) []byte {
	x.buf.Reset()
	for _, s := range kv {
		n, v, _ := strings.Cut(s[1:], ": ")
		x.enc.WriteField(hpack.HeaderField{Name: s[:1] + n, Value: v, Sensitive: n == "uthorization"})
	}
	return bytes.Clone(x.buf.Bytes())
}

func (x *conn) next() uint32 { id := x.id; x.id += 2; return id }

func (x *conn) wait() {
	select {
	case <-x.done:
	case <-time.After(3 * time.Second):
		fmt.Println("timeout")
	}
}

func get(path string, more ...string) []string {
	return append([]string{":method: GET", ":scheme: http", ":authority: odd", ":path: " + path}, more...)
}
func post(path string, more ...string) []string {
	return append([]string{":method: POST", ":scheme: http", ":authority: odd", ":path: " + path}, more...)
}

func main() {
	addr := os.Args[1]
	x := dial(addr)
	send := func(p http2.HeadersFrameParam) { x.f.WriteHeaders(p) }
	// padding, priority
	send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get("/padded")...), EndStream: true, EndHeaders: true, PadLength: 255, Priority: http2.PriorityParam{Weight: 9}})
	x.wait()
	id := x.next()
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: x.block(post("/padded-data")...), EndHeaders: true})
	x.f.WriteDataPadded(id, false, []byte("hello "), make([]byte, 255))
	x.f.WriteDataPadded(id, false, nil, make([]byte, 100))
	x.f.WriteDataPadded(id, true, []byte("world"), []byte{})
	x.wait()
	// continuation, one byte each, and empty ones
	id = x.next()
	b := x.block(get("/continued", "x-a: "+strings.Repeat("a", 40))...)
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:1], EndStream: true})
	for i := 1; i < len(b); i += 20 {
		e := min(i+20, len(b))
		x.f.WriteContinuation(id, e == len(b), b[i:e])
	}
	x.wait()
	// table to 0 and back
	for _, n := range []uint32{0, 4096, 0, 100, 4096} {
		x.enc.SetMaxDynamicTableSize(n)
		send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get(fmt.Sprint("/table-", n), "x-b: 1", "x-c: 2", "authorization: Bearer x")...), EndStream: true, EndHeaders: true})
		x.wait()
		send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get(fmt.Sprint("/again-", n), "x-b: 1", "x-c: 2", "authorization: Bearer x")...), EndStream: true, EndHeaders: true})
		x.wait()
	}
	x.enc.SetMaxDynamicTableSize(0)
	x.enc.SetMaxDynamicTableSize(4096)
	send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get("/down-and-up", "x-b: 1")...), EndStream: true, EndHeaders: true})
	x.wait()
	// the answer's table: our SETTINGS
	x.f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	for i := range 3 {
		send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get(fmt.Sprint("/no-table-", i))...), EndStream: true, EndHeaders: true})
		x.wait()
	}
	x.f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 65536})
	for i := range 3 {
		send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get(fmt.Sprint("/big-table-", i))...), EndStream: true, EndHeaders: true})
		x.wait()
	}
	// huge header lists
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("x-many-%d: %s", i, strings.Repeat("m", 300)))
	}
	id = x.next()
	b = x.block(get("/many", many...)...)
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:16384], EndStream: true})
	for b = b[16384:]; len(b) > 0; {
		n := min(len(b), 16384)
		x.f.WriteContinuation(id, n == len(b), b[:n])
		b = b[n:]
	}
	x.wait()
	// raw: not huffman, never indexed, incremental with a new name
	raw := append([]byte{0x82, 0x86, 0x44, 5}, "/raw1"...)
	raw = append(raw, 0x41, 3, 'o', 'd', 'd', 0x10, 3, 'x', '-', 'r', 1, 'v', 0x00, 3, 'x', '-', 's', 0, 0x40, 3, 'x', '-', 't', 1, 'w')
	send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: raw, EndStream: true, EndHeaders: true})
	x.wait()
	// trailers of a request, interim, priority, unknown frames, ping
	id = x.next()
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: x.block(post("/trailer", "trailer: x-sum")...), EndHeaders: true})
	x.f.WriteData(id, false, []byte("abc"))
	x.f.WritePriority(id, http2.PriorityParam{StreamDep: 0, Weight: 3})
	x.f.WriteRawFrame(0xfa, 0xff, id, []byte("unknown"))
	x.f.WriteRawFrame(0x10, 0, 0, append([]byte{0, 0, 0, byte(id)}, "u=1"...)) // PRIORITY_UPDATE
	x.f.WritePing(false, [8]byte{1})
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: x.block("x-sum: 3"), EndHeaders: true, EndStream: true})
	x.wait()
	// reset by us, of a request whose body does not end
	id = x.next()
	send(http2.HeadersFrameParam{StreamID: id, BlockFragment: x.block(post("/cancelled")...), EndHeaders: true})
	x.f.WriteData(id, false, []byte("part"))
	time.Sleep(50 * time.Millisecond)
	x.f.WriteRSTStream(id, http2.ErrCodeCancel)
	// many at once, and skipped numbers
	x.id += 20
	for i := range 10 {
		send(http2.HeadersFrameParam{StreamID: x.next(), BlockFragment: x.block(get(fmt.Sprint("/at-once-", i))...), EndStream: true, EndHeaders: true})
	}
	for range 10 {
		x.wait()
	}
	x.f.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
	x.c.Close()
	// byte by byte
	y := dial(addr)
	y.c.(*net.TCPConn).SetNoDelay(true)
	var out bytes.Buffer
	y.f = http2.NewFramer(&out, y.c)
	y.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: y.block(post("/bytes")...), EndHeaders: true})
	y.f.WriteData(1, true, []byte("one at a time"))
	for _, c := range out.Bytes() {
		y.c.Write([]byte{c})
	}
	y.wait()
	y.c.Close()
}

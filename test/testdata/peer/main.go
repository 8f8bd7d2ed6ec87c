// Command peer is a small static client and server for lodge's tests.
//
//	peer http ADDRESS TEXT    an HTTP server that answers TEXT; ADDRESS may be unix:PATH or tcp6:ADDRESS
//	peer web ADDRESS TEXT     an HTTP server with a WebSocket, events, streams: see web.go
//	peer get URL              fetch a page
//	peer tcp ADDRESS TEXT     send TEXT, print the first line that comes back
//	peer udp ADDRESS TEXT     the same over UDP, with a connected socket
//	peer unbound TEXT         listen without a bind, answer TEXT to everyone
//	peer tries ADDRESS TEXT   listen and close at once, as programs do that look for a free port; then
//	                          answer TEXT by HTTP while a file called listen is there
//	peer noisy N              print N numbered lines, then serve nothing and wait
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no command")
	}
	args = append(args, "", "", "")
	switch args[0] {
	case "http":
		return serve(args[1], args[2])
	case "web":
		return (&web{text: args[2]}).serve(args[1])
	case "get":
		return get(args[1])
	case "tcp", "udp":
		return ask(args[0], args[1], args[2])
	case "unbound":
		return unbound(args[1])
	case "tries":
		return tries(args[1], args[2])
	case "noisy":
		return noisy(args[1])
	}
	return fmt.Errorf("command %q: unknown", args[0])
}

func serve(address, text string) error {
	ln, err := listenAt(address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s\nfrom %s\n", text, r.RemoteAddr)
	}))
}

func get(url string) error {
	c := http.Client{Timeout: 20 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

func ask(network, address, text string) error {
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	text, err = strconv.Unquote(`"` + text + `"`)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	if network == "udp" {
		b := make([]byte, 65536)
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		fmt.Println(conn.RemoteAddr(), strings.TrimRight(string(b[:n]), "\r\n"))
		return nil
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Println(strings.TrimRight(line, "\r\n"))
	if err == io.EOF && line != "" {
		err = nil
	}
	return err
}

// unbound listens as a program does that forgot to bind: the kernel chooses
// the port at the listen call itself.
func unbound(text string) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Listen(fd, 16); err != nil {
		return err
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return err
	}
	if in, ok := sa.(*syscall.SockaddrInet4); ok {
		fmt.Printf("listening on %s:%d\n", net.IP(in.Addr[:]), in.Port)
	}
	for {
		c, _, err := syscall.Accept(fd)
		if err != nil {
			return err
		}
		_, _ = syscall.Write(c, []byte(text+"\n"))
		_ = syscall.Close(c)
	}
}

func noisy(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(os.Stdout)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(w, "line %d of %d %s\n", i, n, strings.Repeat("x", 80))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	// Until a signal ends it; a select without a case is a deadlock to Go.
	wait := make(chan os.Signal, 1)
	signal.Notify(wait, syscall.SIGTERM)
	<-wait
	return nil
}

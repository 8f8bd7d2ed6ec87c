// Command client makes the traffic of the captures in this directory.
package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	switch os.Args[1] {
	case "core":
		core()
	case "jetstream":
		jetstream()
	case "login":
		login()
	case "tls":
		c := must(nats.Connect("nats://127.0.0.1:4222", nats.Secure(&tls.Config{InsecureSkipVerify: true})))
		check(c.Publish("secret", []byte("not seen")))
		check(c.Flush())
		c.Close()
	}
}

func core() {
	c := must(nats.Connect("nats://127.0.0.1:4222", nats.Name("shop")))
	s := must(c.SubscribeSync("orders.*"))
	q := must(c.QueueSubscribeSync("jobs", "workers"))
	check(c.Publish("orders.new", []byte(`{"id":1}`)))
	check(c.Publish("orders.empty", nil))
	m := nats.NewMsg("orders.paid")
	m.Header.Set("Trace", "abc")
	m.Header.Add("Trace", "def")
	m.Data = []byte("line 1\r\nPING\r\nline 3")
	check(c.PublishMsg(m))
	check(c.Publish("jobs", []byte("work")))
	for range 3 {
		must(s.NextMsg(time.Second))
	}
	must(q.NextMsg(time.Second))
	check(c.Publish("orders.big", []byte(strings.Repeat("0123456789", 4000))))
	must(s.NextMsg(time.Second))

	// Requests: one that is answered from another connection, one that nobody
	// answers, one with header fields, several at a time.
	d := must(nats.Connect("nats://127.0.0.1:4222", nats.Name("service"), func(o *nats.Options) error {
		o.Verbose = true
		return nil
	}))
	must(d.Subscribe("echo", func(m *nats.Msg) {
		if m.Header != nil {
			r := nats.NewMsg(m.Reply)
			r.Header.Set("Answer", "yes")
			r.Data = m.Data
			check(m.RespondMsg(r))
			return
		}
		check(m.Respond(append([]byte("re: "), m.Data...)))
	}))
	check(d.Flush())
	must(c.Request("echo", []byte("hello"), time.Second))
	r := nats.NewMsg("echo")
	r.Header.Set("Ask", "please")
	r.Data = []byte("with header")
	must(c.RequestMsg(r, time.Second))
	if _, err := c.Request("nobody", []byte("anyone?"), time.Second); err == nil {
		log.Fatal("an answer of nobody")
	}
	done := make(chan error)
	for i := range 5 {
		go func() {
			_, err := c.Request("echo", fmt.Appendf(nil, "request %d", i), time.Second)
			done <- err
		}()
	}
	for range 5 {
		check(<-done)
	}
	check(s.AutoUnsubscribe(6))
	check(q.Unsubscribe())
	check(c.Publish("orders.5", []byte("five")))
	check(c.Publish("orders.6", []byte("six")))
	check(c.Publish("orders.7", []byte("seven, which nobody gets")))
	check(c.Flush())
	for range 2 {
		must(s.NextMsg(time.Second))
	}
	d.Close()
	check(c.Drain())
	for !c.IsClosed() {
		time.Sleep(10 * time.Millisecond)
	}
}

func jetstream() {
	c := must(nats.Connect("nats://127.0.0.1:4222"))
	js := must(c.JetStream())
	must(js.AddStream(&nats.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}}))
	for i := range 3 {
		must(js.Publish("events.a", fmt.Appendf(nil, "event %d", i)))
	}
	s := must(js.PullSubscribe("events.>", "reader"))
	for _, m := range must(s.Fetch(2, nats.MaxWait(time.Second))) {
		check(m.AckSync())
	}
	if _, err := js.StreamInfo("NONE"); err == nil {
		log.Fatal("a stream that is not there")
	}
	c.Close()
}

func login() {
	if _, err := nats.Connect("nats://app:wrong@127.0.0.1:4222"); err == nil {
		log.Fatal("a wrong password is taken")
	}
	c := must(nats.Connect("nats://app:sesame@127.0.0.1:4222"))
	check(c.Publish("a", []byte("b")))
	check(c.Flush())
	c.Close()
}

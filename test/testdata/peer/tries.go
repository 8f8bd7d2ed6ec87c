package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// tries is a server that first finds out whether its port is free, and that
// closes its listening socket whenever the file is taken away.
func tries(address, text string) error {
	ln, err := listenAt(address)
	if err != nil {
		return err
	}
	if err := ln.Close(); err != nil {
		return err
	}
	fmt.Println("tried", address)
	for {
		await(true)
		ln, err := listenAt(address)
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = srv.Serve(ln)
		}()
		await(false)
		if err := srv.Close(); err != nil {
			return err
		}
		<-served
	}
}

// await polls until the file called listen is there, or is not.
func await(there bool) {
	for {
		if _, err := os.Stat("listen"); (err == nil) == there {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

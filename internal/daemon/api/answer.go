// Package api has the daemon's API as HTTP requests over a Unix socket: how a
// request is read, an answer and an error written, and the operations (up,
// restart, down, run), whose answers are streams. What it serves is the daemon's.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/rawjson"
)

// The bounds of a request's body, in bytes: one that has an environment may have
// as much as execve(2) takes.
const (
	MaxRequest   = 1 << 20
	maxOperation = 8 << 20
)

// Read reads a request's body into v. If that cannot be done it answers the
// request, and returns false.
func Read(w http.ResponseWriter, r *http.Request, limit int64, v any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		Refuse(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return false
	}
	rawjson.Restore(v)
	return true
}

// Answer writes v, or the error as a body of its own.
func Answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		Refuse(w, http.StatusConflict, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = rawjson.Write(w, v) // the client may be gone
}

// Refuse answers with an error and its HTTP status.
func Refuse(w http.ResponseWriter, status int, err error) {
	var e *localapi.Error
	if !errors.As(err, &e) {
		e = operation.WireError(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = rawjson.Write(w, e) // the client may be gone
}

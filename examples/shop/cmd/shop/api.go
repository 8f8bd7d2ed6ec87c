package main

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// visit is what the API knows of a visit: its number, and in which directories
// the API and the store run.
type visit struct {
	API    string `json:"api"`
	Store  string `json:"store"`
	Visits int    `json:"visits"`
}

// newAPI counts visits in the store.
func newAPI(dir, store string, client *http.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /visit", func(w http.ResponseWriter, r *http.Request) {
		body, err := fetch(r.Context(), client, http.MethodPost, store+"/count/visits")
		if err != nil {
			http.Error(w, fmt.Sprintf("ask store: %v", err), http.StatusBadGateway)
			return
		}
		var c counted
		if err := json.Unmarshal(body, &c); err != nil {
			http.Error(w, fmt.Sprintf("read store's answer: %v", err), http.StatusBadGateway)
			return
		}
		writeJSON(w, visit{API: dir, Store: c.Store, Visits: c.Value})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, fmt.Sprintf("write answer: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // a caller who went away needs no answer
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
)

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<meta charset="utf-8">
<title>shop</title>
<style>body { font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 4rem auto } td { padding-right: 2rem }</style>
<h1>Visit {{.Visits}}</h1>
<table>
<tr><td>page  <td>{{.Page}}
<tr><td>api   <td>{{.API}}
<tr><td>store <td>{{.Store}}
</table>
`))

// newPage shows in which directory it and the services behind it run.
func newPage(dir, api string, client *http.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		body, err := fetch(r.Context(), client, http.MethodPost, api+"/visit")
		if err != nil {
			http.Error(w, fmt.Sprintf("ask api: %v", err), http.StatusBadGateway)
			return
		}
		var v visit
		if err := json.Unmarshal(body, &v); err != nil {
			http.Error(w, fmt.Sprintf("read api's answer: %v", err), http.StatusBadGateway)
			return
		}
		var page bytes.Buffer
		err = pageTemplate.Execute(&page, struct {
			Page string
			visit
		}{dir, v})
		if err != nil {
			http.Error(w, fmt.Sprintf("write page: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = page.WriteTo(w) // a visitor who went away needs no answer
	})
	return mux
}

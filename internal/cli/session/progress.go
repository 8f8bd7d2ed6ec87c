package session

import (
	"fmt"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/service"
)

// tell prints the progress of an operation.
func tell(k *kit.Kit, p localapi.Progress) {
	switch p.Kind {
	case localapi.ProgressNotice:
		switch p.Notice.Code {
		case operation.NoticeVersion, operation.NoticeMoved:
			k.Remark(p.Notice.Text)
		default:
			fmt.Fprintln(k.Err, "lodge: "+p.Notice.Text)
		}
	case localapi.ProgressFailed:
		if e := p.Error; e != nil {
			fmt.Fprintf(k.Err, "lodge: %s (hint: %s)\n", e.Message, e.Hint)
			return
		}
		for _, s := range p.Services {
			fmt.Fprintf(k.Err, "%s failed: %s\n", s.Name, s.Reason)
		}
	case localapi.ProgressWaiting:
		fmt.Fprintln(k.Err, waitsFor(p.Services))
	case localapi.ProgressDown:
		fmt.Fprintf(k.Err, "%s is down\n", p.Project.Shown())
	}
}

// waitsMost is how many services are named that are waited for.
const waitsMost = 8

// waitsFor puts into words what is waited for.
func waitsFor(all []service.Status) string {
	var texts []string
	for _, st := range all[:min(len(all), waitsMost)] {
		texts = append(texts, pending(st))
	}
	text := "waiting for " + strings.Join(texts, ", ")
	if more := len(all) - len(texts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// pending puts into words with what a service is waited for.
func pending(st service.Status) string {
	switch {
	case st.State == service.Waiting && strings.HasPrefix(st.Reason, "for "):
		return fmt.Sprintf("%s (waits %s)", st.Name, st.Reason)
	case st.Reason != "":
		return fmt.Sprintf("%s (%s: %s)", st.Name, st.State, st.Reason)
	}
	return fmt.Sprintf("%s (%s)", st.Name, st.State)
}

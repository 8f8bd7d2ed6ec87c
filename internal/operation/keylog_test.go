package operation

import (
	"testing"

	"lodge/internal/project"
	"lodge/internal/service"
)

func TestKeyLogs(t *testing.T) {
	yes, no := true, false
	set, asked := service.KeyLogSet, service.KeyLogAsked
	for _, c := range []struct {
		name    string
		project bool
		service *bool
		before  string
		asked   *bool
		want    string
		command bool
	}{
		{"nothing says so", false, nil, "", nil, "", false},
		{"the project says so", true, nil, "", nil, set, true},
		{"the project says so, the service not", true, &no, "", nil, "", true},
		{"the service says so", false, &yes, "", nil, set, false},
		{"asked", false, nil, "", &yes, asked, true},
		{"asked, and the file says so", true, nil, asked, &yes, set, true},
		{"asked, and the service must not", false, &no, asked, &yes, "", true},
		{"asked before", false, nil, asked, nil, asked, false},
		{"the file said so before", false, nil, set, nil, "", false},
		{"asked before, and not any more", false, nil, asked, &no, "", false},
		{"the file says so, and it is asked not to", true, &yes, "", &no, "", false},
	} {
		p := &project.Project{KeyLog: c.project, Services: []project.Service{{Name: "web", KeyLog: c.service}}}
		specs := []service.Spec{{Name: "web"}}
		setKeyLogs(p, specs, []service.Status{{Name: "web", Kind: service.KindService, KeyLog: c.before}}, c.asked)
		if specs[0].KeyLog != c.want || commandKeyLog(p, c.asked) != c.command {
			t.Errorf("%s: got %q and %v, want %q and %v", c.name, specs[0].KeyLog, commandKeyLog(p, c.asked), c.want, c.command)
		}
	}
	if commandKeyLog(nil, nil) || !commandKeyLog(nil, &yes) {
		t.Error("without a file it is what was asked for")
	}
}

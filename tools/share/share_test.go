package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func files(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/lodge.toml.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := build("v1.2.3", string(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every command that help shows has a page, which names its flags.
func TestPagesOfCommands(t *testing.T) {
	all := files(t)
	for page, want := range map[string][]string{
		"man/man1/lodge.1":          {".SH COMMANDS", `\fBlodge\-up\fR(1)`, `\fBlodge.toml\fR(5)`},
		"man/man1/lodge-up.1":       {`.TH "LODGE\-UP" "1" "" "lodge v1.2.3"`, ".B lodge up [SERVICE...]", `\fB\-d\fR, \fB\-\-detach\fR`, `\fB\-\-engine\fR \fIENGINE\fR`, "Ctrl\\-\\e kills all", ".SH EXAMPLES"},
		"man/man1/lodge-ls.1":       {"Also: ps, status."},
		"man/man1/lodge-explain.1":  {"lodge explain :3000"},
		"man/man1/lodge-tap-diff.1": {".B lodge tap diff A B", `\fB\-\-again\fR \fIFILE\fR`},
		"man/man5/lodge.toml.5":     {".SH KEYS OF A SERVICE", `\fBneeds\fR`, ".nf\n", "version = 1"},
	} {
		got := string(all[page])
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s has no %q", page, w)
			}
		}
	}
	for _, hidden := range []string{"man/man1/lodge-keeper.1", "man/man1/lodge-help.1"} {
		if all[hidden] != nil {
			t.Errorf("%s is there", hidden)
		}
	}
}

// What a formatter would interpret or complain of stands in no page.
func TestPagesAreRoff(t *testing.T) {
	known := map[string]bool{"TH": true, "SH": true, "SS": true, "PP": true, "TP": true, "IP": true, "B": true, "I": true, "nf": true, "fi": true, "br": true, "nh": true, "ad": true}
	for name, data := range files(t) {
		if !strings.HasPrefix(name, "man/") {
			continue
		}
		for i, l := range strings.Split(string(data), "\n") {
			if macro, ok := strings.CutPrefix(l, "."); ok && !known[strings.Fields(macro + " ?")[0]] {
				t.Errorf("%s:%d: %q", name, i+1, l)
			}
			if strings.HasPrefix(l, "'") {
				t.Errorf("%s:%d: %q", name, i+1, l)
			}
		}
		groff, err := exec.LookPath("groff")
		if err != nil {
			continue
		}
		cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-K", "utf8", "-z")
		cmd.Stdin = strings.NewReader(string(data))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestFormatPage(t *testing.T) {
	const in = "# title\n\n    code -a\n\n    more\n\nA `word` and [a link](x.md), *plain*\nand **strong**.\n## Keys\n| key | means | default |\n|---|---|---|\n| `a` | one \\| two `x|y` | `1` |\n" +
		"\n- first\n  goes on\n2. second\n\n### Sub\n```\nfenced\n```\n.dot\n"
	want := ".PP\n.nf\n    code \\-a\n\n    more\n.fi\n.PP\nA \\fBword\\fR and a link, *plain* and \\fBstrong\\fR.\n.SH KEYS\n.TP\n\\fBa\\fR\none | two \\fBx|y\\fR (\\fB1\\fR)\n" +
		".IP \\(bu 4\nfirst goes on\n.IP 2. 4\nsecond\n.SS Sub\n.PP\n.nf\nfenced\n.fi\n.PP\n\\&.dot\n"
	got := string(formatPage("v1", in))
	got = got[strings.Index(got, ".SH DESCRIPTION\n")+len(".SH DESCRIPTION\n") : strings.Index(got, ".SH SEE ALSO")]
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestCompletions(t *testing.T) {
	all := files(t)
	for name, want := range map[string]string{
		"bash-completion/completions/lodge":    "complete -o default",
		"zsh/site-functions/_lodge":            "#compdef lodge",
		"fish/vendor_completions.d/lodge.fish": "complete -c lodge",
	} {
		if !strings.Contains(string(all[name]), want) {
			t.Errorf("%s has no %q", name, want)
		}
	}
}

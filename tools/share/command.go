package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pageName is the name of a command's page: lodge-up.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// commandPage returns the manual page of a command, in the form of man-pages(7).
func commandPage(c *cobra.Command, version string) []byte {
	var p page
	p.title(pageName(c), "1", version)
	p.section("Name")
	p.text(pageName(c) + " - " + c.Short)
	p.section("Synopsis")
	if c.HasParent() {
		p.line(".B " + escape(c.UseLine()))
	} else {
		p.line(".B lodge\n.I COMMAND\n[\\fIflags\\fR]")
	}
	p.section("Description")
	p.paragraphs(long(c))
	if len(c.Aliases) > 0 {
		p.line(".PP")
		p.text("Also: " + strings.Join(c.Aliases, ", ") + ".")
	}
	if !c.HasParent() {
		p.section("Commands")
		for _, sub := range pages(c)[1:] {
			p.item("\\fB"+escape(pageName(sub))+"\\fR(1)", sub.Short)
		}
	}
	flags(&p, c)
	if c.HasExample() {
		p.section("Examples")
		p.literal(strings.Split(strings.TrimRight(c.Example, "\n"), "\n"))
	}
	p.section("Exit status")
	p.text("0 done, 1 not done, 2 wrong usage, 128 and the number of a signal that ended it; run and exec: the command's own, 127 where it is not found, 126 where it cannot be executed.")
	p.section("See also")
	also := []string{"\\fBlodge\\fR(1)", "\\fBlodge.toml\\fR(5)"}
	if !c.HasParent() {
		also = also[1:]
	}
	p.line(strings.Join(also, ", "))
	return p.bytes()
}

func long(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short
}

func flags(p *page, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	var all []*pflag.Flag
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			all = append(all, f)
		}
	})
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b *pflag.Flag) int { return strings.Compare(a.Name, b.Name) })
	p.section("Options")
	for _, f := range all {
		value, usage := pflag.UnquoteUsage(f)
		tag := "\\fB" + escape("--"+f.Name) + "\\fR"
		if f.Shorthand != "" {
			tag = "\\fB" + escape("-"+f.Shorthand) + "\\fR, " + tag
		}
		if value != "" {
			tag += " \\fI" + escape(value) + "\\fR"
		}
		p.item(tag, usage)
	}
}

package kit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	now := time.Date(2026, 3, 4, 15, 6, 7, 8, zone)
	for text, want := range map[string]string{
		"10m":                         "2026-03-04T14:56:07.000000008+02:00",
		"0s":                          "2026-03-04T15:06:07.000000008+02:00",
		"1h30m":                       "2026-03-04T13:36:07.000000008+02:00",
		"2026-01-02T03:04:05Z":        "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.5+01:00": "2026-01-02T03:04:05.5+01:00",
		"2026-01-02 03:04:05":         "2026-01-02T03:04:05+02:00",
		"2026-01-02 03:04":            "2026-01-02T03:04:00+02:00",
		"2026-01-02":                  "2026-01-02T00:00:00+02:00",
		"03:04:05":                    "2026-03-04T03:04:05+02:00",
		"03:04":                       "2026-03-04T03:04:00+02:00",
		"yesterday":                   "",
		"":                            "",
		"-10m":                        "",
		"10":                          "",
		"25:00":                       "",
		"2026-13-01":                  "",
	} {
		got, err := ParseSince(text, now)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
				t.Errorf("%q: got %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %s, %v", text, got.Format(time.RFC3339Nano), err)
		}
	}
}

// A flag that is spelled wrong is told with the right one.
func TestFlagHints(t *testing.T) {
	for arg, want := range map[string]string{"--statt": "lodge --stat", "--jso": "lodge --json", "--xyz": "lodge --help", "-x": "lodge --help"} {
		c := &cobra.Command{Use: "lodge", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return nil }}
		c.Flags().Bool("stat", false, "")
		c.Flags().Bool("json", false, "")
		c.SetFlagErrorFunc(FlagError)
		c.SetArgs([]string{arg})
		var u *UsageError
		if err := c.Execute(); !errors.As(err, &u) || u.Hint != want {
			t.Errorf("%s: %v, hint %+v", arg, err, u)
		}
	}
}

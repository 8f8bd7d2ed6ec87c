package stores

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	// certutil -L of NSS 3.87.
	const out = "\nCertificate Nickname                                         Trust Attributes\n" +
		"                                                             SSL,S/MIME,JAR/XPI\n\n" +
		"lodge ann@host 01234567                                      C,,  \n" +
		"a name with blanks, and a comma                              CT,C,c\n" +
		"mine                                                         u,u,u\n" +
		"a name that is so long that it goes further than the column does, which is 60 ,,   \n"
	var got []string
	for _, e := range parseList(out) {
		got = append(got, e.name+"|"+e.flags)
	}
	want := []string{
		"lodge ann@host 01234567|C,,", "a name with blanks, and a comma|CT,C,c", "mine|u,u,u",
		"a name that is so long that it goes further than the column does, which is 60|,,",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestParseProfiles(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"usual", "[Install4F96D1932A9F858E]\nDefault=x.default\nLocked=1\n\n[Profile1]\nName=default\nIsRelative=1\nPath=x.default\nDefault=1\n\n[Profile0]\nName=release\nIsRelative=1\nPath=y.default-release\n\n[General]\nVersion=2\n", []string{"/r/x.default", "/r/y.default-release"}},
		{"absolute", "[Profile0]\r\nPath=/home/ann/p\r\nIsRelative=0\r\n", []string{"/home/ann/p"}},
		{"relative after all", "[Profile0]\nPath=Profiles/a b\nIsRelative=0", []string{"/r/Profiles/a b"}},
		{"twice", "[Profile0]\nPath=a\n[Profile1]\nPath=./a\n", []string{"/r/a"}},
		{"no profile", "Path=a\n[Other]\nPath=b\n", nil},
		{"empty", "", nil},
		{"binary", "[Profile0]\nPath=a\x00b\n", nil},
	} {
		if got := parseProfiles(c.text, "/r"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
}

func TestParseKeyStore(t *testing.T) {
	pem := string(newRig(t).authority.PEM())
	// keytool -list -rfc of OpenJDK 17.
	out := "Keystore type: JKS\nKeystore provider: SUN\n\nYour keystore contains 2 entries\n\nAlias name: debian:first.pem\nCreation date: Nov 24, 2026\nEntry type: trustedCertEntry\n\n" + pem +
		"\n\n*******************************************\n*******************************************\n\n\nAlias name: a b\nEntry type: PrivateKeyEntry\n\nAlias name: lodge-0123\nCreation date: Nov 24, 2026\nEntry type: trustedCertEntry\n\n" + pem
	var got []string
	for _, e := range parseKeyStore(out) {
		got = append(got, e.name)
	}
	if !slices.Equal(got, []string{"debian:first.pem", "lodge-0123"}) {
		t.Errorf("got %q", got)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "/a/b-c.crt": "/a/b-c.crt", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'"} {
		if got := quote(in); got != want {
			t.Errorf("%q: got %s", in, got)
		}
	}
}

// FuzzParse holds that what programs and files say is read without harm: names
// come from the text, and profiles are absolute paths.
func FuzzParse(f *testing.F) {
	f.Add("lodge a   C,,\n[Profile0]\nPath=x\nAlias name: y\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("[Profile0]\nPath=/../..\nIsRelative=0")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range append(parseList(text), parseKeyStore(text)...) {
			if !strings.Contains(text, e.name) {
				t.Errorf("%q", e.name)
			}
		}
		for _, p := range parseProfiles(text, "/r") {
			if !filepath.IsAbs(p) || strings.ContainsRune(p, 0) {
				t.Errorf("%q", p)
			}
		}
	})
}

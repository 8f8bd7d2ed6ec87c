package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const suffix = ".log"

// fileName returns the name of a service's file. No two services share one, and
// none leads out of the directory.
func fileName(service string) string {
	if service == "" {
		return "%" + suffix
	}
	var b strings.Builder
	for i := range len(service) {
		c := service[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String() + suffix
}

// serviceOf takes the name of a file apart; number is 0 for the newest.
func serviceOf(file string) (service string, number int, ok bool) {
	base, isLog := strings.CutSuffix(file, suffix)
	if !isLog {
		dot := strings.LastIndexByte(file, '.')
		if dot < 0 {
			return "", 0, false
		}
		n, err := strconv.Atoi(file[dot+1:])
		if err != nil || n < 1 || strconv.Itoa(n) != file[dot+1:] {
			return "", 0, false
		}
		number = n
		if base, isLog = strings.CutSuffix(file[:dot], suffix); !isLog {
			return "", 0, false
		}
	}
	if base == "%" {
		return "", number, true
	}
	var b strings.Builder
	for i := 0; i < len(base); i++ {
		if base[i] != '%' {
			b.WriteByte(base[i])
			continue
		}
		if i+2 >= len(base) {
			return "", 0, false
		}
		c, err := strconv.ParseUint(base[i+1:i+3], 16, 8)
		if err != nil {
			return "", 0, false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	service = b.String()
	return service, number, fileName(service) == base+suffix
}

func rotatedName(file string, number int) string {
	if number == 0 {
		return file
	}
	return file + "." + strconv.Itoa(number)
}

// list returns the services that have files in dir, and the highest number of
// these.
func list(dir string) (map[string]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	out := map[string]int{}
	for _, e := range entries {
		if service, number, ok := serviceOf(e.Name()); ok {
			out[service] = max(out[service], number)
		}
	}
	return out, nil
}

// Services lists the services that have a log in dir, sorted. A directory that
// is not there is an error that is fs.ErrNotExist.
func Services(dir string) ([]string, error) {
	found, err := list(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(found))
	for service := range found {
		out = append(out, service)
	}
	slices.Sort(out)
	return out, nil
}

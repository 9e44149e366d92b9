package conninfo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseURI reads what follows postgresql://.
func parseURI(text string) ([]Pair, error) {
	var s store
	rest := text
	if i := strings.IndexAny(text, "@/"); i >= 0 && text[i] == '@' {
		user, password, _ := strings.Cut(text[:i], ":")
		s.put("user", user)
		s.put("password", password)
		rest = text[i+1:]
	}
	hosts, ports, rest, err := parseHosts(rest)
	if err != nil {
		return nil, err
	}
	s.put("host", hosts)
	s.put("port", ports)
	if path, ok := strings.CutPrefix(rest, "/"); ok {
		name, query, found := strings.Cut(path, "?")
		s.put("dbname", name)
		rest = ""
		if found {
			rest = "?" + query
		}
	}
	if query, ok := strings.CutPrefix(rest, "?"); ok {
		s.query(query)
	}
	return s.pairs, s.err
}

// parseHosts reads host:port pairs between commas, up to / or ?.
func parseHosts(text string) (hosts, ports, rest string, err error) {
	for {
		host, after, err := parseHost(text)
		if err != nil {
			return "", "", "", err
		}
		hosts += host
		if port, ok := strings.CutPrefix(after, ":"); ok {
			end := indexAny(port, "/?,")
			ports, after = ports+port[:end], port[end:]
		}
		if !strings.HasPrefix(after, ",") {
			return hosts, ports, after, nil
		}
		hosts, ports, text = hosts+",", ports+",", after[1:]
	}
}

func parseHost(text string) (host, rest string, err error) {
	inner, ok := strings.CutPrefix(text, "[")
	if !ok {
		end := indexAny(text, ":/?,")
		return text[:end], text[end:], nil
	}
	host, rest, found := strings.Cut(inner, "]")
	switch {
	case !found:
		return "", "", errors.New("the IPv6 address has no closing ]")
	case host == "":
		return "", "", errors.New("the IPv6 address is empty")
	case rest != "" && indexAny(rest, ":/?,") != 0:
		return "", "", errors.New("an IPv6 address must be followed by a port, / or ?")
	}
	return host, rest, nil
}

// indexAny is strings.IndexAny with the end of the text for not found.
func indexAny(text, chars string) int {
	if i := strings.IndexAny(text, chars); i >= 0 {
		return i
	}
	return len(text)
}

// store gathers pairs until the first error.
type store struct {
	pairs []Pair
	err   error
}

// put adds a part of the URI that is not empty.
func (s *store) put(key, value string) {
	if value == "" || s.err != nil {
		return
	}
	s.add(key, value)
}

func (s *store) add(key, value string) {
	decoded, err := decode(value)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", key, err)
		return
	}
	if key == "ssl" && decoded == "true" { // as JDBC writes it
		key, decoded = "sslmode", "require"
	}
	s.pairs = append(s.pairs, Pair{key, decoded})
}

// query adds the parameters after the question mark.
func (s *store) query(text string) {
	for text != "" && s.err == nil {
		var part string
		part, text, _ = strings.Cut(text, "&")
		name, value, found := strings.Cut(part, "=")
		key, err := decode(name)
		switch {
		case !found:
			s.err = errors.New("a parameter of the URI has no =")
		case strings.Contains(value, "="):
			s.err = errors.New("a parameter of the URI has two =")
		case err != nil || key == "":
			s.err = errors.New("a parameter of the URI has no name")
		default:
			s.add(key, value)
		}
	}
}

// decode takes percent signs and two hexadecimal digits for a byte.
func decode(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", errors.New("a percent sign must be followed by two hexadecimal digits")
		}
		code, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil || code == 0 {
			return "", errors.New("a percent sign must be followed by two hexadecimal digits other than 00")
		}
		b.WriteByte(byte(code))
		i += 2
	}
	return b.String(), nil
}

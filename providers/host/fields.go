package host

import (
	"bytes"
	"strings"
)

// fields are the answer of the discovery script: between two boundaries, which no
// file of the machine can hold, any bytes are content.
type fields struct {
	text map[string]string
	dirs []string // these two in the order of the answer
	jobs []string
}

// parseFields reads an answer; false when its end is missing.
func parseFields(out []byte, boundary string) (*fields, bool) {
	f := &fields{text: map[string]string{}}
	parts := bytes.Split(out, []byte("\n"+boundary+" "))
	for _, part := range parts[1:] {
		name, text, _ := strings.Cut(string(part), "\n")
		switch {
		case name == "dir":
			f.dirs = append(f.dirs, text)
		case strings.HasPrefix(name, "job.") && strings.HasSuffix(name, ".argv"):
			f.jobs = append(f.jobs, name[len("job."):len(name)-len(".argv")])
		}
		f.text[name] = text
	}
	_, whole := f.text["end"]
	return f, whole
}

// line answers a field that is one line.
func (f *fields) line(name string) string { return strings.TrimRight(f.text[name], "\n") }

func (f *fields) has(name string) bool {
	_, ok := f.text[name]
	return ok
}

package host

import (
	"bytes"
	"strings"
)

// fields are the answer of the discovery script: between two boundaries, which no
// file of the machine can hold, any bytes are content.
type fields struct {
	text map[string]string
	dirs []string // these three in the order of the answer
	jobs []string
	// earlier are password files, the path before the text
	earlier []string
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
		case name == "earlier_pass":
			f.earlier = append(f.earlier, text)
		default:
			if id, ok := jobOf(name); ok {
				f.jobs = append(f.jobs, id)
			}
		}
		f.text[name] = text
	}
	_, whole := f.text["end"]
	return f, whole
}

// jobOf returns the job whose command a field holds. Steps remove directories by this
// ID, so that one which is no plain name of a file is not a job.
func jobOf(field string) (string, bool) {
	rest, isJob := strings.CutPrefix(field, "job.")
	id, isArgv := strings.CutSuffix(rest, ".argv")
	plain := id != "" && !strings.HasPrefix(id, ".") && strings.IndexFunc(id, unsafeRune) < 0 && !strings.Contains(id, "/")
	return id, isJob && isArgv && plain
}

// line returns a field that is one line.
func (f *fields) line(name string) string { return strings.TrimRight(f.text[name], "\n") }

func (f *fields) has(name string) bool {
	_, ok := f.text[name]
	return ok
}

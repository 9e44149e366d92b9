package sink

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/plan"
)

// mostAnnotations is how many annotations of one level GitHub shows of a step; it drops the
// others without a word, so that the last of ours says how many there are.
const mostAnnotations = 10

// Annotations writes what is not in sync as workflow commands of GitHub Actions, which show it
// at the line of the topology that it is about: errors, then warnings.
func Annotations(w io.Writer, r *Run) error {
	for _, level := range []plan.Severity{plan.Error, plan.Warning} {
		all := slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Severity != level })
		shown := all
		if len(all) > mostAnnotations {
			shown = all[:mostAnnotations-1]
		}
		for _, x := range shown {
			if _, err := io.WriteString(w, annotation(level, x)); err != nil {
				return err
			}
		}
		if more := len(all) - len(shown); more > 0 {
			if _, err := fmt.Fprintf(w, "::%s title=repltool drift::%d more are in the summary of the job\n", level, more); err != nil {
				return err
			}
		}
	}
	return nil
}

func annotation(level plan.Severity, x Result) string {
	var properties []string
	if x.Range.Filename != "" {
		properties = append(properties, "file="+property(x.Range.Filename), "line="+strconv.Itoa(max(x.Range.Start.Line, 1)))
		if x.Range.End.Line > x.Range.Start.Line {
			properties = append(properties, "endLine="+strconv.Itoa(x.Range.End.Line))
		}
	}
	title := x.word()
	if x.Address != "" {
		title += " " + x.Address
	}
	properties = append(properties, "title="+property(title))
	text := x.Message
	if x.Detail != "" {
		text += "\n" + x.Detail
	}
	return fmt.Sprintf("::%s %s::%s\n", level, strings.Join(properties, ","), data(text))
}

// data escapes the message of a workflow command.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// property escapes one of its properties.
func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}

// Outputs writes the counts of the run as outputs of a step, for GITHUB_OUTPUT.
func Outputs(w io.Writer, r *Run) error {
	s := r.Plan.Summary
	drift := "unknown"
	switch {
	case r.differences() > 0:
		drift = "true"
	case r.Whole():
		drift = "false"
	}
	_, err := fmt.Fprintf(w, "exit_code=%d\ncomplete=%t\ndrift=%s\nchanges=%d\ncreate=%d\nupdate=%d\ndelete=%d\nreplace=%d\n"+
		"restarts=%d\ncopies=%d\nunmanaged=%d\nhealth_errors=%d\nhealth_warnings=%d\n",
		r.ExitCode, r.Whole(), drift, len(r.Plan.Changes), s.Create, s.Update, s.Delete, s.Replace,
		len(s.Restarts), len(s.Copies), len(r.Plan.Unmanaged), r.errors(), r.warnings())
	return err
}

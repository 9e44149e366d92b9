package sink

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// exposition is metrics in Prometheus' text format, version 0.0.4. A textfile for node_exporter
// has no time stamps of its own: with one the whole file would be skipped.
type exposition struct{ families []*family }

// family is one metric: its samples stand together, below its HELP and TYPE.
type family struct {
	name, help, kind string
	labels           []string
	samples          map[string]float64 // by the text of their labels
}

// gauge adds a metric whose samples have those labels.
func (e *exposition) gauge(name, help string, labels ...string) *family {
	f := &family{name: name, help: help, kind: "gauge", labels: labels, samples: map[string]float64{}}
	e.families = append(e.families, f)
	return f
}

// counter is gauge for what only grows.
func (e *exposition) counter(name, help string, labels ...string) *family {
	f := e.gauge(name, help, labels...)
	f.kind = "counter"
	return f
}

// set gives the sample with these label values a value.
func (f *family) set(value float64, labels ...string) { f.samples[f.text(labels)] = value }

// add adds to it.
func (f *family) add(value float64, labels ...string) { f.samples[f.text(labels)] += value }

// setKnown is set, for a value that may not be known: it has no sample then.
func setKnown[T int | int64 | float64](f *family, value *T, labels ...string) {
	if value != nil {
		f.set(float64(*value), labels...)
	}
}

// text is the labels of a sample: {cluster="main",node="pg1"}.
func (f *family) text(values []string) string {
	pairs := make([]string, len(f.labels))
	for i, name := range f.labels {
		pairs[i] = name + `="` + labelValue(values[i]) + `"`
	}
	if len(pairs) == 0 {
		return ""
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func labelValue(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

// write writes the metrics in the order in which they were added, the samples of each in order
// of their labels. One without samples is left out.
func (e *exposition) write(w io.Writer) error {
	var b strings.Builder
	for _, f := range e.families {
		if len(f.samples) == 0 {
			continue
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		names := make([]string, 0, len(f.samples))
		for labels := range f.samples {
			names = append(names, labels)
		}
		slices.Sort(names)
		for _, labels := range names {
			b.WriteString(f.name + labels + " " + strconv.FormatFloat(f.samples[labels], 'f', -1, 64) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

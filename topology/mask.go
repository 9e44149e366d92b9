package topology

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// mask strikes secrets out of all that shows a topology's text: diagnostics and
// the snippets in them. In a source the bytes of a secret become asterisks, one
// for one, so that no position moves. It works on the result as a whole, so
// that no check needs to think of it.
type mask struct {
	texts []string          // longest first
	spans map[string][]span // by file
	raw   map[string][]byte // sources as read
}

// shortest is the length from which on a secret is looked for in all texts. A
// shorter one is covered where it stands: striking out every "a" would leave
// nothing to read.
const shortest = 4

// span is a stretch of bytes.
type span struct{ start, end int }

func (e *evaluator) newMask() *mask {
	m := &mask{spans: map[string][]span{}, raw: map[string][]byte{}}
	for name, file := range e.src.files {
		m.addSource(name, file.Bytes, e.broken)
	}
	for _, r := range e.hidden {
		m.spans[r.Filename] = append(m.spans[r.Filename], span{r.Start.Byte, r.End.Byte})
	}
	m.addTexts(e.top.Secrets.Texts())
	return m
}

// maskSource is the mask of one text that is not evaluated.
func maskSource(src []byte, filename string) *mask {
	m := &mask{spans: map[string][]span{}, raw: map[string][]byte{}}
	m.addSource(filename, src, true)
	m.addTexts(nil)
	return m
}

// addSource looks for literal passwords. When the file could not be evaluated,
// what may be a sensitive default or a sensitive variable's value counts too.
func (m *mask) addSource(name string, src []byte, broken bool) {
	m.raw[name] = src
	secret := func(attribute string) bool {
		return namesPassword(attribute) ||
			broken && attribute == "default" && bytes.Contains(src, []byte("sensitive"))
	}
	m.spans[name] = append(m.spans[name], literals(src, name, secret)...)
	for _, s := range literals(src, name, namesPassword) {
		m.texts = append(m.texts, string(src[s.start:s.end]))
	}
}

// namesPassword takes a misspelt name too: that is when its line is shown.
func namesPassword(attribute string) bool {
	words := strings.FieldsFunc(strings.ToLower(attribute), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	return strings.HasSuffix(last, "password") || last == "passwd" || Nearest(last, []string{"password"}) != ""
}

// addTexts takes more texts, and each in the form that it has within quotes.
func (m *mask) addTexts(texts []string) {
	m.texts = append(m.texts, texts...)
	for _, text := range slices.Clone(m.texts) {
		quoted := strconv.Quote(text)
		m.texts = append(m.texts, quoted[1:len(quoted)-1])
	}
	m.texts = slices.DeleteFunc(m.texts, func(text string) bool { return len(strings.TrimSpace(text)) < shortest })
	sort.Slice(m.texts, func(i, j int) bool {
		a, b := m.texts[i], m.texts[j]
		return len(a) > len(b) || len(a) == len(b) && a < b
	})
	m.texts = slices.Compact(m.texts)
}

func (m *mask) strike(text string) string {
	for _, secret := range m.texts {
		text = strings.ReplaceAll(text, secret, Redacted)
	}
	return text
}

func (m *mask) files(files map[string]*hcl.File) map[string]*hcl.File {
	out := map[string]*hcl.File{}
	for name, file := range files {
		out[name] = m.file(name, file)
	}
	return out
}

// file returns a copy without secrets.
func (m *mask) file(name string, file *hcl.File) *hcl.File {
	src := slices.Clone(file.Bytes)
	for _, s := range m.spans[name] {
		cover(src, s)
	}
	for _, text := range m.texts {
		for at := 0; ; {
			i := bytes.Index(src[at:], []byte(text))
			if i < 0 {
				break
			}
			cover(src, span{at + i, at + i + len(text)})
			at += i + len(text)
		}
	}
	return &hcl.File{Body: file.Body, Bytes: src, Nav: file.Nav}
}

func cover(src []byte, s span) {
	for i := max(s.start, 0); i < min(s.end, len(src)); i++ {
		if src[i] != '\n' && src[i] != '\r' && src[i] != '"' {
			src[i] = '*'
		}
	}
}

func (m *mask) diagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	out := make(hcl.Diagnostics, len(diags))
	for i, d := range diags {
		out[i] = m.diagnostic(d)
	}
	return out
}

// diagnostic returns a copy without secrets. A detail that HCL made out of a
// marked value may quote what follows from it, which no list of texts holds, so
// that it is left out.
func (m *mask) diagnostic(d *hcl.Diagnostic) *hcl.Diagnostic {
	out := *d
	if d.Expression != nil && d.EvalContext != nil {
		if m.sensitive(d) {
			out.Detail = "The reason is not shown because a sensitive value is part of this expression."
			out.Extra = nil
		}
		out.EvalContext = m.context(d)
	}
	out.Summary = m.strike(d.Summary)
	if out.Detail = m.strike(out.Detail); out.Detail != d.Detail {
		out.Extra = nil
	}
	return &out
}

func (m *mask) sensitive(d *hcl.Diagnostic) bool {
	for _, ref := range d.Expression.Variables() {
		if v, diags := ref.TraverseAbs(d.EvalContext); !diags.HasErrors() && v.ContainsMarked() {
			return true
		}
	}
	r := d.Expression.Range()
	src := m.raw[r.Filename]
	return r.CanSliceBytes(src) && bytes.Contains(r.SliceBytes(src), []byte("sensitive("))
}

// context makes the scope that a renderer shows values from.
func (m *mask) context(d *hcl.Diagnostic) *hcl.EvalContext {
	out := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for _, ref := range d.Expression.Variables() {
		name := ref.RootName()
		for ctx := d.EvalContext; ctx != nil; ctx = ctx.Parent() {
			if v, ok := ctx.Variables[name]; ok {
				out.Variables[name] = m.value(v)
				break
			}
		}
	}
	return out
}

// value returns what may be shown of a value. Collections become tuples and
// objects: what stands for a marked element may have another type.
func (m *mask) value(v cty.Value) cty.Value {
	typ := v.Type()
	switch {
	case v.IsMarked():
		return cty.StringVal(Redacted)
	case !v.IsKnown() || v.IsNull():
		return v
	case typ == cty.String:
		return cty.StringVal(m.strike(v.AsString()))
	case typ.IsObjectType() || typ.IsMapType():
		members := map[string]cty.Value{}
		for name, member := range v.AsValueMap() {
			members[name] = m.value(member)
		}
		return cty.ObjectVal(members)
	case typ.IsTupleType() || typ.IsListType() || typ.IsSetType():
		elements := []cty.Value{}
		for _, element := range v.AsValueSlice() {
			elements = append(elements, m.value(element))
		}
		return cty.TupleVal(elements)
	}
	return v
}

// hidePasswordErrors strikes out what functions said of a password's own
// expression, from that diagnostic on: they may quote it. Those that name a file
// or a variable of the environment are wanted.
func (e *evaluator) hidePasswordErrors(from int) {
	for i, d := range e.diags[from:] {
		call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok || call.FunctionCallError() == nil || readsOutside(call.CalledFunctionName()) {
			continue
		}
		hidden := *d
		hidden.Detail = "Call to function \"" + call.CalledFunctionName() + "\" failed. The reason is not shown because it may contain the password."
		hidden.Extra = nil
		e.diags[from+i] = &hidden
	}
}

func readsOutside(function string) bool {
	return slices.Contains([]string{"env", "file", "fileexists", "templatefile"}, function)
}

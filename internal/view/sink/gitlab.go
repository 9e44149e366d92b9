package sink

import (
	"encoding/json"
	"io"

	"github.com/repltool/repltool/plan"
)

// GitLab writes the counts that GitLab shows in a merge request, of its report "terraform". It
// has no place for a replacement, which is one of each, and none for what is not known: of a run
// that compared nothing, or only some and found nothing there, the counts are left out, and
// GitLab shows that the report could not be generated.
func GitLab(w io.Writer, r *Run) error {
	if r.Failed() || !r.Whole() && len(r.Plan.Changes) == 0 {
		return json.NewEncoder(w).Encode(map[string]string{"error": r.verdict()})
	}
	return GitLabCounts(w, r.Plan)
}

// GitLabCounts is GitLab of a plan that is known.
func GitLabCounts(w io.Writer, p *plan.Plan) error {
	s := p.Summary
	return json.NewEncoder(w).Encode(map[string]int{"create": s.Create + s.Replace, "update": s.Update, "delete": s.Delete + s.Replace})
}

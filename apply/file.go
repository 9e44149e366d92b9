package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
)

// ErrStale is a world that is not the one that the plan was made for.
var ErrStale = errors.New("changed since the plan was made; create a new plan")

// restoreLimit bounds putting old bytes back, which happens even when the run is
// left.
const restoreLimit = 10 * time.Second

// file writes a file or a block of it, has the server check it, and puts the old
// bytes back when the server does not like them.
func (r *run) file(ctx context.Context, m Machine, op plan.File) error {
	ctx, cancel := limit(ctx, r.opts.StepTimeout)
	defer cancel()
	old, err := read(ctx, m, op.Path)
	if err != nil {
		return explain(ctx, err)
	}
	if err := old.matches(op); err != nil {
		return err
	}
	content, err := r.content(old, op)
	if err != nil {
		return err
	}
	// No block in no file is equal content as well.
	same := string(old.content) == content && (old.exists || op.Block != nil)
	if !same {
		if err := m.WriteFile(ctx, op.Path, []byte(content), op.Mode); err != nil {
			return explain(ctx, err)
		}
	}
	// Bytes that were there already are checked as well: an apply that died may
	// have written them and not come to the check.
	err = verify(ctx, m, op)
	if err != nil && !same {
		err = old.restore(ctx, m, op, err)
	}
	return explain(ctx, err)
}

// content returns what the whole file shall hold.
func (r *run) content(old before, op plan.File) (string, error) {
	text, err := r.secrets.fill(op.Content)
	if err != nil || op.Block == nil {
		return text, err
	}
	place := conftext.Last
	if op.Block.First {
		place = conftext.First
	}
	found, err := conftext.FindBlock(string(old.content), op.Block.Name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", op.Path, err)
	}
	text += found.KeptLines(op.Block.Keep)
	whole, err := conftext.RenameBlock(conftext.DropLines(string(old.content), op.Block.Drop), op.Block.Earlier, op.Block.Name, text, place)
	if err != nil {
		return "", fmt.Errorf("%s: %w", op.Path, err)
	}
	return whole, nil
}

// before is a file as it was found.
type before struct {
	content []byte
	exists  bool
}

func read(ctx context.Context, m Machine, path string) (before, error) {
	content, err := m.ReadFile(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return before{}, nil
	}
	return before{content: content, exists: err == nil}, err
}

// matches compares the file with the one that the plan was made for.
func (b before) matches(op plan.File) error {
	switch {
	case op.Replaces == "":
		return nil
	case op.Replaces == plan.Absent && b.exists:
		return fmt.Errorf("%s: did not exist, and exists now: %w", op.Path, ErrStale)
	case op.Replaces == plan.Absent:
		return nil
	case !b.exists:
		return fmt.Errorf("%s: existed, and is gone now: %w", op.Path, ErrStale)
	}
	hash, err := plan.HashFile(b.content), error(nil)
	if op.Block != nil {
		hash, err = plan.HashRest(b.content, *op.Block)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op.Path, err)
	}
	if hash != op.Replaces {
		return fmt.Errorf("%s: has other content: %w", op.Path, ErrStale)
	}
	return nil
}

// verify asks the server about what is written. Each row is an objection.
func verify(ctx context.Context, m Machine, op plan.File) error {
	if op.Check == "" {
		return nil
	}
	rows, err := m.Query(ctx, op.Database, op.Check)
	if err != nil {
		return fmt.Errorf("%s: check: %w", op.Path, err)
	}
	if len(rows) == 0 {
		return nil
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join(row, " | ")
	}
	return fmt.Errorf("%s: rejected by the server: %s", op.Path, strings.Join(lines, "; "))
}

// restore puts back what was there, even when ctx is over: a file that was not
// checked must not be what the next start reads.
func (b before) restore(ctx context.Context, m Machine, op plan.File, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreLimit)
	defer cancel()
	var err error
	if b.exists {
		err = m.WriteFile(ctx, op.Path, b.content, op.Mode)
	} else {
		err = m.RemoveFile(ctx, op.Path)
	}
	if err != nil {
		return fmt.Errorf("%w; restoring the previous content failed: %w", why, err)
	}
	return fmt.Errorf("%w; the previous content was restored", why)
}

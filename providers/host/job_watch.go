package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Progress is how far a job has come. Done and Total are 0 until it tells; Line is
// the last line that it wrote.
type Progress struct {
	Done, Total int64 // bytes
	Line        string
}

// WatchJob follows a job until it ends and tells progress as it comes. A job that
// failed is an *ExitError with the end of its log, a killed one ErrJobKilled. When
// ctx ends, or the connection, the job continues, and may be watched again.
func WatchJob(ctx context.Context, c Conn, stateDir, id string, progress func(Progress)) error {
	if err := checkJobID(id); err != nil {
		return err
	}
	boundary := newBoundary()
	w := &jobWriter{boundary: []byte("\n" + boundary + " "), progress: progress}
	_, err := c.Run(ctx, Command{
		Argv:   []string{"sh", "-c", jobWatch, "sh", jobDir(stateDir, id), boundary},
		Stdout: w,
	})
	if err != nil {
		return jobError(id, "watch", err)
	}
	return w.result(id)
}

// jobWriter reads the stream of job_watch.sh.
type jobWriter struct {
	boundary []byte
	progress func(Progress)
	last     Progress
	buf      []byte // an unfinished line, or all that follows the boundary
	begun    bool   // the first line, the position of the log's first byte, has come
	at       int    // position in the log of buf's first byte
	rest     string // of an unfinished line before the boundary
	ended    bool
}

func (w *jobWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	if !w.begun {
		w.begin()
	}
	if w.begun && !w.ended {
		w.follow()
	}
	return len(b), nil
}

// begin reads the first line.
func (w *jobWriter) begin() {
	line, rest, ok := bytes.Cut(w.buf, []byte("\n"))
	if !ok {
		return
	}
	w.at, _ = strconv.Atoi(string(line)) // digits of our own script
	w.buf, w.begun = append([]byte(nil), rest...), true
}

// mostLine is what is kept of a line that does not end.
const mostLine = 64 << 10

// follow tells every whole line of what was not told, and keeps the rest.
func (w *jobWriter) follow() {
	log := w.buf
	i := bytes.Index(w.buf, w.boundary)
	if i >= 0 {
		log = w.buf[:i]
	}
	end := bytes.LastIndexAny(log, "\r\n")
	w.lines(log[:max(end, 0)])
	switch {
	case i >= 0:
		w.ended, w.at = true, w.at+i
		w.rest, w.buf = string(log[end+1:]), w.buf[i+len(w.boundary):]
	case end < 0 && len(w.buf) <= mostLine:
	case end < 0: // what comes later tells enough
		w.keep(len(w.buf) - len(w.boundary))
	case bytes.HasPrefix(w.boundary, log[end:]): // the line's end may be the boundary's beginning
		w.keep(end)
	default:
		w.keep(end + 1)
	}
}

// keep forgets the first n bytes.
func (w *jobWriter) keep(n int) {
	w.at += n
	w.buf = append([]byte(nil), w.buf[n:]...)
}

func (w *jobWriter) lines(log []byte) {
	for _, line := range strings.FieldsFunc(string(log), func(r rune) bool { return r == '\r' || r == '\n' }) {
		w.tell(strings.TrimSpace(strings.ToValidUTF8(line, "\uFFFD")))
	}
}

func (w *jobWriter) tell(line string) {
	if line == "" {
		return
	}
	p := Progress{Done: w.last.Done, Total: w.last.Total, Line: line}
	if done, total, ok := parseProgress(line); ok {
		p.Done, p.Total = done, total
	}
	w.last = p
	if w.progress != nil {
		w.progress(p)
	}
}

// result reads what follows the boundary.
func (w *jobWriter) result(id string) error {
	status, rest, ok := strings.Cut(string(w.buf), "\n")
	position, log, whole := strings.Cut(rest, "\n")
	from, err := strconv.Atoi(position)
	if !w.ended || !ok || !whole || err != nil {
		return fmt.Errorf("watch job %s: %w", id, errors.New("the stream ended before the job"))
	}
	untold := log[min(max(w.at-from, 0), len(log)):]
	w.lines([]byte(w.rest + untold))
	code, err := strconv.Atoi(status)
	switch {
	case err != nil:
		return fmt.Errorf("job %s: %w; the end of its log: %s", id, ErrJobKilled, LastLines(log, 5))
	case code != 0:
		return &ExitError{Argv: []string{"job " + id}, Code: code, Stderr: LastLines(withoutProgress(log), 20)}
	}
	return nil
}

// progressLine is what pg_basebackup --progress and pg_rewind write:
// "12345/67890 kB (18%), 0/1 tablespace".
const progressLine = `^\s*(\d+)/(\d+) kB \(\d+%\)`

func parseProgress(line string) (done, total int64, ok bool) {
	m := regexp.MustCompile(progressLine).FindStringSubmatch(line)
	if m == nil {
		return 0, 0, false
	}
	done, err := strconv.ParseInt(m[1], 10, 53)
	total, err2 := strconv.ParseInt(m[2], 10, 53)
	return done * 1024, total * 1024, err == nil && err2 == nil
}

// withoutProgress leaves out what would hide the error in a failed job's log.
func withoutProgress(log string) string {
	var kept []string
	for _, line := range strings.FieldsFunc(log, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if _, _, ok := parseProgress(line); !ok {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

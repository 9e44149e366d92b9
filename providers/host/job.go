package host

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// A job is a command that outlives our connection. Its directory under the node's
// state directory says all of it:
//
//	jobs/ID/argv    the command, its words ended by zero bytes
//	jobs/ID/lock    locked by flock for as long as the command runs
//	jobs/ID/pid     its process group
//	jobs/ID/log     what it wrote, stdout and stderr
//	jobs/ID/status  its exit status; not there while it runs or when it was killed.
//	                Its room on the disk is taken before the command starts.
//
// The lock, not the pid, reports whether it runs: no reboot and no reused number can
// make that lie.

var (
	//go:embed job_start.sh
	jobStart string
	//go:embed job_watch.sh
	jobWatch string
)

// The exit statuses of the job scripts that mean something.
const (
	jobOther  = 75 // another command runs under that id
	jobAbsent = 77
	jobFailed = 78 // an earlier run of it ended badly
)

// ErrJobKilled is a job that ended without an exit status: killed, or its machine
// went down.
var ErrJobKilled = errors.New("the command ended without an exit status: it was killed, or its host went down")

// ErrJobFailed is a job that is not started over: it was started before and ended badly.
var ErrJobFailed = errors.New("an earlier attempt failed; plan again: the new plan removes what it left behind")

// StartJob starts argv so that it continues when we are gone. Under an id that runs
// the same command, or ran it to a good end, it does nothing: the caller watches
// that one. Its directory goes before it is to be done again, and before another try of
// one that ended badly. env are variables for the command, NAME=value; neither may hold a
// secret.
func StartJob(ctx context.Context, c Conn, stateDir, id string, argv, env []string) error {
	if err := checkJobID(id); err != nil {
		return err
	}
	words := []string{"sh", "-c", jobStart, "sh", jobDir(stateDir, id), fmt.Sprint(len(env))}
	words = append(append(words, env...), argv...)
	_, err := c.Run(ctx, Command{Argv: words})
	return jobError(id, "start", err)
}

func jobDir(stateDir, id string) string { return path.Join(stateDir, "jobs", id) }

func checkJobID(id string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$`).MatchString(id) {
		return fmt.Errorf("job id %q: only letters, digits, _ . - are allowed", id)
	}
	return nil
}

// jobError says what the scripts' exit statuses mean.
func jobError(id, op string, err error) error {
	var exit *ExitError
	if err == nil {
		return nil
	}
	if errors.As(err, &exit) {
		exit.Argv = []string{op + " job " + id} // not the script
		switch exit.Code {
		case jobOther:
			return fmt.Errorf("%s job %s: another command is running under this ID: %s", op, id, strings.ReplaceAll(exit.Stderr, "\x00", " "))
		case jobFailed:
			return fmt.Errorf("%s job %s: %w", op, id, ErrJobFailed)
		case jobAbsent:
			return fmt.Errorf("%s job %s: %w", op, id, fs.ErrNotExist)
		}
	}
	return fmt.Errorf("%s job %s: %w", op, id, err)
}

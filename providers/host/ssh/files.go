package ssh

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/sftp"

	"github.com/repltool/repltool/providers/host"
)

// sftpServer starts the first sftp-server that is there.
const sftpServer = `for s in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server /usr/libexec/sftp-server; do
[ -x "$s" ] && exec "$s"
done
exit 79`

const noSFTP = 79

var (
	//go:embed cat_read.sh
	catRead string
	//go:embed cat_write.sh
	catWrite string
)

// errNoSFTP says that the machine has no sftp-server: sh and cat must do.
var errNoSFTP = errors.New("no sftp-server")

// withSFTP runs f over an sftp-server that runs as the OS user.
func (c *conn) withSFTP(ctx context.Context, f func(*sftp.Client) error) error {
	p, err := c.start(ctx, []string{"sh", "-c", sftpServer, "sh"}, false, false)
	if err != nil {
		return err
	}
	defer p.end()
	stop := context.AfterFunc(ctx, p.end)
	defer stop()
	client, err := sftp.NewClientPipe(p.stdout, stdin{p})
	if err != nil {
		return p.sftpError(ctx, err)
	}
	err = f(client)
	client.Close()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.failed("sftp", err)
	}
	return err
}

// stdin is a program's input, for sftp to close.
type stdin struct{ *process }

func (s stdin) Close() error { return s.CloseWrite() }

func (p *process) sftpError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	closed := make(chan struct{})
	close(closed)
	p.CloseWrite()
	ended := p.wait(closed)
	var exit *host.ExitError
	switch {
	case errors.As(ended, &exit) && exit.Code == noSFTP:
		return errNoSFTP
	case ended != nil:
		return ended
	}
	return fmt.Errorf("sftp: %w", err)
}

// ReadFile reads a file as the OS user.
func (c *conn) ReadFile(ctx context.Context, path string) ([]byte, error) {
	var text []byte
	err := c.withSFTP(ctx, func(s *sftp.Client) error {
		f, err := s.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, host.MostOutput+1))
		if len(text) > host.MostOutput {
			err = host.ErrTooMuch
		}
		return err
	})
	if errors.Is(err, errNoSFTP) {
		text, err = c.readByCat(ctx, path)
	}
	if err != nil {
		return nil, c.fileError("read", path, err)
	}
	return text, nil
}

func (c *conn) readByCat(ctx context.Context, path string) ([]byte, error) {
	out, err := c.Run(ctx, host.Command{Argv: []string{"sh", "-c", catRead, "sh", path}})
	return out, catError(err)
}

// catError says which of Go's errors the scripts' exit status means.
func catError(err error) error {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch exit.Code {
	case 80:
		return fs.ErrNotExist
	case 81:
		return fs.ErrPermission
	}
	return err
}

func (c *conn) fileError(op, path string, err error) error {
	var known *host.Error
	if errors.As(err, &known) {
		return err
	}
	var on *fs.PathError
	if errors.As(err, &on) {
		err = on.Err
	}
	return fmt.Errorf("%s: %s %s as %s: %w", c.node, op, path, c.osUser, err)
}

// WriteFile writes beside, syncs and renames.
func (c *conn) WriteFile(ctx context.Context, path string, content []byte, mode uint32) error {
	err := c.withSFTP(ctx, func(s *sftp.Client) error { return writeBySFTP(s, path, content, os.FileMode(mode).Perm()) })
	if errors.Is(err, errNoSFTP) || noReason(err) {
		return c.writeByCat(ctx, path, content, mode)
	}
	if err != nil {
		return c.fileError("write", path, err)
	}
	c.syncDir(ctx, path)
	return nil
}

// noReason recognizes an error for which SFTP has no code of its own, such as a full disk:
// the machine's own programs say what it is.
func noReason(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

// syncDir makes the rename last. SFTP cannot open a directory; a machine whose
// sync takes no file syncs later by itself.
func (c *conn) syncDir(ctx context.Context, path string) {
	dir := path[:strings.LastIndexByte(path, '/')+1]
	c.Run(ctx, host.Command{Argv: []string{"sync", "--", dir}})
}

func (c *conn) writeByCat(ctx context.Context, path string, content []byte, mode uint32) error {
	_, err := c.Run(ctx, host.Command{
		Argv:  []string{"sh", "-c", catWrite, "sh", path, fmt.Sprintf("%o", os.FileMode(mode).Perm()), fmt.Sprint(len(content))},
		Stdin: bytes.NewReader(content),
	})
	if err := catError(err); err != nil {
		return c.fileError("write", path, err)
	}
	return nil
}

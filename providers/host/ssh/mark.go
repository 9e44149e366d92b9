package ssh

import (
	"bytes"
	"io"
)

// markReader leaves out everything up to the mark: what a login shell's start-up
// files print.
type markReader struct {
	r    io.Reader
	seen func()
	head []byte // what came before the mark, or after it and was not yet read
	past bool
}

// maxNoise bounds what is looked through for the mark.
const maxNoise = 64 << 10

func (m *markReader) Read(b []byte) (int, error) {
	for !m.past {
		if err := m.look(); err != nil {
			return 0, err
		}
	}
	if len(m.head) > 0 {
		n := copy(b, m.head)
		m.head = m.head[n:]
		return n, nil
	}
	return m.r.Read(b)
}

// look reads once more and looks for the mark.
func (m *markReader) look() error {
	b := make([]byte, 4096)
	n, err := m.r.Read(b)
	m.head = append(m.head, b[:n]...)
	if i := bytes.Index(m.head, []byte(mark)); i >= 0 {
		m.past, m.head = true, m.head[i+len(mark):]
		m.seen()
		return nil
	}
	if len(m.head) > maxNoise {
		return io.ErrUnexpectedEOF
	}
	return err
}

package conninfo

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
)

// libpqProgram reads connection strings in hexadecimal, one a line, and prints what
// libpq reads in each: key=value in hexadecimal, or ! for an error.
const libpqProgram = `
#include <stdio.h>
#include <string.h>
#include <libpq-fe.h>
static void hex(const char *s) { for (; *s; s++) printf("%02x", (unsigned char) *s); }
static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
int main(void) {
  static char line[1 << 16], text[1 << 15];
  setvbuf(stdout, NULL, _IOLBF, 1 << 16);
  while (fgets(line, sizeof line, stdin)) {
    size_t n = 0;
    char *err = NULL;
    for (char *p = line; digit(p[0]) >= 0; p += 2) text[n++] = (char) (digit(p[0]) * 16 + digit(p[1]));
    text[n] = 0;
    PQconninfoOption *all = PQconninfoParse(text, &err);
    if (!all) { printf("! "); hex(err ? err : ""); printf("\n"); PQfreemem(err); continue; }
    for (PQconninfoOption *o = all; o->keyword; o++)
      if (o->val) { hex(o->keyword); printf("="); hex(o->val); printf(" "); }
    printf("\n");
    PQconninfoFree(all);
  }
  return 0;
}`

// libpq is a running libpqProgram.
type libpq struct {
	in  io.Writer
	out *bufio.Reader
}

func startLibpq(t testing.TB) *libpq {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/parse.c", []byte(libpqProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-o", dir+"/parse", dir+"/parse.c", "-I/usr/include/postgresql", "-lpq").CombinedOutput(); err != nil {
		t.Fatalf("a C compiler and libpq's headers are needed: %v\n%s", err, out)
	}
	cmd := exec.Command(dir + "/parse")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &libpq{in, bufio.NewReader(out)}
}

// parse returns what libpq reads, sorted, and its error.
func (l *libpq) parse(t testing.TB, text string) (pairs []string, refusal string) {
	t.Helper()
	fmt.Fprintln(l.in, hex.EncodeToString([]byte(text)))
	line, err := l.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if message, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
		text, _ := hex.DecodeString(strings.TrimSpace(message)) // the program writes nothing else
		return nil, "refused: " + string(text)
	}
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		k, _ := hex.DecodeString(key) // the program writes nothing else
		v, _ := hex.DecodeString(value)
		pairs = append(pairs, fmt.Sprintf("%s=%q", k, v))
	}
	sort.Strings(pairs)
	return pairs, ""
}

// compare holds Parse to libpq.
func compare(t *testing.T, l *libpq, text string) {
	t.Helper()
	want, refusal := l.parse(t, text)
	if strings.Contains(refusal, "invalid connection option") || strings.Contains(refusal, "invalid URI query parameter") {
		return // a name that libpq does not know
	}
	pairs, err := Parse(text)
	if (err != nil) != (refusal != "") {
		t.Errorf("%q: we say %v, libpq %s", text, err, refusal)
		return
	}
	last := map[string]string{}
	for _, p := range pairs {
		last[p.Key] = p.Value
	}
	var got []string
	for key, value := range last {
		got = append(got, fmt.Sprintf("%s=%q", key, value))
	}
	sort.Strings(got)
	if refusal == "" && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q:\n we  %s\nlibpq %s", text, got, want)
	}
}

// TestAgainstLibpq feeds both with texts made of the pieces that matter.
func TestAgainstLibpq(t *testing.T) {
	l := startLibpq(t)
	pieces := map[string][]string{
		"": {"host", "user", "password", "application_name", "=", "=", "'", "'", `\`, " ", "\t", "\n", "\v", "\f", "a", "é", "%", "x y", "options"},
		"postgresql://": {
			"u", "p", ":", ":", "@", "@", "/", "?", ",", "[", "]", "::1", "h", "5432", "&", "=", "=", "%20", "%2F", "%zz", "%00", "%4",
			"application_name", "ssl=true", "sslmode=require", "é", "host", "?user=", "&password=",
		},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for prefix, all := range pieces {
		for range 30000 {
			text := prefix
			for range r.IntN(12) {
				text += all[r.IntN(len(all))]
			}
			compare(t, l, text)
		}
	}
	for _, v := range values() {
		for _, w := range values() {
			want := []string{fmt.Sprintf("password=%q", w), fmt.Sprintf("user=%q", v)}
			if got, refusal := l.parse(t, Format([]Pair{{"user", v}, {"password", w}})); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("libpq reads %s %s, want %s", got, refusal, want)
			}
		}
	}
}

func FuzzAgainstLibpq(f *testing.F) {
	l := startLibpq(f)
	for _, s := range []string{"host=a", "user='it\\'s' ", "postgres://u:p@[::1]:5/d?sslmode=x", `a\ b=c`, "host = 'x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.ContainsRune(text, 0) && len(text) < 10000 {
			compare(t, l, text)
		}
	})
}

// TestPsql has psql connect with what Format writes, and looks at what it sends.
func TestPsql(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is not installed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, v := range values() {
		if v == "" {
			continue // psql puts a default in its place
		}
		sent := make(chan string, 1)
		go func() { sent <- startup(listener) }()
		text := Format([]Pair{
			{"host", "127.0.0.1"},
			{"port", fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)},
			{"sslmode", "disable"},
			{"gssencmode", "disable"},
			{"user", v},
			{"dbname", v + "d"},
			{"application_name", v + "a"},
		})
		exec.Command(psql, "-X", "-d", text, "-c", "").Run() // it is not let in
		got := <-sent
		for _, want := range []string{"\x00user\x00" + v + "\x00", "\x00database\x00" + v + "d\x00", "\x00application_name\x00" + v + "a\x00"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: sent %q, want %q", text, got, want)
			}
		}
	}
}

// startup reads a client's first message and hangs up.
func startup(l net.Listener) string {
	conn, err := l.Accept()
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err.Error()
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:4])-8)
	if _, err := io.ReadFull(conn, body); err != nil {
		return err.Error()
	}
	return "\x00" + string(body)
}

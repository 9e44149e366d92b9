package host

import (
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
)

// Survey is what runs on a machine of which no node is known yet.
type Survey struct {
	Addresses []string // its own, without those of the loopback interface
	Servers   []RunningServer
	// Programs are those that may decide which server is the primary.
	Programs []string
	// Resolved are the addresses of the names that were asked about, as the machine sees them.
	Resolved map[string][]string
}

// RunningServer is a PostgreSQL server that runs.
type RunningServer struct {
	DataDir string
	Port    int
}

//go:embed survey.sh
var surveyText string

// LookAround finds what runs on a machine, and how it resolves names, with one command.
func LookAround(ctx context.Context, c Conn, names []string) (*Survey, error) {
	boundary, asked := newBoundary(), Want{Resolve: names}.names()
	script := fmt.Sprintf("B=%s\n", Quote(boundary)) + layoutText + discoverText + surveyText + "survey " + QuoteAll(asked) + " </dev/null\n"
	out, err := c.Run(ctx, Command{Argv: append(groupLimit(ctx), "sh", "-c", `eval "$(cat)"`, "sh"), Stdin: strings.NewReader(script)})
	if err != nil {
		return nil, fmt.Errorf("look for servers: %w", err)
	}
	f, whole := parseFields(out, boundary)
	if !whole {
		return nil, &Error{Kind: facts.BadData, Op: "look for servers", Err: errors.New("the script's answer is not whole")}
	}
	return &Survey{Addresses: ownAddresses(f.text["addresses"]), Servers: runningServers(f.text["servers"]), Programs: strings.Fields(f.text["programs"]), Resolved: f.resolved(asked)}, nil
}

// ownAddresses reads the kernel's lists.
func ownAddresses(text string) []string {
	var all []string
	for word := range strings.FieldsSeq(text) {
		a, err := netip.ParseAddr(word)
		if digits, bad := hex.DecodeString(word); bad == nil && len(digits) == 16 {
			a, err = netip.AddrFrom16([16]byte(digits)), nil
		}
		if err == nil && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			all = append(all, a.String())
		}
	}
	return all
}

// runningServers reads lines of a data directory and a port; a server may have several sockets.
func runningServers(text string) []RunningServer {
	var all []RunningServer
	for line := range strings.Lines(text) {
		dir, port, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		n, err := strconv.Atoi(port)
		if s := (RunningServer{dir, n}); err == nil && dir != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b RunningServer) int { return a.Port - b.Port })
	return all
}

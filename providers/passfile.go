package providers

import (
	"context"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// readStandbyPassfile reads the password file of a standby that somebody else set up, to
// tell whether it can be left as it is. It costs a round trip there and nowhere else.
func readStandbyPassfile(ctx context.Context, conn host.Conn, found *facts.Node) {
	if found.Server == nil || !found.Server.InRecovery {
		return
	}
	said := conninfo.Map(found.Server.ConnInfo.Reveal())
	if said["host"] == "" || said["password"] != "" || said["passfile"] == found.Host.Passfile.Path {
		return
	}
	out, err := conn.Run(ctx, host.Command{Argv: []string{"sh", "-c", `f=${1:-$HOME/.pgpass}; stat -L -c %a -- "$f" && cat -- "$f"`, "sh", said["passfile"]}})
	if err != nil {
		return // not there, or not readable: it is of no use to the server either
	}
	mode, text, _ := strings.Cut(string(out), "\n")
	bits, _ := strconv.ParseUint(mode, 8, 32)
	found.Host.StandbyPassfile = &facts.SecretFile{
		Path: said["passfile"], Exists: true, Mode: uint32(bits), Text: topology.NewSecret("node."+found.Name+".passfile", text),
	}
}

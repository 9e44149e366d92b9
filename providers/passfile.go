package providers

import (
	"context"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// readStandbyPassfile reads the password file of a standby that someone else set up, to
// tell whether it can be left as it is. It costs a round trip there and nowhere else.
func readStandbyPassfile(ctx context.Context, conn host.Conn, found *facts.Node) {
	text := startConnInfo(found.Host)
	if found.Server != nil {
		text = found.Server.ConnInfo.Reveal()
	}
	if found.ServerError != nil || found.Server != nil && !found.Server.InRecovery {
		return
	}
	said := conninfo.Map(text)
	if said["host"] == "" || said["password"] != "" || said["passfile"] == found.Host.Passfile.Path {
		return
	}
	out, err := conn.Run(ctx, host.Command{Argv: []string{"sh", "-c", `f=${1:-$HOME/.pgpass}; [ -f "$f" ] && stat -L -c %a -- "$f" && cat -- "$f"`, "sh", said["passfile"]}})
	if err != nil {
		return // not there, or not readable: it is of no use to the server either
	}
	mode, text, _ := strings.Cut(string(out), "\n")
	bits, _ := strconv.ParseUint(mode, 8, 32)
	found.Host.StandbyPassfile = &facts.SecretFile{
		Path: said["passfile"], Exists: true, Mode: uint32(bits), Text: topology.NewSecret("node."+found.Name+".passfile", text),
	}
}

// startConnInfo is the connection string with which a standby that is down starts; "" where
// neither of its files has one.
func startConnInfo(h *facts.Host) string {
	text := ""
	for _, s := range conftext.ParseConf(h.Conf.Text + "\n" + h.AutoConf.Text.Reveal()) {
		if h.StandbySignal && conftext.SameName(s.Name, "primary_conninfo") {
			text = s.Value
		}
	}
	return text
}

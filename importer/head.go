package importer

import (
	"fmt"
	"strings"
)

// head is the comment on top: where it comes from, and who else decides.
func (d *decider) head(groups []*group) {
	var hosts []string
	for _, g := range groups {
		for _, m := range g.members {
			hosts = append(hosts, at(m.Seen))
		}
	}
	d.doc.Head = append(d.doc.Head, fmt.Sprintf("Written by repltool import from what runs on %s.", strings.Join(hosts, ", ")))
	d.managers(groups)
	for _, text := range d.o.Unread {
		d.doc.Head = append(d.doc.Head, "Not read, and not in this topology: "+text+".")
	}
}
